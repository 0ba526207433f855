//! Finds a version of a table: the newest, or one by number, time or name; and whether its files are there.

use std::collections::HashSet;

use super::Log;
use super::followed::followed;
use super::history::History;
use super::kept::{kept_by_number, version_named};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::as_of::rfc3339;
use crate::warehouse::{AsOf, DataFile, Location, Snapshot, Warehouse};

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

impl Log {
    /// Whether all files of a snapshot are still in the store.
    pub(crate) async fn has_files_of(&self, snapshot: &Snapshot) -> Result<bool> {
        Ok(self.missing(snapshot).await?.is_empty())
    }

    /// The files of a snapshot that are not in the store, or not of their size.
    pub(crate) async fn missing<'a>(&self, snapshot: &'a Snapshot) -> Result<Vec<&'a DataFile>> {
        let stored = self.location.list().await?.objects;
        let stored: HashSet<_> =
            stored.into_iter().map(|object| (object.location, object.size)).collect();
        let is_there = |file: &&DataFile| stored.contains(&(file.path.clone(), file.size_bytes));
        Ok(snapshot.files.iter().filter(|file| !is_there(file)).collect())
    }
}

/// What is there now in place of a snapshot.
#[derive(Debug)]
pub struct Newer {
    /// The newest state.
    pub snapshot: Snapshot,
    /// Whether the versions before are those of the snapshot that it replaces. Else another table, or a backup of this one, has taken the
    /// place of the table: what was known of its versions is lost.
    pub follows: bool,
}

/// The newest state of the table of a snapshot, or `None` if the snapshot is the newest. That takes two requests: one for the next log
/// entry, and one to see whether another table or a backup has taken its place. A table that is gone is a `Storage` error, and so is a log
/// whose files are missing: it is being restored. `in_place` says that the files of the snapshot are as the log has them, so that only the
/// commits since need to be read.
pub(crate) async fn newer(log: &Log, known: &Snapshot, in_place: bool) -> Result<Option<Newer>> {
    let next = log.entry(known.version + 1).await?;
    let same = next.is_none() && log.entry(known.version).await? == known.entry;
    // If the entry was missing before, too, it tells nothing: it was cleaned up after a checkpoint, or the table is gone.
    if same && (known.entry.is_some() || log.exists().await?) {
        return Ok(None);
    }
    if in_place
        && next.is_some()
        && known.entry.is_some()
        && let Some(snapshot) = followed(log, known).await?
        // After the commits were read, as below.
        && log.entry(known.version).await? == known.entry
    {
        return Ok(Some(Newer { snapshot, follows: true }));
    }
    let snapshot = log.read(None).await?.ok_or_else(|| gone(&log.location))?;
    // After the log was read: what was read is then of the log of which `known` is a version.
    let follows = snapshot.version > known.version
        && snapshot.table_id == known.table_id
        && log.entry(known.version).await? == known.entry;
    if !follows && let Some(file) = log.missing(&snapshot).await?.first() {
        let (version, path) = (snapshot.version, &file.path);
        let why = format!(
            "/{path}, a file of version {version}, is missing: the table is restored in part"
        );
        return Err(log.failed(Error::new(Kind::Storage, why)));
    }
    Ok(Some(Newer { snapshot, follows }))
}

/// The error for a table that was there before.
pub(crate) fn gone(location: &Location) -> Error {
    Error::new(Kind::Storage, format!("{}: the table does not exist any more", location.url))
}

/// An older state, for a client who asks with `as_of`; `None` if the table does not exist.
pub(crate) async fn older(log: &Log, as_of: &AsOf, history: &History) -> Result<Option<Snapshot>> {
    let found = find(log, as_of, history).await.map_err(|error| error.context("as_of"))?;
    let Some(snapshot) = found else { return Ok(None) };
    // A version that is kept by name may be older than the log.
    let is_last = log.entry(snapshot.version + 1).await?.is_none();
    let newest = is_last && log.entry(snapshot.version).await?.is_some();
    if !newest && !log.has_files_of(&snapshot).await? {
        let table = log.table.name();
        return Err(Error::argument(format!(
            "as_of: {table} has no {as_of} any more: vacuum has deleted its files"
        )));
    }
    Ok(Some(snapshot))
}

/// A state by its number, time or name, whether or not its files are there; `None` if the table does not exist.
pub(crate) async fn find(log: &Log, as_of: &AsOf, history: &History) -> Result<Option<Snapshot>> {
    let versions = log.versions().await?;
    let (Some(oldest), Some((newest, _))) = (versions.first(), versions.last()) else {
        return Ok(None);
    };
    let absent = async || {
        let since = history.oldest(log).await?.map(|time| format!(" ({})", rfc3339(&time)));
        let (table, oldest, since) = (log.table.name(), oldest.0, since.unwrap_or_default());
        Ok::<_, Error>(Error::argument(format!(
            "{table} has no {as_of} (any more); it has {oldest}{since} to {newest}"
        )))
    };
    let version = match as_of {
        AsOf::Time(time) => history.version_at(log, time).await?,
        AsOf::Version(version) | AsOf::Exactly { version, .. } => Some(*version),
        AsOf::Name(name) => {
            let Some(table) = log.read(None).await? else { return Ok(None) };
            Some(version_named(log, name, table.table_id).await?)
        }
    };
    let Some(version) = version else { return Err(absent().await?) };
    let read = match versions.iter().any(|(there, _)| *there == version) {
        true => log.read(Some(version)).await?,
        false => kept_by_number(log, version).await?,
    };
    match read {
        Some(snapshot) => Ok(Some(snapshot)),
        None => Err(absent().await?),
    }
}
