//! Brings back the rows of an older version of tables, as a new version: files that were removed since are added again, and those that were
//! added since are removed. Nothing is lost: the versions in between stay readable until vacuum deletes their files.

use std::collections::HashSet;

use deltalake_core::kernel::Action;

use super::as_of::rfc3339;
use super::delta_log::{History, Log, find};
use super::row_ids::compare_ids;
use super::{ATTEMPTS, AsOf, Change, DataFile, Operation, Snapshot, Warehouse, between_commits};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// What the restoration of a table did, or would do.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Restored {
    /// The table.
    pub table: &'static str,
    /// The newest version before.
    pub from: u64,
    /// The version whose rows are there now.
    pub to: u64,
    /// The version that brought them back; `None` if the rows were there already, or nothing was to be changed.
    pub committed: Option<u64>,
    /// Files of the older version that were added again.
    pub files_added: usize,
    /// Files that were removed.
    pub files_removed: usize,
    /// The rows of the files that were added again; `None` if the log does not tell.
    pub rows_added: Option<u64>,
    /// The rows of the files that were removed.
    pub rows_removed: Option<u64>,
}

/// A table that can be restored.
struct Restoration {
    table: Table,
    base: Snapshot,
    target: Snapshot,
    add: Vec<DataFile>,
    remove: Vec<DataFile>,
}

impl Warehouse {
    /// Restores some tables to the version that `as_of` is of each, so that no object is visible without its sources: objects come first,
    /// or last where some of them come back. Nothing is changed unless all of them can be restored. If it is stopped between two tables,
    /// the same restoration again completes it. `Argument` if a table has no such version, files of it are gone, or a time tears a command
    /// apart; `Conflict` if others changed its rows meanwhile.
    pub async fn restore(
        &self,
        tables: &[Table],
        as_of: &AsOf,
        dry_run: bool,
    ) -> Result<Vec<Restored>> {
        let mut plans = Vec::new();
        for table in Table::ALL.into_iter().rev().filter(|table| tables.contains(table)) {
            plans.push(self.restoration(table, as_of).await?);
        }
        if matches!(as_of, AsOf::Time(_)) {
            self.check_commands_are_whole(&plans).await?;
        }
        if brings_objects_back(&plans).await? {
            plans.reverse();
        }
        if let Some(first) = plans.iter().find(|plan| !dry_run && !plan.is_done()) {
            self.check_writable(first.table).await?;
        }
        let mut done: Vec<Restored> = Vec::new();
        for plan in plans {
            let restored = match dry_run || plan.is_done() {
                true => Ok(plan.report(None)),
                false => self.commit_restoration(plan).await,
            };
            done.push(restored.map_err(|error| {
                let committed = done.iter().map(|done| (done.table, done.committed));
                between_commits(&committed.collect::<Vec<_>>(), error)
            })?);
        }
        Ok(done)
    }

    /// A command commits to one table after the other. A time between these commits would leave a part of what it did: it is refused.
    async fn check_commands_are_whole(&self, plans: &[Restoration]) -> Result<()> {
        let (mut last, mut next) = (Vec::new(), Vec::new());
        for Restoration { table, base, target, .. } in plans {
            let log = Log::new(&self.location, *table)?;
            last.push((table, log.run_of(last_change(&log, target.version).await?).await?));
            if let Some(version) = next_change(&log, target.version, base.version).await? {
                next.push((table, log.run_of(version).await?, log.committed(version).await?));
            }
        }
        for (table, run) in last.into_iter().filter(|(_, run)| run.is_some()) {
            let Some((other, _, time)) = next.iter().find(|(_, next, _)| *next == run) else {
                continue;
            };
            let time = time.map(|time| rfc3339(&time)).unwrap_or_default();
            return Err(Error::argument(format!(
                "the time is between two commits of one command, to {} and to {}: give a time before both (`table history` has them), \
                 or {time} or later; nothing was changed",
                table.name(),
                other.name()
            )));
        }
        Ok(())
    }

    async fn restoration(&self, table: Table, as_of: &AsOf) -> Result<Restoration> {
        let log = Log::new(&self.location, table)?;
        let base = log.read(None).await?.ok_or_else(|| self.no_table(table))?;
        let target = find(&log, as_of, &History::default()).await?;
        let target = target.ok_or_else(|| self.no_table(table))?;
        if target.table_id != base.table_id {
            let why =
                format!("version {} belongs to a table that has been replaced", target.version);
            return Err(log.failed(Error::argument(why)));
        }
        if let Some(file) = log.missing(&target).await?.first() {
            let (name, oldest) = (table.name(), oldest_whole(&log, base.version).await?);
            let version = target.version;
            return Err(Error::argument(format!(
                "{name}: version {version} cannot be restored, since vacuum has deleted files of it (/{}); the oldest version that can be \
                 restored is {oldest}; nothing was changed",
                file.path
            )));
        }
        let paths = |snapshot: &Snapshot| -> HashSet<_> {
            snapshot.files.iter().map(|file| file.path.clone()).collect()
        };
        let (there, wanted) = (paths(&base), paths(&target));
        let add = target.files.iter().filter(|file| !there.contains(&file.path)).cloned().collect();
        let remove = base.files.iter().filter(|file| !wanted.contains(&file.path)).cloned();
        Ok(Restoration { table, remove: remove.collect(), base, target, add })
    }

    async fn commit_restoration(&self, mut plan: Restoration) -> Result<Restored> {
        let log = Log::new(&self.location, plan.table)?;
        let mut attempt = 1;
        let version = loop {
            match self.commit(plan.table, Some(&plan.base), plan.change()).await {
                Err(error) if error.kind() == Kind::Conflict => {
                    let again =
                        self.restoration(plan.table, &AsOf::Version(plan.target.version)).await?;
                    // The rows that somebody has committed meanwhile are not to be lost unseen.
                    let same = log.same_rows(plan.base.version, again.base.version).await?;
                    if !same || attempt == ATTEMPTS {
                        let name = plan.table.name();
                        return Err(error.context(format!(
                            "{name} was changed while it was restored: look at its history and restore again"
                        )));
                    }
                    (plan, attempt) = (again, attempt + 1);
                }
                done => break done?,
            }
        };
        check_came_back(&log, &plan.target, plan.base.version).await?;
        Ok(plan.report(Some(version)))
    }
}

impl Restoration {
    fn is_done(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    /// Columns that came after the older version stay, and are null in its rows.
    fn change(&self) -> Change {
        Change {
            operation: Operation::Restore { version: self.target.version },
            schema: self.base.schema.clone(),
            add: self.add.clone(),
            remove: self.remove.clone(),
        }
    }

    fn report(&self, committed: Option<u64>) -> Restored {
        // Updates replace rows and add none.
        let rows = |files: &[DataFile]| {
            let own = files.iter().filter(|file| !file.is_update());
            own.map(|file| file.rows).sum::<Option<u64>>()
        };
        Restored {
            table: self.table.name(),
            from: self.base.version,
            to: self.target.version,
            committed,
            files_added: self.add.len(),
            files_removed: self.remove.len(),
            rows_added: rows(&self.add),
            rows_removed: rows(&self.remove),
        }
    }
}

/// The version that made the rows of a version: merges may have come after it.
async fn last_change(log: &Log, mut version: u64) -> Result<u64> {
    while version > 0 && log.same_rows(version - 1, version).await? {
        version -= 1;
    }
    Ok(version)
}

/// The first version after one that has other rows, if there is one up to the newest.
async fn next_change(log: &Log, version: u64, newest: u64) -> Result<Option<u64>> {
    for next in version + 1..=newest {
        if !log.same_rows(next - 1, next).await? {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// Whether there are objects in what is added to `objects` that are not there now. Without other tables the order does not matter.
async fn brings_objects_back(plans: &[Restoration]) -> Result<bool> {
    match plans {
        [Restoration { table: Table::Objects, base, add, remove, .. }, _, ..] => {
            let own = |files: &[DataFile]| -> Vec<_> {
                files.iter().filter(|file| !file.is_update()).cloned().collect()
            };
            Ok(compare_ids(base, &own(add), &own(remove)).await?.has_own)
        }
        _ => Ok(false),
    }
}

/// Checks that files of an older version that were added again are still there: a vacuum that began before the commit may have deleted
/// them meanwhile. `newest` was the newest version before the commit.
pub(super) async fn check_came_back(log: &Log, older: &Snapshot, newest: u64) -> Result<()> {
    let missing = log.missing(older).await?;
    let Some(file) = missing.first() else { return Ok(()) };
    let why = format!(
        "a vacuum at the same time has deleted /{}: restore version {newest} again, or a newer one than {}",
        file.path, older.version
    );
    Err(log.failed(Error::new(Kind::Gone, why)))
}

/// The oldest version that has all its files, and so have those after it. From the newest back, each commit tells which files the version
/// before it had, too.
async fn oldest_whole(log: &Log, newest: u64) -> Result<u64> {
    let stored = log.location.list().await?.objects;
    let stored: HashSet<_> = stored.into_iter().map(|object| object.location).collect();
    let mut oldest = newest;
    while oldest > 0 && log.entry(oldest - 1).await?.is_some() {
        let mut actions = log.actions(oldest).await?.unwrap_or_default();
        let Some(of_updates) = log.actions_of_updates(&actions).await? else { break };
        actions.extend(of_updates);
        let gone = actions.iter().any(|action| match action {
            Action::Remove(remove) => !stored.contains(&log.full_path(&remove.path)),
            _ => false,
        });
        if gone {
            break;
        }
        oldest -= 1;
    }
    Ok(oldest)
}

#[cfg(test)]
mod tests;
