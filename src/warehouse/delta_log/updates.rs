//! The updates of a table: rows that replace others, in a Delta table of their own below it, until they are folded into it. So an ingest
//! only appends, and a reader of the table alone has each object once, as it was some hours ago.
//!
//! A commit of the table names the version of its updates, in a `txn` action, as Delta lets an application keep a number of its own with a
//! version. So table and updates change together, and one number stands for both. A version of the updates that no version of the table
//! names, of a writer who was killed in between or came second, is nobody's: the next one has the files that it should have.

use deltalake_core::kernel::{Action, Add, EagerSnapshot, Transaction};

use super::{Change, Log, added};
use crate::error::{Error, Kind, Result};
use crate::warehouse::files::UPDATES;
use crate::warehouse::{DataFile, Operation};

/// The application of the `txn` actions.
const APPLICATION: &str = "diaflight.updates";

/// A version of the updates.
pub(super) struct NamedUpdates {
    pub version: u64,
    /// Its files, with paths from the folder of the table.
    pub files: Vec<Add>,
}

/// The version of the updates that a state of a table names, without its files.
pub(super) async fn version_named_by(log: &Log, state: &EagerSnapshot) -> Result<Option<u64>> {
    if log.updates.is_none() {
        return Ok(None);
    }
    let named = state.transaction_version(log.delta.as_ref(), APPLICATION).await;
    let named = named.map_err(|error| log.failed(Error::from(error)))?;
    Ok(named.and_then(|version| u64::try_from(version).ok()))
}

/// The version of the updates that a state of a table names.
pub(super) async fn named_by(log: &Log, state: &EagerSnapshot) -> Result<Option<NamedUpdates>> {
    let (Some(updates), Some(version)) = (&log.updates, version_named_by(log, state).await?) else {
        return Ok(None);
    };
    let there = updates.state(Some(version)).await?;
    let there = there.ok_or_else(|| updates.failed(Error::new(Kind::Storage, "it is missing")))?;
    Ok(Some(NamedUpdates { version, files: added(&there).map(below).collect() }))
}

/// A file of the updates, with its path from the folder of the table.
pub(super) fn below(file: Add) -> Add {
    Add { path: format!("{UPDATES}/{}", file.path), ..file }
}

/// The version of the updates that an action names.
pub(super) fn named_in(action: &Action) -> Option<u64> {
    match action {
        Action::Txn(named) if named.app_id == APPLICATION => u64::try_from(named.version).ok(),
        _ => None,
    }
}

/// Whether one of some actions names a version of the updates.
pub(crate) fn names_updates(actions: &[Action]) -> bool {
    actions.iter().any(|action| named_in(action).is_some())
}

/// The action that names a version of the updates.
pub(super) fn naming(version: u64) -> Action {
    Action::Txn(Transaction::new(APPLICATION, version as i64))
}

/// What the next version of the updates changes. It is to have those of the table's files that are updates, as they are `held` now, after a
/// change. `newest` is the newest version, which may be nobody's.
pub(super) fn change_of_updates(
    updates: &Log,
    newest: Option<&EagerSnapshot>,
    held: &[DataFile],
    change: &Change,
) -> Result<Change> {
    let there = match newest {
        Some(newest) => updates.own_snapshot(newest)?.files,
        None => Vec::new(),
    };
    let mut wanted = of_updates(held);
    wanted.retain(|file| !has(&change.remove, file) && !has(&change.add, file));
    wanted.extend(of_updates(&change.add));
    // A file that is described anew is there.
    let is_told =
        |file: &DataFile| change.operation == Operation::NotePlaces && has(&change.add, file);
    let missing = wanted.iter().filter(|file| !has(&there, file) || is_told(file)).cloned();
    let surplus = there.iter().filter(|file| !has(&wanted, file)).cloned();
    Ok(Change { add: missing.collect(), remove: surplus.collect(), ..change.clone() })
}

/// What is left of a change for the table itself.
pub(super) fn change_of_table(change: &Change) -> Change {
    let own = |files: &[DataFile]| files.iter().filter(|file| !file.is_update()).cloned().collect();
    Change { add: own(&change.add), remove: own(&change.remove), ..change.clone() }
}

fn of_updates(files: &[DataFile]) -> Vec<DataFile> {
    files.iter().filter(|file| file.is_update()).cloned().collect()
}

fn has(files: &[DataFile], file: &DataFile) -> bool {
    files.iter().any(|one| one.path == file.path)
}
