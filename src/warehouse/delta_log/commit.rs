//! Commits changes of a table, each as one version of its log. A commit that fails says whether anything may have been committed, and
//! whether another writer was first.

use std::collections::HashSet;

use deltalake_core::kernel::transaction::{
    CommitBuilder, CommitProperties, PreCommit, TableReference,
};
use deltalake_core::kernel::{Action, EagerSnapshot};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStoreExt;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Log;
use super::actions::{actions, creation, delta_operation};
use super::change::{COMMIT_ID, Change, OPERATION, Operation, RUN_ID};
use super::foreign_deletes::{FOREIGN_DELETES, to_tell};
use super::kept::oldest_incomplete;
use super::positions::Positions;
use super::updates::{change_of_table, change_of_updates, naming};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot, Warehouse};

/// After losing to so many other writers in a row a commit fails.
const ATTEMPTS: usize = 20;

/// As many added files are checked at once.
const FILES_AT_ONCE: usize = 16;

/// What a commit says beside its change.
#[derive(Default)]
struct Says {
    txns: Vec<Action>,
    foreign_deletes: bool,
}

impl Warehouse {
    /// Commits a change made against `base` (`None`: the table did not exist) and returns the new version. Fails with [`Kind::Conflict`],
    /// having changed nothing, if the rows of the table have changed since `base`, or files to remove are gone. A compaction fails only for
    /// the latter reason; of a table with updates, also if rows were replaced or deleted. A version of the updates may stay then, which
    /// nothing names.
    ///
    /// If the response of the storage was lost, the error says that the version may exist: its files stay, and are not
    /// [uncommitted](Self::discard_uncommitted) any more. After any other error nothing is committed. A file that is missing, or not of the
    /// size that was written, is such an error.
    pub async fn commit(
        &self,
        table: Table,
        base: Option<&Snapshot>,
        change: Change,
    ) -> Result<u64> {
        self.commit_read(table, base, change, &Positions::default()).await
    }

    /// Commits a change together with how far streams have been read; [`Kind::Gone`] if another reader of them was first.
    pub(crate) async fn commit_read(
        &self,
        table: Table,
        base: Option<&Snapshot>,
        change: Change,
        read: &Positions,
    ) -> Result<u64> {
        let log = Log::new(&self.location, table)?;
        for _ in 0..ATTEMPTS {
            let current = log.state(None).await?;
            if let Some(current) = &current {
                read.check(&log, current).await?;
            }
            let newer = check_base(&log, current.as_ref(), base, &change).await?;
            check_added(&log, &change.add).await?;
            let foreign_deletes = to_tell(newer.as_ref().or(base), &change);
            let says = Says { txns: read.actions().collect(), foreign_deletes };
            match self.write_with_updates(&log, current.as_ref(), &change, says).await {
                Err(error) if error.kind() == Kind::Conflict => continue,
                done => return done,
            }
        }
        Err(conflict(&log, "other writers committed first in every attempt"))
    }

    /// Writes a version of the updates, if the change has some, and then the version after `current`, which names it.
    async fn write_with_updates(
        &self,
        log: &Log,
        current: Option<&EagerSnapshot>,
        change: &Change,
        mut says: Says,
    ) -> Result<u64> {
        let mut files = change.add.iter().chain(&change.remove);
        let Some(of_updates) = log.updates.as_ref().filter(|_| files.any(DataFile::is_update))
        else {
            return self.write(log, current, change, says).await;
        };
        let newest = of_updates.state(None).await?;
        let held = match current {
            Some(current) => log.snapshot(current).await?.files,
            None => Vec::new(),
        };
        let of_them = change_of_updates(of_updates, newest.as_ref(), &held, change)?;
        let version = match &newest {
            // An attempt before wrote it already.
            Some(newest) if of_them.add.is_empty() && of_them.remove.is_empty() => newest.version(),
            newest => self.write(of_updates, newest.as_ref(), &of_them, Says::default()).await?,
        };
        says.txns.push(naming(version));
        self.write(log, current, &change_of_table(change), says).await
    }

    /// Writes the version after `current`, or fails with `Conflict` if someone else did.
    async fn write(
        &self,
        log: &Log,
        current: Option<&EagerSnapshot>,
        change: &Change,
        says: Says,
    ) -> Result<u64> {
        let id = Uuid::new_v4().to_string();
        let version = current.map_or(0, |state| state.version() + 1);
        // The versions of the updates are named by those of the table, however old they are.
        let cleans_log = !log.is_of_updates() && cleans_log(log, current).await;
        let mut actions = actions(log, current, change).map_err(|error| log.failed(error))?;
        actions.extend(says.txns);
        let info = [
            (COMMIT_ID, json!(id)),
            (RUN_ID, json!(self.run.to_string())),
            (OPERATION, json!(change.operation.to_string())),
            (FOREIGN_DELETES, json!(says.foreign_deletes)),
        ];
        let prepared = prepared(log, current, change, actions, info, cleans_log)?
            .into_prepared_commit_future();
        let prepared = prepared.await.map_err(|error| log.failed(Error::from(error)))?;
        // From here on the log may name the files.
        let named = self.uncommitted.take(&change.add);
        let error = match prepared.await {
            Ok(committed) => {
                // The commit is done even if the checkpoint fails. The next commit writes one.
                if let Err(error) = committed.await {
                    tracing::warn!(table = log.table.name(), version, %error, "no checkpoint written");
                }
                return Ok(version);
            }
            Err(error) => Error::from(error),
        };
        match is_ours(log, version, &id).await {
            // If a response was lost, object_store repeats the put, and finds the entry of its own first attempt.
            Ok(true) => Ok(version),
            Ok(false) => {
                self.uncommitted.put_back(named);
                Err(conflict(log, &format!("another writer committed version {version}")))
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

/// Whether a commit may clean the log of old entries: no version that is kept by name needs them.
async fn cleans_log(log: &Log, current: Option<&EagerSnapshot>) -> bool {
    let Some(current) = current else { return true };
    match oldest_incomplete(log, current).await {
        Ok(needed) => needed.is_none(),
        Err(error) => {
            tracing::warn!(table = log.table.name(), %error, "the log is not cleaned");
            false
        }
    }
}

fn conflict(log: &Log, why: &str) -> Error {
    Error::new(Kind::Conflict, format!("{}: {why}", log.location.url))
}

/// Checks that a change still stands; gives the newest snapshot if it is not the base.
async fn check_base(
    log: &Log,
    current: Option<&EagerSnapshot>,
    base: Option<&Snapshot>,
    change: &Change,
) -> Result<Option<Snapshot>> {
    let (current, base) = match (current, base) {
        (None, None) => return Ok(None),
        (Some(_), None) => return Err(conflict(log, "another writer created the table")),
        (None, Some(_)) => return Err(conflict(log, "the table is not there any more")),
        (Some(current), Some(base)) => (current, base),
    };
    if current.version() == base.version {
        return Ok(None);
    }
    let (from, to) = (base.version, current.version());
    let stands = match change.operation {
        // What a fold has read, and what it removes, depends on files that it does not remove.
        Operation::Compact if base.updates.is_some() => log.only_adds_rows(from, to).await?,
        Operation::Compact | Operation::NotePlaces => true,
        _ => log.same_rows(from, to).await?,
    };
    if !stands {
        return Err(conflict(log, "another writer changed the table first"));
    }
    let newer = log.snapshot(current).await?;
    let there: HashSet<_> = newer.files.iter().map(|file| &file.path).collect();
    // A file that is described anew must not come back.
    let described = change.add.iter().filter(|_| change.operation == Operation::NotePlaces);
    match change.remove.iter().chain(described).all(|file| there.contains(&file.path)) {
        true => Ok(Some(newer)),
        false => Err(conflict(log, "another writer removed a file first")),
    }
}

/// Checks that the files exist with the size that was written. Vacuum may have deleted those of an ingest that took too long.
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
    actions: Vec<Action>,
    info: [(&str, Value); 4],
    cleans_log: bool,
) -> Result<PreCommit<'a>> {
    let properties = CommitProperties::default().with_max_retries(0);
    let properties = properties.with_cleanup_expired_logs((!cleans_log).then_some(false));
    let info = info.map(|(key, value)| (key.to_string(), value));
    let properties = properties.with_metadata(info);
    let operation = match current {
        None => creation(log, change).map_err(|error| log.failed(Error::from(error)))?,
        Some(_) => delta_operation(change.operation),
    };
    let current = current.map(|state| state as &dyn TableReference);
    let commit = CommitBuilder::from(properties).with_actions(actions);
    Ok(commit.build(current, log.delta.clone(), operation))
}

/// Whether a version was committed by us; an error if its entry cannot be read.
async fn is_ours(log: &Log, version: u64, id: &str) -> Result<bool> {
    let actions = log.actions(version).await?;
    let not_there = || Error::new(Kind::Storage, "its entry is not in the log");
    Ok(actions.ok_or_else(not_there)?.iter().any(|action| match action {
        Action::CommitInfo(info) => info.info.get(COMMIT_ID).is_some_and(|found| found == id),
        _ => false,
    }))
}
