//! Gives the snapshots that are served, the newest or older ones: of a warehouse, of one Delta table that someone else wrote, or of a plain
//! folder of Parquet. Every column has its stored name.

use chrono::{DateTime, Utc};
use object_store::path::Path;

use super::delta_log::{Log, NewRows, Newer, gone, newer, older, version_named};
use super::folder::stored_table;
use super::{AsOf, History, Location, Snapshot, Warehouse};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// Where the snapshots of a table come from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A warehouse of ours.
    Warehouse(Warehouse),
    /// A folder of flat Parquet, or one Delta table; read-only.
    Folder(Location),
}

impl Source {
    /// The newest state; `None` where there is no table.
    pub async fn newest(&self, table: Table) -> Result<Option<Snapshot>> {
        if let Some(snapshot) = self.log(table)?.read(None).await? {
            return self.served(snapshot).map(Some);
        }
        let Self::Folder(location) = self else { return Ok(None) };
        match Snapshot::from_folder(table, location).await {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// What is there now, if it is not a snapshot any more. A table that is gone, or of which files are missing, is a `Storage` error.
    pub async fn newer(&self, known: &Snapshot) -> Result<Option<Newer>> {
        match self {
            Self::Folder(location) if known.is_folder() => {
                if !known.has_changed(location).await? {
                    return Ok(None);
                }
                // The folder may have become a Delta table.
                let newest = self.newest(known.table).await?.ok_or_else(|| gone(location))?;
                let follows = newest.is_folder();
                Ok(Some(Newer { snapshot: newest, follows }))
            }
            _ => {
                let in_place =
                    matches!(self, Self::Warehouse(_)) && known.partition_columns().is_empty();
                let newer = newer(&self.log(known.table)?, known, in_place).await?;
                let served = |Newer { snapshot, follows }| {
                    Ok(Newer { snapshot: self.served(snapshot)?, follows })
                };
                newer.map(served).transpose()
            }
        }
    }

    /// The files of a snapshot that are not in the storage, or not of their size. A folder has none: its snapshots are made of what is
    /// there.
    pub async fn missing_files(&self, snapshot: &Snapshot) -> Result<Vec<Path>> {
        match snapshot.is_folder() {
            true => Ok(Vec::new()),
            false => {
                let log = self.log(snapshot.table)?;
                let missing = log.missing(snapshot).await?;
                Ok(missing.into_iter().map(|file| file.path.clone()).collect())
            }
        }
    }

    /// Whether a snapshot and a later one of the same table have the same rows, as before and after a compaction.
    pub async fn same_rows(&self, before: &Snapshot, after: &Snapshot) -> Result<bool> {
        match before.is_folder() || after.is_folder() {
            true => Ok(false),
            false => self.log(after.table)?.same_rows(before.version, after.version).await,
        }
    }

    /// The rows that a version added to the table of a snapshot, which is that version or a later one. Only of our own tables.
    pub(crate) async fn new_rows(&self, version: u64, known: &Snapshot) -> Result<NewRows> {
        let table = known.table.name();
        match self {
            Self::Warehouse(_) => self.log(known.table)?.new_rows(version, known).await,
            Self::Folder(_) => Err(Error::argument(format!(
                "{table} is a folder that others write: which of its rows are new is not known; ask for the rows of its objects again"
            ))),
        }
    }

    /// The id of an older version of the table of a snapshot; `None` if its entry is not in the log any more.
    pub(crate) async fn id_of(&self, version: u64, known: &Snapshot) -> Result<Option<u64>> {
        let entry = self.log(known.table)?.entry(version).await?;
        Ok(entry.map(|entry| Snapshot { version, entry: Some(entry), ..known.clone() }.id()))
    }

    /// An older state of the table of a snapshot.
    pub async fn older(
        &self,
        known: &Snapshot,
        as_of: &AsOf,
        history: &History,
    ) -> Result<Option<Snapshot>> {
        let table = known.table.name();
        if known.is_folder() {
            return Err(match as_of {
                AsOf::Exactly { .. } => {
                    let text =
                        format!("the folder of {table} has changed since: ask for its rows again");
                    Error::new(Kind::Gone, text)
                }
                _ => Error::argument(format!(
                    "as_of: {table} is a plain folder of Parquet files, which has no older versions; ask for the newest"
                )),
            });
        }
        let older = older(&self.log(known.table)?, as_of, history).await?;
        older.map(|snapshot| self.served(snapshot)).transpose()
    }

    /// The version that was the newest at a time, if the table of a snapshot has versions.
    pub async fn version_at(
        &self,
        known: &Snapshot,
        time: &DateTime<Utc>,
        history: &History,
    ) -> Result<Option<u64>> {
        match known.is_folder() {
            true => Ok(None),
            false => history.version_at(&self.log(known.table)?, time).await,
        }
    }

    /// The version of a name, if the table of a snapshot has versions.
    pub async fn version_named(&self, known: &Snapshot, name: &str) -> Result<Option<u64>> {
        match known.is_folder() {
            true => Ok(None),
            false => {
                let version = version_named(&self.log(known.table)?, name, known.table_id).await;
                version.map(Some).map_err(|error| error.context("as_of"))
            }
        }
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        match self {
            Self::Warehouse(warehouse) => warehouse.location(),
            Self::Folder(location) => location,
        }
    }

    /// What to tell a client where there is no table.
    pub fn absent(&self, table: Table) -> String {
        let name = table.name();
        match self {
            Self::Warehouse(_) => {
                format!("the table `{name}` does not exist yet: ingest alerts first")
            }
            Self::Folder(_) => format!(
                "the table `{name}` does not exist: its folder holds no Parquet file and is no Delta table"
            ),
        }
    }

    fn log(&self, table: Table) -> Result<Log> {
        match self {
            Self::Warehouse(warehouse) => Log::new(warehouse.location(), table),
            Self::Folder(location) => Log::at(location.clone(), table),
        }
    }

    /// A snapshot of a Delta table as it is served: columns of someone else's table get our names and types.
    fn served(&self, snapshot: Snapshot) -> Result<Snapshot> {
        match self {
            Self::Warehouse(_) => snapshot.in_order(),
            Self::Folder(location) => {
                let stored = stored_table(snapshot);
                stored.map_err(|error| error.context(&location.url))?.in_order()
            }
        }
    }
}
