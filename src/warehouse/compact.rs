//! Compaction: many small, overlapping or unsorted files into few large ones with disjoint key ranges, in one commit.
//! [`plan`] says which files go together, [`merge`] merges their rows.

mod kway_merge;

use self::kway_merge::merge;
use super::{ATTEMPTS, Change, DataFile, FileSize, Operation, Snapshot, Warehouse, described};
use crate::error::{Kind, Result};
use crate::schema::Table;

/// How to compact.
#[derive(Clone, Debug, Default)]
pub struct CompactOptions {
    /// What the files grow to.
    pub file_size: FileSize,
}

/// What a compaction did.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Compacted {
    /// Files that were merged.
    pub files_removed: usize,
    /// Files that they were merged into.
    pub files_added: usize,
    /// Rows in these files.
    pub rows: u64,
}

impl Warehouse {
    /// Merges the files of a table that overlap, are small or not sorted, in one commit; other files stay. Readers
    /// keep the old files until vacuum removes them, and an ingest at the same time is not disturbed.
    /// Stopping it at any time loses nothing. Fails with `NotFound` where there is no table, and with
    /// `Conflict` if others keep removing the files at work.
    pub async fn compact(&self, table: Table, options: &CompactOptions) -> Result<Compacted> {
        let mut attempt = 1;
        loop {
            match self.compact_once(table, options.file_size).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => {
                    tracing::info!(table = table.name(), %error, "starting the compaction over");
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// The files that [`compact`](Self::compact) would merge now. Nothing is written: into how many files is not known before.
    pub async fn would_compact(&self, table: Table, options: &CompactOptions) -> Result<Compacted> {
        let (_, groups) = self.groups(table, options.file_size).await?;
        let files = groups.concat();
        let rows = files.iter().filter_map(|file| file.rows).sum();
        Ok(Compacted { files_removed: files.len(), files_added: 0, rows })
    }

    /// The newest version, and the files of it that are to be merged.
    async fn groups(&self, table: Table, full: FileSize) -> Result<(Snapshot, Vec<Vec<DataFile>>)> {
        let mut base = self.snapshot(table, None).await?.ok_or_else(|| self.no_table(table))?;
        base.files = described(&base.store, table, base.files).await?;
        base.files.sort_by_key(|file| (*file.keys.start(), file.path.clone()));
        let groups = plan(&base.files, full);
        Ok((base, groups))
    }

    async fn compact_once(&self, table: Table, full: FileSize) -> Result<Compacted> {
        let (base, groups) = self.groups(table, full).await?;
        if groups.is_empty() {
            return Ok(Compacted::default());
        }
        self.check_writable(table).await?;
        let mut add = Vec::new();
        let done = self.replace(&base, groups, full, &mut add).await;
        if done.as_ref().is_err_and(|error| error.kind() == Kind::Conflict) {
            self.discard(&add).await;
        }
        done
    }

    async fn replace(
        &self,
        base: &Snapshot,
        groups: Vec<Vec<DataFile>>,
        full: FileSize,
        add: &mut Vec<DataFile>,
    ) -> Result<Compacted> {
        let mut rows = 0;
        for group in &groups {
            let merged = merge(self, base, group, full).await?;
            rows += merged.iter().filter_map(|file| file.rows).sum::<u64>();
            add.extend(merged);
        }
        let (schema, operation) = (base.schema.clone(), Operation::Compact);
        let change = Change { operation, schema, add: add.clone(), remove: groups.concat() };
        let files_removed = change.remove.len();
        self.commit(base.table, Some(base), change).await?;
        Ok(Compacted { files_removed, files_added: add.len(), rows })
    }
}

/// The files to merge, group by group, of files sorted by `keys.start()`. Files whose keys overlap go
/// together, and so do their neighbours as long as these overlap, are small or not sorted themselves. The last file
/// of a group may come out small, and has large neighbours then: nothing is left to do.
fn plan(files: &[DataFile], full: FileSize) -> Vec<Vec<DataFile>> {
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
        file.sorted && !full.is_small(file.rows.unwrap_or_default(), file.size_bytes)
    };
    let groups = clusters.chunk_by(|a, b| settled(a) == settled(b));
    let unsettled = groups.filter(|group| !group.iter().all(settled));
    let worth_it = |group: &Vec<DataFile>| group.len() > 1 || group.iter().any(|file| !file.sorted);
    unsettled.map(|group| group.concat()).filter(worth_it).collect()
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
        plan(files, FULL).into_iter().map(keys).collect()
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
