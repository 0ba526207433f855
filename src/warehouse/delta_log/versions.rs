//! Finds a version of a table: the newest, or one by number, time or name.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, MutexGuard};

use super::Log;
use super::kept::version_named;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::as_of::rfc3339;
use crate::warehouse::{AsOf, Location, Snapshot, Warehouse};

impl Warehouse {
    /// The newest state of a table, or an older one; `None` where the table does not exist yet.
    /// A version or time that is not there any more is an `Argument` error that names `as_of`.
    pub async fn snapshot(&self, table: Table, as_of: Option<&AsOf>) -> Result<Option<Snapshot>> {
        let log = Log::new(&self.location, table)?;
        match as_of {
            Some(as_of) => older(&log, as_of, &History::default()).await,
            None => log.read(None).await,
        }
    }
}

/// The newest state of the table of a snapshot, or `None` if the snapshot is the newest. That takes two requests: one for the next log
/// entry, and one to see whether another table has been created in its place. A table that is gone is a `Storage` error.
pub(crate) async fn newer(log: &Log, known: &Snapshot) -> Result<Option<Snapshot>> {
    let next = log.entry(known.version + 1).await?;
    let same = next.is_none() && log.entry(known.version).await? == known.entry;
    // If the entry was missing before, too, it tells nothing: it was cleaned up after a checkpoint, or the table is gone.
    if same && (known.entry.is_some() || log.exists().await?) {
        return Ok(None);
    }
    match log.read(None).await? {
        None => Err(gone(&log.location)),
        newest => Ok(newest),
    }
}

/// The error for a table that was there before.
pub(crate) fn gone(location: &Location) -> Error {
    Error::new(Kind::Storage, format!("{}: the table does not exist any more", location.url))
}

/// What is known of the versions of a table. It is kept, since commits do not change. Another table in its place gets another history.
#[derive(Debug, Default)]
pub struct History(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The versions, ascending, with the times of their files.
    versions: Vec<(u64, DateTime<Utc>)>,
    committed: HashMap<u64, DateTime<Utc>>,
}

impl History {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }

    /// All versions. The known ones are enough if the newest of them was committed after the time asked for.
    async fn versions(&self, log: &Log, time: &DateTime<Utc>) -> Result<Vec<(u64, DateTime<Utc>)>> {
        let known = self.known().versions.clone();
        if let Some(newest) = known.last()
            && (self.committed(log, newest).await? > *time
                || log.entry(newest.0 + 1).await?.is_none())
        {
            return Ok(known);
        }
        let versions = log.versions().await?;
        self.known().versions = versions.clone();
        Ok(versions)
    }

    /// When a version was committed, as the commit says. Else the time of its file is taken, though a copy of a table has new ones.
    async fn committed(
        &self,
        log: &Log,
        (version, file): &(u64, DateTime<Utc>),
    ) -> Result<DateTime<Utc>> {
        if let Some(committed) = self.known().committed.get(version) {
            return Ok(*committed);
        }
        let committed = log.committed(*version).await?.unwrap_or(*file);
        self.known().committed.insert(*version, committed);
        Ok(committed)
    }

    /// The version that was the newest at a time; `None` if all are later. It is found by bisection. If times are not in order, because the
    /// clocks of writers differed, it is a version from before the time that is followed by one from after it.
    pub(crate) async fn version_at(&self, log: &Log, time: &DateTime<Utc>) -> Result<Option<u64>> {
        let versions = self.versions(log, time).await?;
        let (mut before, mut after) = (0, versions.len());
        while before < after {
            let middle = before.midpoint(after);
            match self.committed(log, &versions[middle]).await? <= *time {
                true => before = middle + 1,
                false => after = middle,
            }
        }
        Ok(before.checked_sub(1).map(|index| versions[index].0))
    }
}

/// An older state; `None` if the table does not exist.
pub(crate) async fn older(log: &Log, as_of: &AsOf, history: &History) -> Result<Option<Snapshot>> {
    let versions = log.versions().await?;
    let (Some(oldest), Some((newest, _))) = (versions.first(), versions.last()) else {
        return Ok(None);
    };
    let gone =
        |why: String| Error::argument(format!("as_of: {} has no {as_of} {why}", log.table.name()));
    let kept = async || {
        let since = rfc3339(&history.committed(log, oldest).await?);
        Ok::<_, Error>(gone(format!("(any more); it has {} ({since}) to {newest}", oldest.0)))
    };
    let version = match as_of {
        AsOf::Time(time) => history.version_at(log, time).await?,
        AsOf::Version(version) | AsOf::Exactly { version, .. } => Some(*version),
        AsOf::Name(name) => {
            let Some(table) = log.read(None).await? else { return Ok(None) };
            Some(version_named(log, name, table.table_id).await?)
        }
    };
    let there = |version: &u64| versions.iter().any(|(there, _)| there == version);
    let Some(version) = version.filter(there) else { return Err(kept().await?) };
    let Some(snapshot) = log.read(Some(version)).await? else { return Err(kept().await?) };
    if version != *newest && !log.has_files_of(&snapshot).await? {
        return Err(gone("any more: vacuum has deleted its files".into()));
    }
    Ok(Some(snapshot))
}
