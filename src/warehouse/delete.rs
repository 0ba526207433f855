//! Deletes rows from all tables, copy on write: files that hold none of the rows stay, the others are written again without them. Objects
//! come first, so that no object is visible without its sources.
//!
//! The rows of an observing night are given by their times. The objects that have no source left go with them, from all tables; the rows of
//! other objects stay as their newest alert gave them. Which objects those are is known of one version of `sources`: where another writer
//! commits before that version has its successor, the choice is made anew, and objects that have a source again [come back](bring_back).

mod bring_back;
mod plan;
mod selection;
mod sources_left;

use self::plan::Deletion;
use super::{ATTEMPTS, Snapshot, Warehouse, between_commits};
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

/// How far a deletion has come, over all attempts.
#[derive(Debug, Default)]
struct Progress {
    deleted: Deleted,
    /// What was deleted from `objects`, and the versions that did so.
    objects: Vec<(u64, Deletion)>,
}

impl Warehouse {
    /// Deletes rows from all tables that exist. Nothing is changed unless the new files of all tables are written. If it is stopped between
    /// two tables, the same again completes it. Fails with `NotFound` if no table exists, and with `Conflict` if other writers were first
    /// in every attempt.
    pub async fn delete(&self, doomed: &Doomed, dry_run: bool) -> Result<Deleted> {
        if !dry_run {
            self.check_writable(self.tables().await?[0]).await?;
        }
        let mut progress = Progress::default();
        let mut attempt = 1;
        loop {
            match self.delete_once(doomed, dry_run, &mut progress).await {
                Ok(()) => return Ok(progress.deleted),
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(progress.deleted.stopped(error)),
            }
        }
    }

    async fn delete_once(
        &self,
        doomed: &Doomed,
        dry_run: bool,
        progress: &mut Progress,
    ) -> Result<()> {
        let mut plan = self.plan(doomed).await?;
        if self.bring_back(&plan, progress).await? {
            plan = self.plan(doomed).await?;
        }
        let deletions = self.deletions(&plan, dry_run).await?;
        let kept = &mut progress.deleted.objects_kept;
        *kept = plan.objects_kept.max(*kept);
        if !dry_run {
            return self.carry_out(deletions, progress).await;
        }
        deletions.into_iter().for_each(|deletion| progress.note(None, deletion));
        Ok(())
    }

    /// Commits what is planned. On a conflict, the files of what is not committed are discarded.
    async fn carry_out(&self, deletions: Vec<Deletion>, progress: &mut Progress) -> Result<()> {
        let written: Vec<_> = deletions.iter().flat_map(|one| one.change.add.clone()).collect();
        let ended = self.commit_each(deletions, progress).await;
        if ended.as_ref().is_err_and(|error| error.kind() == Kind::Conflict) {
            self.discard(&written).await;
        }
        ended
    }

    async fn commit_each(&self, deletions: Vec<Deletion>, progress: &mut Progress) -> Result<()> {
        // The files took long to write. No object needs to vanish before it is noticed that others changed a table meanwhile.
        for Deletion { base, .. } in deletions.iter().filter(|deletion| deletion.rows > 0) {
            if !self.has_rows_of(base.table, Some(base)).await? {
                let why = format!("{}: another writer changed the table first", base.table.name());
                return Err(Error::new(Kind::Conflict, why));
            }
        }
        for deletion in deletions {
            let Deletion { base, change, rows, .. } = &deletion;
            let committed = match rows {
                0 => None,
                _ => Some(self.commit(base.table, Some(base), change.clone()).await?),
            };
            progress.note(committed, deletion);
        }
        Ok(())
    }
}

impl Progress {
    /// Adds what was deleted from a table.
    fn note(&mut self, committed: Option<u64>, deletion: Deletion) {
        let Deletion { base: Snapshot { table, .. }, change, rows, .. } = &deletion;
        let noted = self.deleted.of(*table);
        noted.committed = committed.or(noted.committed);
        noted.rows += rows;
        noted.files_removed += change.remove.len();
        noted.files_added += change.add.len();
        if let (Table::Objects, Some(version)) = (table, committed) {
            self.objects.push((version, deletion));
        }
    }
}

impl Deleted {
    fn of(&mut self, table: Table) -> &mut DeletedRows {
        let name = table.name();
        let place = self.tables.iter().position(|noted| noted.table == name);
        let place = place.unwrap_or_else(|| {
            let (committed, rows) = (None, 0);
            let none =
                DeletedRows { table: name, committed, rows, files_removed: 0, files_added: 0 };
            self.tables.push(none);
            self.tables.len() - 1
        });
        &mut self.tables[place]
    }

    fn stopped(&self, error: Error) -> Error {
        let committed = self.tables.iter().map(|noted| (noted.table, noted.committed));
        between_commits(&committed.collect::<Vec<_>>(), error)
    }
}

#[cfg(test)]
mod tests;
