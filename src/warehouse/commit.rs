//! Changes of a table: one atomic Delta commit each. In: files to add and to remove. Out: the version that names them, a conflict
//! with another's, or an error that says whether anything may have been committed.

use std::collections::HashSet;

use arrow::datatypes::SchemaRef;
use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, PreCommit, TableReference,
};
use deltalake_core::kernel::{Action, EagerSnapshot};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use serde_json::json;
use uuid::Uuid;

use super::actions::{actions, creation, delta_operation};
use super::log::Log;
use super::{DataFile, Snapshot, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// The name under which a commit finds itself in the log again.
const COMMIT_ID: &str = "diaflightCommit";
const OPERATION: &str = "diaflightOperation";

/// Losing against so many others in a row is reported rather than tried again.
const ATTEMPTS: usize = 20;

/// Files that are looked for at once.
const FILES_AT_ONCE: usize = 16;

/// What a commit does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Ingest,
    Generate,
    /// Rows stay the same: other writers need not start over because of it.
    Compact,
}

/// A set of files to add and remove together.
#[derive(Clone, Debug)]
pub struct Change {
    pub operation: Operation,
    /// The stored schema after the change: that of the base, or that with columns added at its end.
    /// A compaction changes no schema.
    pub schema: SchemaRef,
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
}

impl Warehouse {
    /// Commits a change made against `base` (`None`: the table did not exist) and returns the new
    /// version. Fails with [`Kind::Conflict`], having changed nothing, if
    /// the rows of the table are not those of `base` any more, or files to remove have gone. A
    /// compaction minds only the latter.
    ///
    /// Where the storage kept its answer to itself, the error says that the version may be there: its files
    /// stay, and are not [uncommitted](Self::discard_uncommitted) any more. After all other errors nothing is committed; a file
    /// that is not there as it was written is one of them.
    pub async fn commit(
        &self,
        table: Table,
        base: Option<&Snapshot>,
        change: Change,
    ) -> Result<u64> {
        let log = Log::new(&self.location, table)?;
        for _ in 0..ATTEMPTS {
            let current = log.state(None).await?;
            check_base(&log, current.as_ref(), base, &change).await?;
            check_added(&log, &change.add).await?;
            match self.write(&log, current.as_ref(), &change).await {
                Err(error) if error.kind() == Kind::Conflict => continue,
                done => return done,
            }
        }
        Err(conflict(&log, "others committed first, again and again"))
    }

    /// Writes the version after `current`, or fails with `Conflict` if someone else did.
    async fn write(
        &self,
        log: &Log,
        current: Option<&EagerSnapshot>,
        change: &Change,
    ) -> Result<u64> {
        let id = Uuid::new_v4().to_string();
        let version = current.map_or(0, |state| state.version() + 1);
        let prepared = prepared(log, current, change, &id)?.into_prepared_commit_future();
        let prepared = prepared.await.map_err(|error| log.failed(Error::from(error)))?;
        // From here on the log may name them.
        let named = self.uncommitted.take(&change.add);
        let error = match prepared.await {
            Ok(committed) => {
                // The commit stands whatever becomes of the checkpoint: the next one makes up for it.
                if let Err(error) = committed.await {
                    tracing::warn!(table = log.table.name(), version, %error, "no checkpoint written");
                }
                return Ok(version);
            }
            Err(error) => Error::from(error),
        };
        match is_ours(log, version, &id).await {
            // A put that was repeated because its answer got lost finds its own first attempt there.
            Ok(true) => Ok(version),
            Ok(false) => {
                self.uncommitted.put_back(named);
                Err(conflict(log, &format!("someone else committed version {version}")))
            }
            Err(unread) => {
                let message = format!(
                    "it is not known whether version {version} was committed: its files stay; run this again ({error}; {unread})"
                );
                Err(log.failed(Error::new(Kind::Storage, message)))
            }
        }
    }
}

fn conflict(log: &Log, why: &str) -> Error {
    Error::new(Kind::Conflict, format!("{}: {why}", log.location.url))
}

async fn check_base(
    log: &Log,
    current: Option<&EagerSnapshot>,
    base: Option<&Snapshot>,
    change: &Change,
) -> Result<()> {
    let (current, base) = match (current, base) {
        (None, None) => return Ok(()),
        (Some(_), None) => return Err(conflict(log, "someone else created the table")),
        (None, Some(_)) => return Err(conflict(log, "the table is not there any more")),
        (Some(current), Some(base)) => (current, base),
    };
    if current.version() == base.version {
        return Ok(());
    }
    if change.operation != Operation::Compact
        && !log.same_rows(base.version, current.version()).await?
    {
        return Err(conflict(log, "someone else changed the table first"));
    }
    let current = log.snapshot(current)?;
    let there: HashSet<_> = current.files.iter().map(|file| &file.path).collect();
    match change.remove.iter().all(|file| there.contains(&file.path)) {
        true => Ok(()),
        false => Err(conflict(log, "someone else removed a file first")),
    }
}

/// That the files are there as they were written: those of an ingest that slept for longer than vacuum spares them are not.
async fn check_added(log: &Log, files: &[DataFile]) -> Result<()> {
    let checked = stream::iter(files).map(|file| check_file(log, file));
    checked.buffer_unordered(FILES_AT_ONCE).try_collect().await
}

async fn check_file(log: &Log, file: &DataFile) -> Result<()> {
    let why = match log.location.store.head(&file.path).await {
        Ok(object) if object.size == file.size_bytes => return Ok(()),
        Ok(object) => format!("has {} bytes, not the {} written", object.size, file.size_bytes),
        Err(object_store::Error::NotFound { .. }) => "is not there any more".to_string(),
        Err(error) => return Err(log.failed(Error::from(error))),
    };
    let message = format!("/{} {why}; nothing was committed: run this again", file.path);
    Err(log.failed(Error::new(Kind::Storage, message)))
}

fn prepared<'a>(
    log: &Log,
    current: Option<&'a EagerSnapshot>,
    change: &Change,
    id: &str,
) -> Result<PreCommit<'a>> {
    let actions = actions(log, current, change).map_err(|error| log.failed(error))?;
    let properties = CommitProperties::default().with_max_retries(0).with_metadata([
        (COMMIT_ID.to_string(), json!(id)),
        (OPERATION.to_string(), json!(format!("{:?}", change.operation))),
    ]);
    let operation = match current {
        None => creation(log, change).map_err(|error| log.failed(Error::from(error)))?,
        Some(_) => delta_operation(change.operation),
    };
    let current = current.map(|state| state as &dyn TableReference);
    let commit = CommitBuilder::from(properties).with_actions(actions);
    Ok(commit.build(current, log.delta.clone(), operation))
}

/// Whose a version is; an error where that cannot be read.
async fn is_ours(log: &Log, version: u64, id: &str) -> Result<bool> {
    let actions = log.actions(version).await?;
    let not_there = || Error::new(Kind::Storage, "its entry is not in the log");
    Ok(actions.ok_or_else(not_there)?.iter().any(|action| match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_ID).is_some_and(|found| found == id),
        _ => false,
    }))
}
