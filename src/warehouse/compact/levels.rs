//! Sorts the files of a table by their level, and counts how many of them hold one key.

use crate::warehouse::files::has_our_name;
use crate::warehouse::{DataFile, FileSize, Level};

/// The files of a table, of each level.
pub(super) struct Leveled<'a>([Vec<&'a DataFile>; Level::ALL.len()]);

impl<'a> Leveled<'a> {
    /// A file without a level, of before there were levels or of another engine, is of the base if it is one of ours, at least half full,
    /// and overlaps no other such file and none of the base. Any other one has the level of its size.
    pub(super) fn new(files: &'a [DataFile], full: FileSize) -> Self {
        let mut levels: [Vec<&DataFile>; _] = Default::default();
        let mut full_files = Vec::new();
        for file in files {
            match file.tag.level {
                Some(level) => levels[level as usize].push(file),
                None if has_our_name(&file.path) && !is_small(file, full) => full_files.push(file),
                None => levels[by_size(file) as usize].push(file),
            }
        }
        if full_files.is_empty() {
            return Self(levels);
        }
        full_files.extend(&levels[Level::Base as usize]);
        full_files.sort_by_key(|file| *file.keys.start());
        let mut others_end = None;
        for (i, file) in full_files.iter().enumerate() {
            let next = full_files.get(i + 1);
            let alone = others_end < Some(*file.keys.start())
                && next.is_none_or(|next| file.keys.end() < next.keys.start());
            others_end = others_end.max(Some(*file.keys.end()));
            if file.tag.level.is_none() {
                let level = if alone { Level::Base } else { by_size(file) };
                levels[level as usize].push(file);
            }
        }
        Self(levels)
    }

    /// Those of a level.
    pub(super) fn of(&self, level: Level) -> &[&'a DataFile] {
        &self.0[level as usize]
    }
}

fn by_size(file: &DataFile) -> Level {
    Level::of_run(file.size_bytes).min(Level::L2)
}

/// Whether a file is less than half full.
pub(super) fn is_small(file: &DataFile, full: FileSize) -> bool {
    full.is_small(file.rows.unwrap_or_default(), file.size_bytes)
}

/// The bytes of some files.
pub(super) fn bytes_of<'a>(files: impl IntoIterator<Item = &'a DataFile>) -> u64 {
    files.into_iter().map(|file| file.size_bytes).sum()
}

/// The greatest number of files that may hold one key. So many sorted runs they are at least.
pub(super) fn depth<'a>(files: impl IntoIterator<Item = &'a DataFile>) -> usize {
    // At a key, files begin before others end.
    let ends = |file: &DataFile| [(*file.keys.start(), 0), (*file.keys.end(), 1)];
    let mut ends: Vec<_> = files.into_iter().flat_map(ends).collect();
    ends.sort_unstable();
    let (mut open, mut most) = (0usize, 0);
    for (_, closes) in ends {
        match closes {
            0 => open += 1,
            _ => open -= 1,
        }
        most = most.max(open);
    }
    most
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::tests::{file, tagged};
    use super::*;

    const FULL: FileSize = FileSize { rows: usize::MAX, bytes: 1000 };

    #[test]
    fn depth_counts_the_files_at_one_key() {
        let deep = |keys: &[(i64, i64)]| {
            let files: Vec<_> = keys.iter().map(|(from, to)| file(*from..=*to, 1)).collect();
            depth(&files)
        };
        assert_eq!(deep(&[]), 0);
        assert_eq!(deep(&[(0, 9), (10, 19), (20, 20)]), 1);
        assert_eq!(deep(&[(0, 10), (10, 19), (10, 10), (11, 30)]), 3);
        assert_eq!(deep(&[(i64::MIN, i64::MAX), (i64::MAX, i64::MAX)]), 2);
    }

    fn levels(files: &[DataFile]) -> Vec<Vec<(i64, u64)>> {
        let leveled = Leveled::new(files, FULL);
        let keys = |file: &&DataFile| (*file.keys.start(), file.size_bytes);
        Level::ALL.map(|level| leveled.of(level).iter().map(keys).collect()).to_vec()
    }

    #[test]
    fn a_file_without_a_tag_is_of_the_base_if_it_is_full_and_alone() {
        let files = [
            file(0..=9, 500),
            file(10..=19, 1000),
            file(12..=13, 499),
            tagged(20..=29, 10, Level::Base, None),
            tagged(0..=100, 900, Level::L1, None),
            file(30..=39, 1000),
            file(35..=40, 900),
            file(50..=60, 800),
        ];
        let base = vec![(20, 10), (0, 500), (10, 1000), (50, 800)];
        let young = vec![(12, 499), (30, 1000), (35, 900)];
        assert_eq!(levels(&files), [young, vec![(0, 900)], vec![], vec![], base]);
    }

    #[test]
    fn files_of_another_engine_are_not_of_the_base() {
        let name = format!("part-00000-{}-c000.snappy.parquet", Uuid::new_v4());
        let foreign = DataFile { path: name.into(), ..file(0..=9, 3_000_000_000) };
        assert_eq!(levels(&[foreign])[Level::L2 as usize], [(0, 3_000_000_000)]);
    }
}
