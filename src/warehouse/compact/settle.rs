//! Which files keep a table from being one sorted run of full files: those that overlap, are small or not sorted.

use super::levels::is_small;
use crate::warehouse::{DataFile, FileSize};

/// The files to merge, group by group, of files sorted by `keys.start()`. Files whose keys overlap go
/// together, and so do their neighbours as long as these overlap, are small or not sorted themselves. The last file
/// of a group may come out small, and has large neighbours then: nothing is left to do.
pub(super) fn unsettled(files: &[DataFile], full: FileSize) -> Vec<Vec<DataFile>> {
    let mut clusters: Vec<Vec<DataFile>> = Vec::new();
    let mut end = None;
    for file in files {
        match clusters.last_mut() {
            Some(cluster) if end >= Some(*file.keys.start()) => cluster.push(file.clone()),
            _ => clusters.push(vec![file.clone()]),
        }
        end = end.max(Some(*file.keys.end()));
    }
    let settled = |cluster: &Vec<DataFile>| {
        let [file] = &cluster[..] else { return false };
        file.sorted && !is_small(file, full)
    };
    let groups = clusters.chunk_by(|a, b| settled(a) == settled(b));
    let groups = groups.filter(|group| !group.iter().all(settled));
    let worth_it = |group: &Vec<DataFile>| group.len() > 1 || group.iter().any(|file| !file.sorted);
    groups.map(|group| group.concat()).filter(worth_it).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;

    use super::*;
    use chrono::DateTime;

    const FULL: FileSize = FileSize { rows: 100, bytes: usize::MAX };

    fn file(keys: RangeInclusive<i64>, rows: u64) -> DataFile {
        let path = format!("part-{keys:?}.parquet").into();
        DataFile {
            rows: Some(rows),
            ids: keys.clone(),
            keys,
            sorted: true,
            ..DataFile::unknown(path, rows, DateTime::UNIX_EPOCH)
        }
    }

    fn planned(files: &[DataFile]) -> Vec<Vec<RangeInclusive<i64>>> {
        let keys = |group: Vec<DataFile>| group.into_iter().map(|file| file.keys).collect();
        unsettled(files, FULL).into_iter().map(keys).collect()
    }

    #[test]
    fn large_disjoint_files_stay() {
        assert!(planned(&[]).is_empty());
        assert!(planned(&[file(0..=9, 100)]).is_empty());
        assert!(planned(&[file(0..=9, 100), file(10..=19, 60)]).is_empty());
    }

    #[test]
    fn overlapping_files_go_together() {
        let files = [file(0..=9, 100), file(9..=19, 100), file(20..=29, 100), file(25..=26, 100)];
        assert_eq!(planned(&files), [[0..=9, 9..=19, 20..=29, 25..=26]]);
        let apart = [file(0..=30, 90), file(5..=9, 90), file(31..=40, 90), file(41..=50, 90)];
        assert_eq!(planned(&apart), [[0..=30, 5..=9]]);
    }

    #[test]
    fn small_neighbours_go_together() {
        let small = [file(0..=9, 10), file(10..=19, 10), file(20..=29, 100), file(30..=39, 10)];
        assert_eq!(planned(&small), [[0..=9, 10..=19]]);
    }

    #[test]
    fn files_that_are_not_sorted_go_even_alone() {
        let unsorted = |keys| DataFile { sorted: false, ..file(keys, 100) };
        let files = [file(0..=9, 100), unsorted(10..=19), file(20..=29, 100)];
        assert_eq!(planned(&files), [[10..=19]]);
        let files = [file(0..=9, 10), unsorted(10..=19), file(20..=29, 100)];
        assert_eq!(planned(&files), [[0..=9, 10..=19]]);
    }
}
