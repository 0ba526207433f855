//! Which version of a table to read. In: the newest, a number or a time. Out: its [`Snapshot`], if there is one.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, MutexGuard};

use super::kept::version_named;
use super::log::Log;
use super::snapshot::rfc3339;
use super::{AsOf, Location, Snapshot, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

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

/// The newest state of the table of a snapshot; `None` while that is the newest, which costs two requests to find out: one for
/// the next entry of the log, and one that tells whether the table has been made anew. A table that is gone is a `Storage` error.
pub(super) async fn newer(log: &Log, known: &Snapshot) -> Result<Option<Snapshot>> {
    let next = log.entry(known.version + 1).await?;
    let same = next.is_none() && log.entry(known.version).await? == known.entry;
    // An entry that is not there, as before, tells nothing: it was cleaned away after a checkpoint, or all of the table is gone.
    if same && (known.entry.is_some() || log.exists().await?) {
        return Ok(None);
    }
    match log.read(None).await? {
        None => Err(gone(&log.location)),
        newest => Ok(newest),
    }
}

/// Of a table that was there.
pub(super) fn gone(location: &Location) -> Error {
    Error::new(Kind::Storage, format!("{}: the table that was here is gone", location.url))
}

/// What was looked up of a table's versions: a commit never changes. One that is made anew in its place has another history.
#[derive(Debug, Default)]
pub struct History(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// With the times of their files, ascending.
    versions: Vec<(u64, DateTime<Utc>)>,
    committed: HashMap<u64, DateTime<Utc>>,
}

impl History {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock()
    }

    /// The versions there are; those known of, if the newest of them was committed after a time: one that comes later is no answer.
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

    /// When a version was committed. Only where its commit does not say so its file's time counts: a copy of a table has new ones.
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

    /// The version that was the newest at a time; `None` where all are later. It is looked for by halves, in the entries that takes.
    /// Where clocks differed and times go back, it is one that was made at or before the time, and followed by one made after it.
    pub(super) async fn version_at(&self, log: &Log, time: &DateTime<Utc>) -> Result<Option<u64>> {
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

/// An older state; `None` where the table does not exist.
pub(super) async fn older(log: &Log, as_of: &AsOf, history: &History) -> Result<Option<Snapshot>> {
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
    if version != *newest && !all_there(log, &snapshot).await? {
        return Err(gone("any more: vacuum has deleted its files".into()));
    }
    Ok(Some(snapshot))
}

pub(super) async fn all_there(log: &Log, snapshot: &Snapshot) -> Result<bool> {
    let there = log.location.list().await?.objects.into_iter().map(|object| object.location);
    let there: HashSet<_> = there.collect();
    Ok(snapshot.files.iter().all(|file| there.contains(&file.path)))
}
