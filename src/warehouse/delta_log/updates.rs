//! The updates of a table: rows that replace others, in a Delta table of their own below it, until they are folded into it. So an ingest only
//! appends, and a reader of the table alone has each object once, as it was some hours ago.
//!
//! A commit of the table names the version of its updates, in a `txn` action, as Delta lets an application keep a number of its own with a
//! version. So table and updates change together, and one number stands for both. A version of the updates that no version of the table
//! names, of a writer who was killed in between or came second, is nobody's: the next one has the files that it should have.

use deltalake_core::kernel::{Action, EagerSnapshot, Transaction};

use super::{Change, Log};
use crate::error::{Error, Kind, Result};
use crate::warehouse::DataFile;

/// The application of the `txn` actions.
const APPLICATION: &str = "diaflight.updates";

/// The version of the updates that a state of a table names, and their files.
pub(super) async fn named_by(
    log: &Log,
    state: &EagerSnapshot,
    table_id: u64,
) -> Result<Option<(u64, Vec<DataFile>)>> {
    let Some(updates) = &log.updates else { return Ok(None) };
    let named = state.transaction_version(log.delta.as_ref(), APPLICATION).await;
    let named = named.map_err(|error| log.failed(Error::from(error)))?;
    let Some(version) = named.and_then(|version| u64::try_from(version).ok()) else {
        return Ok(None);
    };
    let there = updates.state(Some(version)).await?;
    let there = there.ok_or_else(|| updates.failed(Error::new(Kind::Storage, "it is missing")))?;
    Ok(Some((version, files(updates, &there, table_id)?)))
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
        Some(newest) => files(updates, newest, 0)?,
        None => Vec::new(),
    };
    let mut wanted = of_updates(held);
    wanted.retain(|file| !has(&change.remove, file));
    wanted.extend(of_updates(&change.add));
    let missing = wanted.iter().filter(|file| !has(&there, file)).cloned();
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

fn files(updates: &Log, state: &EagerSnapshot, table_id: u64) -> Result<Vec<DataFile>> {
    let files = updates.own_snapshot(state)?.files;
    let files = files.into_iter().map(|file| DataFile { generation: table_id, ..file });
    Ok(files.collect())
}
