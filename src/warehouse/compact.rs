//! Keeps the files of a table few and large, whatever its age, by merges that change no row. [`plan`] says which merges are due;
//! [`merge`](kway_merge) reads and writes the rows; here each is committed.
//!
//! Readers keep the old files until vacuum removes them. Ingests at the same time are not disturbed, and of two merges of the same files
//! one is committed. Stopping at any time loses nothing.

mod kway_merge;
mod levels;
mod plan;
mod ranges;
mod segments;
mod settle;

pub use self::plan::{Merge, MergePolicy};
pub use self::ranges::RangeSize;
pub use self::segments::MergeProgress;

use chrono::Utc;

use self::kway_merge::merge;
use self::levels::bytes_of;
use self::plan::plan;
use self::ranges::RangeCut;
use self::settle::unsettled;
use super::{ATTEMPTS, Change, DataFile, Level, Operation, Snapshot, Warehouse, described};
use crate::error::{Kind, Result};
use crate::schema::Table;

/// What merges did.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Compacted {
    /// Files that were merged.
    pub files_removed: usize,
    /// Files that they were merged into.
    pub files_added: usize,
    /// Rows in these files.
    pub rows: u64,
}

/// Told now and then how far a merge is.
type TellProgress<'a> = &'a (dyn Fn(MergeProgress) + Send + Sync);

impl Warehouse {
    /// The merges of a table that are due now. Fails with `NotFound` where there is no table, as all of these do.
    pub async fn due_merges(&self, table: Table, policy: &MergePolicy) -> Result<Vec<Merge>> {
        Ok(plan(&self.newest(table).await?.files, policy, Utc::now()))
    }

    /// Does the first of the merges that are due, in one commit; `None` if none is. Others may follow then. `Conflict` if others keep
    /// removing the files at work.
    pub async fn merge_due(
        &self,
        table: Table,
        policy: &MergePolicy,
        progress: TellProgress<'_>,
    ) -> Result<Option<(Merge, Compacted)>> {
        let once = async || {
            let base = self.newest(table).await?;
            let Some(mut merge) = plan(&base.files, policy, Utc::now()).into_iter().next() else {
                return Ok(None);
            };
            merge.files = described(&base.store, table, merge.files).await?;
            let done = self.commit_merges(&base, std::slice::from_ref(&merge), policy, progress);
            Ok(Some((merge.clone(), done.await?)))
        };
        again_on_conflict(once).await
    }

    /// Brings a table into one sorted run of full files. One commit does it, unless there is more to merge than
    /// [`young_bytes`](MergePolicy::young_bytes): then the young files become mature, and these are merged with the base range by range.
    /// `Conflict` if others keep removing the files at work.
    pub async fn compact(&self, table: Table, policy: &MergePolicy) -> Result<Compacted> {
        let mut compacted = Compacted::default();
        loop {
            let (step, is_last) = again_on_conflict(|| self.compact_step(table, policy)).await?;
            compacted.files_removed += step.files_removed;
            compacted.files_added += step.files_added;
            compacted.rows += step.rows;
            if is_last {
                return Ok(compacted);
            }
        }
    }

    /// The files that [`compact`](Self::compact) would merge now. Nothing is written: into how many files is not known before.
    pub async fn would_compact(&self, table: Table, policy: &MergePolicy) -> Result<Compacted> {
        let base = self.described_newest(table).await?;
        let files = unsettled(&base.files, policy.file_size).concat();
        let rows = files.iter().filter_map(|file| file.rows).sum();
        Ok(Compacted { files_removed: files.len(), files_added: 0, rows })
    }

    /// One commit, and whether the table is one run after it.
    async fn compact_step(&self, table: Table, policy: &MergePolicy) -> Result<(Compacted, bool)> {
        let base = self.described_newest(table).await?;
        let groups = unsettled(&base.files, policy.file_size);
        let by_range = bytes_of(groups.iter().flatten()) > policy.young_bytes;
        let (merges, is_last) = match by_range.then(|| plan::everything(&base.files, policy)) {
            Some(Some(merge)) => (vec![merge], false),
            _ => (groups.into_iter().map(|group| to_base(group, policy)).collect(), true),
        };
        let done = self.commit_merges(&base, &merges, policy, &|_| ()).await?;
        Ok((done, is_last))
    }

    async fn newest(&self, table: Table) -> Result<Snapshot> {
        self.snapshot(table, None).await?.ok_or_else(|| self.no_table(table))
    }

    async fn described_newest(&self, table: Table) -> Result<Snapshot> {
        let mut base = self.newest(table).await?;
        base.files = described(&base.store, table, base.files).await?;
        base.files.sort_by_key(|file| (*file.keys.start(), file.path.clone()));
        Ok(base)
    }

    /// Merges files, as their footers have them, and replaces them in one commit. On a conflict the new files are discarded.
    async fn commit_merges(
        &self,
        base: &Snapshot,
        merges: &[Merge],
        policy: &MergePolicy,
        progress: TellProgress<'_>,
    ) -> Result<Compacted> {
        if merges.is_empty() {
            return Ok(Compacted::default());
        }
        self.check_writable(base.table).await?;
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for one in merges {
            add.extend(merge(self, base, one, policy.file_size, progress).await?);
            remove.extend(one.files.iter().cloned());
        }
        let (files_removed, files_added) = (remove.len(), add.len());
        let rows = add.iter().filter_map(|file| file.rows).sum();
        let (schema, operation) = (base.schema.clone(), Operation::Compact);
        let change = Change { operation, schema, add: add.clone(), remove };
        let committed = self.commit(base.table, Some(base), change).await;
        if committed.as_ref().is_err_and(|error| error.kind() == Kind::Conflict) {
            self.discard(&add).await;
        }
        committed?;
        Ok(Compacted { files_removed, files_added, rows })
    }
}

/// Merges a group of files into files of the base, with ranges of their own.
fn to_base(files: Vec<DataFile>, policy: &MergePolicy) -> Merge {
    let from = files.iter().filter_map(|file| file.tag.level).min().unwrap_or(Level::L0);
    let parts = policy.range_size.parts(bytes_of(&files));
    let cut = Some(RangeCut { starts: Vec::new(), parts });
    Merge { files, from, to: Level::Base, range: None, why: "compaction".to_string(), cut }
}

/// Another writer removed a file that was at work: all is planned anew.
async fn again_on_conflict<T>(once: impl AsyncFn() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match once().await {
            Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => {
                tracing::info!(%error, "starting the merge over");
                attempt += 1;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests;
