//! Deletes rows from all tables, copy on write: files that hold none of the rows stay, the others are written again without them. Objects
//! come first, so that no object is visible without its sources.
//!
//! The rows of an observing night are given by their times. The objects that have no source left go with them; the rows of other objects
//! stay as their newest alert gave them.

mod selection;
mod sources_left;

use std::sync::Arc;

use arrow::array::RecordBatch;

use self::selection::{Keys, RowChoice};
use self::sources_left::without_sources;
use super::rewrite::rewrite;
use super::{ATTEMPTS, Change, FileSize, Operation, Snapshot, Warehouse, described};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// What to delete.
#[derive(Clone, Debug, PartialEq)]
pub enum Doomed {
    /// An object, from all tables.
    Object(i64),
    /// The measurements from one time to another (MJD, TAI, both included), and the objects that have no source left.
    Night {
        /// The first time of the night.
        from_mjd: f64,
        /// The last.
        to_mjd: f64,
    },
}

/// What was deleted, or would be.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Deleted {
    /// Each table that exists.
    pub tables: Vec<DeletedRows>,
    /// Objects that lost sources, but not all: their rows in `objects` stay as they are.
    pub objects_kept: u64,
}

/// What was deleted from one table.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct DeletedRows {
    /// The table.
    pub table: &'static str,
    /// The version without the rows; `None` if it had none, or nothing was to be changed.
    pub committed: Option<u64>,
    /// Rows that were deleted.
    pub rows: u64,
    /// Files that held them.
    pub files_removed: usize,
    /// Files that were written in their place.
    pub files_added: usize,
}

/// A change of a table whose files are written.
struct Deletion {
    base: Snapshot,
    change: Change,
    rows: u64,
}

impl Warehouse {
    /// Deletes rows from all tables that exist. Nothing is changed unless the new files of all tables are written. If it is stopped between
    /// two tables, the same again completes it. Fails with `NotFound` if no table exists, and with `Conflict` if other writers were first
    /// in every attempt.
    pub async fn delete(&self, doomed: &Doomed, dry_run: bool) -> Result<Deleted> {
        if !dry_run {
            self.check_writable(self.tables().await?[0]).await?;
        }
        let mut done = Deleted::default();
        let mut attempt = 1;
        loop {
            match self.delete_once(doomed, dry_run, &mut done).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                ended => return ended.map(|()| done),
            }
        }
    }

    /// What is done already is in `done`, and is not found again.
    async fn delete_once(&self, doomed: &Doomed, dry_run: bool, done: &mut Deleted) -> Result<()> {
        let (selections, objects_kept) = self.selections(doomed).await?;
        let mut deletions = Vec::new();
        for (table, selection) in selections {
            if let Some(base) = self.snapshot(table, None).await? {
                deletions.push(self.deletion(base, selection, dry_run).await?);
            }
        }
        if deletions.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("{}: there is no table", self.location.url),
            ));
        }
        done.objects_kept = done.objects_kept.max(objects_kept);
        for (index, deletion) in deletions.iter().enumerate() {
            let Deletion { base, change, rows } = deletion;
            let mut committed = None;
            if !dry_run && *rows > 0 {
                let commit = self.commit(base.table, Some(base), change.clone()).await;
                if commit.as_ref().is_err_and(|error| error.kind() == Kind::Conflict) {
                    for deletion in &deletions[index..] {
                        self.discard(&deletion.change.add).await;
                    }
                }
                committed = Some(commit?);
            }
            done.note(base.table, committed, deletion);
        }
        Ok(())
    }

    /// What to delete of each table, objects first, and how many objects lose some of their sources, but not all.
    async fn selections(&self, doomed: &Doomed) -> Result<([(Table, RowChoice); 3], u64)> {
        let [sources, fp, objects] = Table::ALL;
        match *doomed {
            Doomed::Object(id) => {
                let one = RowChoice { keys: Keys::Listed(Arc::new(vec![id])), times_mjd: None };
                Ok(([(objects, one.clone()), (fp, one.clone()), (sources, one)], 0))
            }
            Doomed::Night { from_mjd, to_mjd } => {
                let night = RowChoice { keys: Keys::All, times_mjd: Some(from_mjd..=to_mjd) };
                let (lost, kept) = match self.snapshot(sources, None).await? {
                    Some(snapshot) => without_sources(&snapshot, &night).await?,
                    None => (Vec::new(), 0),
                };
                let lost = RowChoice { keys: Keys::Listed(Arc::new(lost)), times_mjd: None };
                Ok(([(objects, lost), (fp, night.clone()), (sources, night)], kept))
            }
        }
    }

    /// Writes what stays of the files that hold rows to delete; in a dry run, only counts.
    async fn deletion(
        &self,
        base: Snapshot,
        selection: RowChoice,
        dry_run: bool,
    ) -> Result<Deletion> {
        let candidates = base.files.iter().filter(|file| selection.may_be_in(file)).cloned();
        let candidates = described(&base.store, base.table, candidates.collect()).await?;
        let operation = Operation::Delete;
        let (add, remove) = (Vec::new(), Vec::new());
        let mut change = Change { operation, schema: base.schema.clone(), add, remove };
        let mut rows = 0;
        for file in candidates {
            let doomed = selection.count(&base, &file).await?;
            if doomed == 0 {
                continue;
            }
            let stays = file.rows.unwrap_or_default().checked_sub(doomed);
            if !dry_run && stays != Some(0) {
                let selection = selection.clone();
                let keeps = move |batch: &RecordBatch| selection.others(batch);
                let written = rewrite(self, &base, &file, FileSize::TARGET, keeps).await?;
                if written.iter().map(|file| file.rows).sum::<Option<u64>>() != stays {
                    let message = format!("rewriting /{}: {stays:?} rows were to stay", file.path);
                    return Err(Error::internal(message));
                }
                change.add.extend(written);
            }
            rows += doomed;
            change.remove.push(file);
        }
        Ok(Deletion { base, change, rows })
    }
}

impl Deleted {
    /// Adds what was deleted from a table.
    fn note(&mut self, table: Table, committed: Option<u64>, deletion: &Deletion) {
        let Deletion { change, rows, .. } = deletion;
        let name = table.name();
        if !self.tables.iter().any(|noted| noted.table == name) {
            let none =
                DeletedRows { table: name, committed, rows: 0, files_removed: 0, files_added: 0 };
            self.tables.push(none);
        }
        let noted = self.tables.iter_mut().filter(|noted| noted.table == name);
        for noted in noted {
            noted.committed = committed.or(noted.committed);
            noted.rows += rows;
            noted.files_removed += change.remove.len();
            noted.files_added += change.add.len();
        }
    }
}
