//! Sorts the files of a table by their level, and counts how many of them hold one key.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::warehouse::files::has_our_name;
use crate::warehouse::{DataFile, FileSize, Level};

/// The files of a table, of each level.
pub(super) struct Leveled<'a>([Vec<&'a DataFile>; Level::ALL.len()]);

impl<'a> Leveled<'a> {
    /// A file without a level, of before there were levels or of another engine, is of the base if it is one of ours and at least half
    /// full, and overlaps none of the base. Of such files that overlap each other as many as possible are of the base: those that end
    /// first, so not a wide one in the place of many. Any other one has the level of its size.
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
        let base = Covered::new(&levels[Level::Base as usize]);
        full_files.sort_by_key(|file| (*file.keys.end(), Reverse(*file.keys.start())));
        let mut end = None;
        for file in full_files {
            let alone = end < Some(*file.keys.start()) && !base.overlaps(file);
            if alone {
                end = Some(*file.keys.end());
            }
            let level = if alone { Level::Base } else { by_size(file) };
            levels[level as usize].push(file);
        }
        Self(levels)
    }

    /// Those of a level.
    pub(super) fn of(&self, level: Level) -> &[&'a DataFile] {
        &self.0[level as usize]
    }
}

/// The keys that some files cover: where each begins, ascending, and the end of what is covered up to there.
struct Covered(Vec<(i64, i64)>);

impl Covered {
    fn new(files: &[&DataFile]) -> Self {
        let mut keys: Vec<_> =
            files.iter().map(|file| (*file.keys.start(), *file.keys.end())).collect();
        keys.sort_unstable();
        let mut end = i64::MIN;
        for (_, covered) in &mut keys {
            end = end.max(*covered);
            *covered = end;
        }
        Self(keys)
    }

    fn overlaps(&self, file: &DataFile) -> bool {
        let begun = self.0.partition_point(|(start, _)| start <= file.keys.end());
        self.0[..begun].last().is_some_and(|(_, end)| end >= file.keys.start())
    }
}

fn by_size(file: &DataFile) -> Level {
    Level::of_run(file.size_bytes).min(Level::L2)
}

/// Young files that are merged with each other, by what merging them gives. Those of level 0 come from ingests of any size, of a night or
/// of seconds: they are told apart by their size, so that eight of one tier are about one of the next.
pub(super) fn tiers<'a>(level: Level, files: &[&'a DataFile]) -> Vec<Vec<&'a DataFile>> {
    let mut tiers: BTreeMap<u32, Vec<&DataFile>> = BTreeMap::new();
    for file in files {
        tiers.entry(tier(level, file.size_bytes)).or_default().push(file);
    }
    tiers.into_values().collect()
}

fn tier(level: Level, bytes: u64) -> u32 {
    match level {
        Level::L0 => (bytes >> 10).max(1).ilog(8),
        _ => 0,
    }
}

/// The level of young files of one level, and of one tier, once they are merged.
pub(super) fn merged_level(level: Level, files: &[DataFile], full: FileSize) -> Level {
    let (rows, bytes) = (files.iter().filter_map(|file| file.rows).sum(), bytes_of(files));
    let is_larger = |file: &DataFile| tier(level, bytes) > tier(level, file.size_bytes);
    match Level::of_run(bytes) {
        // One file: several would be of the tier from which they came, and be merged again.
        Level::L0
            if level == Level::L0 && full.is_small(rows, bytes) && files.iter().all(is_larger) =>
        {
            Level::L0
        }
        by_size => level.next().max(by_size),
    }
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
    const LARGE: FileSize = FileSize { rows: usize::MAX, bytes: 512 << 20 };

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
        let base = vec![(20, 10), (0, 500), (10, 1000), (30, 1000), (50, 800)];
        let young = vec![(12, 499), (35, 900)];
        assert_eq!(levels(&files), [young, vec![(0, 900)], vec![], vec![], base]);
    }

    #[test]
    fn a_wide_file_without_a_tag_leaves_the_others_in_the_base() {
        let mut files = vec![file(0..=99, 600), file(5..=200, 1000), file(95..=300, 1000)];
        files.extend((0..10).map(|n| file(n * 10..=n * 10 + 9, 1000)));
        let base: Vec<_> = (0..10).map(|n| (n * 10, 1000)).collect();
        let young = vec![(0, 600), (5, 1000), (95, 1000)];
        assert_eq!(levels(&files), [young, vec![], vec![], vec![], base]);
        // Nor does it come in between the files of the base that have a tag.
        let tagged = [(0, 49), (10, 19)].map(|(a, b)| tagged(a..=b, 9, Level::Base, None));
        let levels = levels(&[&tagged[..], &files].concat());
        assert_eq!(levels[Level::Base as usize].len(), 2 + 5);
    }

    #[test]
    fn files_of_another_engine_are_not_of_the_base() {
        let name = format!("part-00000-{}-c000.snappy.parquet", Uuid::new_v4());
        let foreign = DataFile { path: name.into(), ..file(0..=9, 3_000_000_000) };
        assert_eq!(levels(&[foreign])[Level::L2 as usize], [(0, 3_000_000_000)]);
    }

    #[test]
    fn eight_files_of_a_tier_are_one_of_the_next_until_they_are_of_the_next_level() {
        for bytes in [10_000, 60_000, 110_000, 500_000, 3_000_000, 32_000_000] {
            let files: Vec<_> = (0..8).map(|_| tagged(0..=9, bytes, Level::L0, None)).collect();
            assert_eq!(tiers(Level::L0, &files.iter().collect::<Vec<_>>()).len(), 1);
            let merged = merged_level(Level::L0, &files, LARGE);
            let expected = if bytes < 32_000_000 { Level::L0 } else { Level::L1 };
            assert_eq!(merged, expected, "{bytes}");
            let merged = tagged(0..=9, 8 * bytes, merged, None);
            let all: Vec<_> = files.iter().chain([&merged]).collect();
            let of_level = |file: &&DataFile| file.tag.level == Some(Level::L0);
            let of_level: Vec<_> = all.into_iter().filter(of_level).collect();
            let apart = if bytes < 32_000_000 { 2 } else { 1 };
            assert_eq!(tiers(Level::L0, &of_level).len(), apart, "{bytes}");
        }
        // What would not grow goes on to the next level, so that every merge comes to an end.
        let files: Vec<_> = [500_000, 1000].map(|n| tagged(0..=9, n, Level::L0, None)).into();
        assert_eq!(merged_level(Level::L0, &files, LARGE), Level::L1);
        let files: Vec<_> = (0..8).map(|_| tagged(0..=9, 900, Level::L0, None)).collect();
        assert_eq!(merged_level(Level::L0, &files, FULL), Level::L1, "more than one file");
        // Of higher levels all are of one tier.
        let files = [1000, 1_000_000_000].map(|n| tagged(0..=9, n, Level::L1, None));
        assert_eq!(tiers(Level::L1, &files.iter().collect::<Vec<_>>()).len(), 1);
        assert_eq!(merged_level(Level::L1, &files, LARGE), Level::L2);
    }
}
