//! Which version of a table to read. In: the newest, a number or a time. Out: its [`Snapshot`], if there is one.

use std::collections::HashSet;

use futures::TryStreamExt;
use object_store::ObjectStore;

use super::log::Log;
use super::snapshot::rfc3339;
use super::{AsOf, Snapshot, Warehouse};
use crate::error::{Error, Result};
use crate::schema::Table;

impl Warehouse {
    /// The newest state of a table, or an older one; `None` where the table does not exist yet.
    /// A version or time that is not there any more is an `Argument` error that names `as_of`.
    pub async fn snapshot(&self, table: Table, as_of: Option<&AsOf>) -> Result<Option<Snapshot>> {
        let log = Log::new(&self.location, table)?;
        if let Some(as_of) = as_of {
            return older(&log, as_of).await;
        }
        let state = log.state(None).await?;
        state.map(|state| log.snapshot(&state)).transpose()
    }

    /// The newest state of the table of a snapshot; `None` while that is the newest, which costs one
    /// request to find out.
    pub async fn refresh(&self, known: &Snapshot) -> Result<Option<Snapshot>> {
        let log = Log::new(&self.location, known.table)?;
        match log.has(known.version + 1).await? {
            true => self.snapshot(known.table, None).await,
            false => Ok(None),
        }
    }
}

async fn older(log: &Log, as_of: &AsOf) -> Result<Option<Snapshot>> {
    let versions = log.versions().await?;
    let (Some((oldest, since)), Some((newest, _))) =
        (versions.first_key_value(), versions.last_key_value())
    else {
        return Ok(None);
    };
    let gone =
        |why: String| Error::argument(format!("as_of: {} has no {as_of} {why}", log.table.name()));
    let kept = || format!("(any more); it has {oldest} ({}) to {newest}", rfc3339(since));
    let version = as_of.resolve(&versions).ok_or_else(|| gone(kept()))?;
    let Some(state) = log.state(Some(version)).await? else { return Err(gone(kept())) };
    let snapshot = log.snapshot(&state)?;
    if version != *newest && !all_there(log, &snapshot).await? {
        return Err(gone("any more: vacuum has deleted its files".into()));
    }
    Ok(Some(snapshot))
}

async fn all_there(log: &Log, snapshot: &Snapshot) -> Result<bool> {
    let objects = log.location.store.list(Some(&log.location.prefix));
    let there: HashSet<_> = objects
        .map_ok(|object| object.location)
        .try_collect()
        .await
        .map_err(|error| log.failed(Error::from(error)))?;
    Ok(snapshot.files.iter().all(|file| there.contains(&file.path)))
}
