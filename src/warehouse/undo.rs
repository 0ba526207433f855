//! Undoes one commit of a table, whatever came after it: the files that it added go, and those that it removed come back.

use std::collections::{HashMap, HashSet};

use deltalake_core::kernel::Action;
use object_store::path::Path;

use super::delta_log::{Log, is_merge, names_updates};
use super::restore::check_came_back;
use super::row_ids::compare_ids;
use super::{ATTEMPTS, Change, DataFile, Operation, Snapshot, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

const INSTEAD: &str = "restore the table to an earlier version (table restore)";

/// What undoing a commit did, or would do.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Undone {
    /// The table.
    pub table: &'static str,
    /// The version that was undone.
    pub version: u64,
    /// The version that did so; `None` if nothing was to be changed.
    pub committed: Option<u64>,
    /// Files that it had removed, and that are there again.
    pub files_added: usize,
    /// Files that it had added.
    pub files_removed: usize,
}

impl Warehouse {
    /// Undoes the commit of a version. `Argument` where that is not possible: the table has no such commit, a file that it added is not in
    /// the table any more, one that it removed is not in the store, or a row that it removed has been added again. `Gone` if a vacuum at
    /// the same time has deleted a file that came back.
    pub async fn undo(&self, table: Table, version: u64, dry_run: bool) -> Result<Undone> {
        let mut attempt = 1;
        loop {
            match self.undo_once(table, version, dry_run).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    async fn undo_once(&self, table: Table, version: u64, dry_run: bool) -> Result<Undone> {
        let log = Log::new(&self.location, table)?;
        let base = log.read(None).await?.ok_or_else(|| self.no_table(table))?;
        let refused = |why: &str| refused(table, version, why);
        let actions = log.actions(version).await?;
        let actions = actions.ok_or_else(|| refused("its commit is not in the log"))?;
        let mut there: HashMap<_, _> =
            base.files.iter().map(|file| (file.path.clone(), file.clone())).collect();
        let (mut added, mut remove, mut back) = (Vec::new(), Vec::new(), HashSet::new());
        for action in &actions {
            match action {
                Action::Add(add) => added.push(log.full_path(&add.path)),
                Action::Remove(remove) => {
                    back.insert(log.full_path(&remove.path));
                }
                _ => {}
            }
        }
        if table.has_updates() && is_merge(&actions) {
            return Err(refused("it changed no rows"));
        }
        if names_updates(&actions) {
            let [before, after] = around(&log, version).await?;
            let (of_before, of_after) = (update_paths(&before), update_paths(&after));
            check_updates(table, version, &base, [&before, &after])?;
            added.extend(of_after.difference(&of_before).cloned());
            back.extend(of_before.difference(&of_after).cloned());
        }
        for path in added {
            let changed =
                format!("a later version has changed its rows or merged its files; {INSTEAD}");
            remove.push(there.remove(&path).ok_or_else(|| refused(&changed))?);
        }
        if remove.is_empty() && back.is_empty() {
            return Err(refused("it changed no rows"));
        }
        check_later_updates(&base, version, &remove, &there).await?;
        let back = match back.is_empty() {
            true => Snapshot { files: Vec::new(), ..base.clone() },
            false => files_back(&log, version, &back, there).await?,
        };
        let mut undone = Undone {
            table: table.name(),
            version,
            committed: None,
            files_added: back.files.len(),
            files_removed: remove.len(),
        };
        if !dry_run {
            self.check_writable(table).await?;
            let operation = Operation::Undo { version };
            let (schema, add) = (base.schema.clone(), back.files.clone());
            let change = Change { operation, schema, add, remove };
            undone.committed = Some(self.commit(table, Some(&base), change).await?);
            check_came_back(&log, &back, base.version).await?;
        }
        Ok(undone)
    }
}

fn refused(table: Table, version: u64, why: &str) -> Error {
    let name = table.name();
    Error::argument(format!(
        "{name}: version {version} cannot be undone: {why}; nothing was changed"
    ))
}

/// Refuses to take away rows of which later versions left updates: these would be of objects that are not there.
async fn check_later_updates(
    now: &Snapshot,
    version: u64,
    remove: &[DataFile],
    there: &HashMap<Path, DataFile>,
) -> Result<()> {
    let own: Vec<_> = remove.iter().filter(|file| !file.is_update()).cloned().collect();
    let later: Vec<_> =
        there.values().filter(|file| file.update_number() > version).cloned().collect();
    match compare_ids(now, &own, &later).await?.shared {
        None => Ok(()),
        Some(id) => {
            let why = format!("a later version has an update of object {id}; {INSTEAD}");
            Err(refused(now.table, version, &why))
        }
    }
}

/// The snapshots before a commit and after it.
async fn around(log: &Log, version: u64) -> Result<[Snapshot; 2]> {
    let gone = || refused(log.table, version, "the version before it is gone, or files of it");
    let before = version.checked_sub(1).ok_or_else(gone)?;
    let of = async |version| log.read(Some(version)).await?.ok_or_else(gone);
    Ok([of(before).await?, of(version).await?])
}

fn update_paths(snapshot: &Snapshot) -> HashSet<Path> {
    snapshot.update_files().map(|file| file.path.clone()).collect()
}

/// Refuses to take away updates that have been merged or folded since, or to bring some back over rows that came since: what other files
/// have of the same objects has to be what the commit left, or found.
fn check_updates(
    table: Table,
    version: u64,
    now: &Snapshot,
    [before, after]: [&Snapshot; 2],
) -> Result<()> {
    let overlap = |one: &DataFile, other: &DataFile| {
        one.keys.start() <= other.keys.end() && other.keys.start() <= one.keys.end()
    };
    let has = |snapshot: &Snapshot, file: &DataFile| {
        snapshot.files.iter().any(|one| one.path == file.path)
    };
    let changed = |update: &DataFile, from: &Snapshot, to: &Snapshot| {
        from.files.iter().any(|file| overlap(file, update) && !has(to, file))
    };
    let taken = after.update_files().filter(|file| !has(before, file));
    let brought = before.update_files().filter(|file| !has(after, file));
    let folded = taken.into_iter().any(|update| changed(update, after, now));
    let covered = brought.into_iter().any(|update| {
        let newer = |file: &DataFile| !has(after, file) && overlap(file, update);
        now.files.iter().any(newer)
    });
    match folded || covered {
        true => {
            let why = format!("its rows have been merged with others since; {INSTEAD}");
            Err(refused(table, version, &why))
        }
        false => Ok(()),
    }
}

/// The version before a commit, with those of its files alone that the commit removed. `there` are the files of the table that the commit
/// did not add: those that are not of that version came later, and none of them may have a row that comes back.
async fn files_back(
    log: &Log,
    version: u64,
    removed: &HashSet<Path>,
    mut there: HashMap<Path, DataFile>,
) -> Result<Snapshot> {
    let refused = |why: &str| refused(log.table, version, why);
    let gone = || refused("the version before it is gone, or files of it");
    let before = version.checked_sub(1).ok_or_else(gone)?;
    let mut before = log.read(Some(before)).await?.ok_or_else(gone)?;
    if removed.iter().any(|path| there.contains_key(path)) {
        return Err(refused("what it removed is there again"));
    }
    let lost = |file: &DataFile| !there.contains_key(&file.path) && !removed.contains(&file.path);
    let brings_rows = before.own_files().any(|file| removed.contains(&file.path));
    if brings_rows && before.update_files().any(lost) {
        let why = format!("updates of the rows that it removed are folded since; {INSTEAD}");
        return Err(refused(&why));
    }
    for file in &before.files {
        there.remove(&file.path);
    }
    before.files.retain(|file| removed.contains(&file.path));
    if before.files.len() != removed.len() || !log.has_files_of(&before).await? {
        return Err(gone());
    }
    // Updates have rows of the same objects.
    let later: Vec<_> = there.into_values().filter(|file| !file.is_update()).collect();
    let back: Vec<_> = before.own_files().cloned().collect();
    match compare_ids(&before, &back, &later).await?.shared {
        Some(id) => {
            let column = log.table.id_column();
            Err(refused(&format!(
                "what it removed has been added again since ({column} {id}); {INSTEAD}"
            )))
        }
        None => Ok(before),
    }
}
