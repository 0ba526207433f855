//! Which version of a table to read. In: the newest, a number or a time. Out: its [`Snapshot`], if there is one.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

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
    let (Some(oldest), Some((newest, _))) = (versions.first(), versions.last()) else {
        return Ok(None);
    };
    let gone =
        |why: String| Error::argument(format!("as_of: {} has no {as_of} {why}", log.table.name()));
    let kept = async || {
        let since = rfc3339(&committed(log, oldest).await?);
        Ok::<_, Error>(gone(format!("(any more); it has {} ({since}) to {newest}", oldest.0)))
    };
    let Some(version) = resolve(log, &versions, as_of).await? else { return Err(kept().await?) };
    let Some(state) = log.state(Some(version)).await? else { return Err(kept().await?) };
    let snapshot = log.snapshot(&state)?;
    if version != *newest && !all_there(log, &snapshot).await? {
        return Err(gone("any more: vacuum has deleted its files".into()));
    }
    Ok(Some(snapshot))
}

/// The version meant, of those there are. A time is looked for by halves, in the entries that takes. Where clocks differed and
/// times go back, it is one that was made at or before the time asked for, and followed by one made after it.
async fn resolve(
    log: &Log,
    versions: &[(u64, DateTime<Utc>)],
    as_of: &AsOf,
) -> Result<Option<u64>> {
    let time = match as_of {
        AsOf::Version(version) => {
            return Ok(versions.iter().any(|(there, _)| there == version).then_some(*version));
        }
        AsOf::Time(time) => time,
    };
    let (mut before, mut after) = (0, versions.len());
    while before < after {
        let middle = before.midpoint(after);
        match committed(log, &versions[middle]).await? <= *time {
            true => before = middle + 1,
            false => after = middle,
        }
    }
    Ok(before.checked_sub(1).map(|index| versions[index].0))
}

/// When a version was committed. Only where its commit does not say so its file's time counts: a copy of a table has new ones.
async fn committed(log: &Log, (version, file): &(u64, DateTime<Utc>)) -> Result<DateTime<Utc>> {
    Ok(log.committed(*version).await?.unwrap_or(*file))
}

async fn all_there(log: &Log, snapshot: &Snapshot) -> Result<bool> {
    let there = log.location.list().await?.objects.into_iter().map(|object| object.location);
    let there: HashSet<_> = there.collect();
    Ok(snapshot.files.iter().all(|file| there.contains(&file.path)))
}
