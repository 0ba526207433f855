//! Keeps the files of a table few and large, whatever its age, by merges that change no row. [`plan()`] says which merges are due;
//! [`merge`](kway_merge) reads and writes the rows; here each is committed.
//!
//! Readers keep the old files until vacuum removes them. Ingests at the same time are not disturbed, and of two merges of the same files
//! one is committed. Stopping at any time loses nothing.

mod fold;
mod kway_merge;
mod levels;
mod plan;
mod ranges;
mod segments;
mod settle;
mod updates;

pub use self::plan::{Merge, MergeKind, MergePolicy};
pub use self::ranges::RangeSize;
pub use self::segments::MergeProgress;

use std::collections::HashSet;

use chrono::Utc;
use object_store::path::Path;

use self::fold::{Folded, fold, merge_updates};
use self::kway_merge::merge;
use self::levels::bytes_of;
use self::plan::plan;
use self::ranges::RangeCut;
use self::segments::TellProgress;
use self::settle::unsettled;
use super::delta_log::{Log, check_removable};
use super::{ATTEMPTS, Change, DataFile, Level, Operation, Snapshot, Warehouse, described};
use crate::error::{Error, Kind, Result};
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

impl Compacted {
    fn add(&mut self, more: &Self) {
        self.files_removed += more.files_removed;
        self.files_added += more.files_added;
        self.rows += more.rows;
    }
}

impl Warehouse {
    /// The merges of a table that are due now. Fails with `NotFound` where there is no table, as all of these do.
    pub async fn due_merges(&self, table: Table, policy: &MergePolicy) -> Result<Vec<Merge>> {
        Ok(due(&self.newest(table).await?, policy))
    }

    /// Does one of the merges that are due, in one commit, and says what came of it: the first that has no file in common with those that
    /// are passed over; `None` if there is none. Others may follow then. `Conflict` if others keep removing the files at work. A merge with
    /// the base, which writes much, is not repeated at once then. What a merge that failed has written is deleted.
    pub async fn merge_due(
        &self,
        table: Table,
        policy: &MergePolicy,
        passed_over: &[Merge],
        progress: TellProgress<'_>,
    ) -> Result<Option<(Merge, Result<Compacted>)>> {
        let is_free = |merge: &Merge| !passed_over.iter().any(|one| merge.shares_files_with(one));
        self.merge_first(table, policy, is_free, progress).await
    }

    /// Does one of the merges that are due of the rows of a day or so, as [`merge_due`](Self::merge_due) does: what whoever commits every
    /// few seconds cannot leave to others for long.
    pub async fn merge_young(
        &self,
        table: Table,
        policy: &MergePolicy,
    ) -> Result<Option<(Merge, Result<Compacted>)>> {
        let is_young = |merge: &Merge| merge.to < Level::L2 && merge.kind != MergeKind::Fold;
        self.merge_first(table, policy, is_young, &|_| ()).await
    }

    async fn merge_first(
        &self,
        table: Table,
        policy: &MergePolicy,
        is_wanted: impl Fn(&Merge) -> bool,
        progress: TellProgress<'_>,
    ) -> Result<Option<(Merge, Result<Compacted>)>> {
        let mut attempt = 1;
        loop {
            let base = self.newest(table).await?;
            let Some(merge) = due(&base, policy).into_iter().find(&is_wanted) else {
                return Ok(None);
            };
            match self.do_merge(&base, &merge, policy, progress).await {
                Err(error) if merge.to < Level::Base && is_conflict(&error, attempt) => {
                    attempt += 1
                }
                done => return Ok(Some((merge, done))),
            }
        }
    }

    /// Folds the updates that a table has now into it: then its own files have the newest row of each object. `Conflict` if others keep
    /// removing the files at work.
    pub async fn fold(&self, table: Table, policy: &MergePolicy) -> Result<Compacted> {
        let first = self.newest(table).await?;
        let newest = first.update_files().map(DataFile::update_number).max().unwrap_or_default();
        let (mut folded, mut attempt) = (Compacted::default(), 1);
        loop {
            let base = self.newest(table).await?;
            let Some(step) = updates::fold(&base.files, newest, policy, "fold") else {
                return Ok(folded);
            };
            match self.do_merge(&base, &step, policy, &|_| ()).await {
                Err(error) if is_conflict(&error, attempt) => attempt += 1,
                done => {
                    folded.add(&done?);
                    attempt = 1;
                }
            }
        }
    }

    /// Brings the rows that a table has now into one sorted run of full files, with all updates folded in. One commit does it, unless there
    /// is more to merge than [`young_bytes`](MergePolicy::young_bytes): then the young files become mature, and these are merged with the
    /// base range by range. What others add meanwhile is left as it is, so that it comes to an end. `Conflict` if they keep removing the
    /// files at work.
    pub async fn compact(&self, table: Table, policy: &MergePolicy) -> Result<Compacted> {
        let mut compacted = self.fold(table, policy).await?;
        let first = self.newest(table).await?.files.into_iter().map(|file| file.path).collect();
        let mut attempt = 1;
        loop {
            let (step, is_last) = match self.compact_step(table, &first, policy).await {
                Err(error) if is_conflict(&error, attempt) => {
                    attempt += 1;
                    continue;
                }
                done => done?,
            };
            attempt = 1;
            compacted.add(&step);
            if is_last {
                return Ok(compacted);
            }
        }
    }

    /// The files that [`compact`](Self::compact) would merge now. Nothing is written: into how many files is not known before.
    pub async fn would_compact(&self, table: Table, policy: &MergePolicy) -> Result<Compacted> {
        let base = self.described_newest(table).await?;
        let own: Vec<_> = base.own_files().cloned().collect();
        let mut files = unsettled(&own, policy.file_size).concat();
        files.extend(base.update_files().cloned());
        let rows = files.iter().filter_map(|file| file.rows).sum();
        Ok(Compacted { files_removed: files.len(), files_added: 0, rows })
    }

    /// One commit, and whether the `first` files, and what was made of them, are one run after it. Only merges make mature files and those
    /// of the base.
    async fn compact_step(
        &self,
        table: Table,
        first: &HashSet<Path>,
        policy: &MergePolicy,
    ) -> Result<(Compacted, bool)> {
        let mut base = self.described_newest(table).await?;
        base.files
            .retain(|file| first.contains(&file.path) || file.tag.level >= Some(Level::Mature));
        base.files.retain(|file| !file.is_update());
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
        base.files.sort_unstable_by(DataFile::in_key_order);
        Ok(base)
    }

    async fn do_merge(
        &self,
        base: &Snapshot,
        merge: &Merge,
        policy: &MergePolicy,
        progress: TellProgress<'_>,
    ) -> Result<Compacted> {
        let files = described(&base.store, base.table, merge.files.clone()).await?;
        let merge = Merge { files, ..merge.clone() };
        self.commit_merges(base, &[merge], policy, progress).await
    }

    /// Merges files, as their footers have them, and replaces them in one commit. If that fails, all that was written is discarded.
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
        let log = Log::new(&self.location, base.table)?;
        merges.iter().try_for_each(|one| check_removable(&log, &one.files))?;
        self.check_writable(base.table).await?;
        let run = self.for_one_run();
        let done = run.merged(base, merges, policy, progress).await;
        if done.is_err() {
            run.discard_run().await;
        }
        done
    }

    async fn merged(
        &self,
        base: &Snapshot,
        merges: &[Merge],
        policy: &MergePolicy,
        progress: TellProgress<'_>,
    ) -> Result<Compacted> {
        let (mut add, mut remove) = (Vec::new(), Vec::new());
        for one in merges {
            let full = policy.file_size;
            let Folded { add: new, remove: old } = match one.kind {
                MergeKind::Fold => fold(self, base, one, full, progress).await?,
                MergeKind::Table => Folded {
                    add: merge(self, base, one, full, progress).await?,
                    remove: one.files.clone(),
                },
                MergeKind::Updates => Folded {
                    add: merge_updates(self, base, one, full, progress).await?,
                    remove: one.files.clone(),
                },
            };
            add.extend(new);
            remove.extend(old);
        }
        let (files_removed, files_added) = (remove.len(), add.len());
        let rows = add.iter().filter_map(|file| file.rows).sum();
        let (schema, operation) = (base.schema.clone(), Operation::Compact);
        self.commit(base.table, Some(base), Change { operation, schema, add, remove }).await?;
        Ok(Compacted { files_removed, files_added, rows })
    }
}

/// All that is due: what the updates need comes first.
fn due(base: &Snapshot, policy: &MergePolicy) -> Vec<Merge> {
    let now = Utc::now();
    let own: Vec<_> = base.own_files().cloned().collect();
    let of_updates = updates::due(&base.files, policy, now);
    let is_free = |merge: &Merge| !of_updates.iter().any(|one| merge.shares_files_with(one));
    let of_table = plan(&own, policy, now).into_iter().filter(is_free).collect::<Vec<_>>();
    of_updates.into_iter().chain(of_table).collect()
}

/// Merges a group of files into files of the base, with ranges of their own.
fn to_base(files: Vec<DataFile>, policy: &MergePolicy) -> Merge {
    let from = files.iter().filter_map(|file| file.tag.level).min().unwrap_or(Level::L0);
    let parts = policy.range_size.parts(bytes_of(&files));
    let cut = Some(RangeCut { starts: Vec::new(), parts });
    let (why, kind) = ("compaction".to_string(), MergeKind::Table);
    Merge { files, from, to: Level::Base, range: None, why, kind, cut }
}

/// Whether another writer removed a file that was at work, and all is to be planned anew.
fn is_conflict(error: &Error, attempt: usize) -> bool {
    let again = error.kind() == Kind::Conflict && attempt < ATTEMPTS;
    if again {
        tracing::info!(%error, "starting the merge over");
    }
    again
}

#[cfg(test)]
mod tests;
