//! A table's Delta log: which versions there are, what each holds, and whether rows changed between two of them. `commit` adds a
//! version to it, `versions` finds one by number, time or name, `history` the times of all, `kept` gives a version a name, and
//! `retention` keeps the log from growing without end.

mod actions;
mod change;
mod comments;
mod commit;
mod entries;
mod followed;
mod foreign_deletes;
mod history;
mod kept;
mod kept_file;
mod metadata;
mod new_rows;
mod positions;
mod retention;
mod same_rows;
mod updates;
mod versions;

pub(super) use actions::check_removable;
pub(super) use change::OPERATION;
pub use change::{Change, Operation};
pub use history::History;
pub(super) use kept::{
    complete_kept, kept_names, kept_snapshot, kept_snapshots, kept_versions, version_named,
};
pub(crate) use new_rows::NewRows;
pub use positions::{Partition, Positions};
pub(super) use same_rows::is_merge;
pub(super) use updates::names_updates;
pub use versions::Newer;
pub(super) use versions::{find, gone, newer, older};

use std::sync::Arc;

use arrow::datatypes::DataType;
use chrono::{DateTime, Utc};
use datafusion::common::{Result as DataFusionResult, ScalarValue};
use deltalake_core::DeltaTableError;
use deltalake_core::kernel::engine::arrow_conversion::TryIntoArrow;
use deltalake_core::kernel::{Add, EagerSnapshot, Metadata};
use deltalake_core::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path, prefix::PrefixStore};
use url::Url;

use self::comments::without_comments;
use self::metadata::{id_of, is_synthetic};
use super::files::{FileTag, UPDATES, to_millis};
use super::{DataFile, Location, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// The folder of a table's log.
pub(super) const DELTA_LOG: &str = "_delta_log";

/// The log of one table, which may not exist yet.
pub(crate) struct Log {
    /// Which table it is the log of.
    pub table: Table,
    /// The table's folder.
    pub location: Location,
    /// deltalake-core's access to the log.
    pub delta: LogStoreRef,
    /// The log of its updates, if the table has such.
    pub updates: Option<Box<Log>>,
}

impl Log {
    /// The log of a table in a warehouse.
    pub(crate) fn new(warehouse: &Location, table: Table) -> Result<Self> {
        Self::at(warehouse.join(table.name()), table)
    }

    /// The log of a table in a folder of its own.
    pub(crate) fn at(location: Location, table: Table) -> Result<Self> {
        let mut log = Self::alone(location, table)?;
        if table.has_updates() {
            log.updates = Some(Box::new(Self::alone(log.location.join(UPDATES), table)?));
        }
        Ok(log)
    }

    fn alone(location: Location, table: Table) -> Result<Self> {
        let store = PrefixStore::new(location.store.clone(), location.prefix.clone());
        let store: Arc<dyn ObjectStore> = Arc::new(store);
        // To deltalake-core the table is the root of its storage, so that it does not decode the names of the folders above once more. For
        // this scheme it sorts every listing itself.
        let root = Url::parse("file:///").map_err(|error| Error::internal(error.to_string()))?;
        let delta = default_logstore(store.clone(), store, &root, &StorageConfig::default());
        Ok(Self { table, location, delta, updates: None })
    }

    /// Whether it is the log of a table's updates. Only the table's own says which columns there are.
    pub(crate) fn is_of_updates(&self) -> bool {
        self.table.has_updates() && self.updates.is_none()
    }

    /// Whether there is a table. A log with neither a commit nor a checkpoint is damaged, and an `Input` error: before the first commit a
    /// log has only hidden temporary files.
    pub(crate) async fn exists(&self) -> Result<bool> {
        if self.has_commits().await? {
            return Ok(true);
        }
        let mut log = self.location.store.list(Some(&self.log_path()));
        while let Some(object) = log.next().await {
            let object = object.map_err(|error| self.failed(Error::from(error)))?;
            if object.location.filename().is_some_and(|name| !name.starts_with('.')) {
                // It may be the first commit, which came meanwhile.
                if self.has_commits().await? {
                    return Ok(true);
                }
                let why = format!(
                    "/{} belongs to a log without a commit: repair the log, or move what is left of the table",
                    object.location
                );
                return Err(self.failed(Error::input(why)));
            }
        }
        Ok(false)
    }

    async fn has_commits(&self) -> Result<bool> {
        let is_table = self.delta.is_delta_table_location().await;
        is_table.map_err(|error| self.failed(Error::from(error)))
    }

    /// The newest state, or that of a version; `None` if the table does not exist.
    pub(crate) async fn state(&self, version: Option<u64>) -> Result<Option<EagerSnapshot>> {
        let failed = |error| self.failed(Error::from(error));
        if !self.exists().await? {
            return Ok(None);
        }
        let state = EagerSnapshot::try_new(self.delta.as_ref(), version).await.map_err(failed)?;
        let reader = state.protocol().min_reader_version();
        if reader > 1 {
            let message = format!("{}: Delta reader version {reader}, not 1", self.location.url);
            return Err(Error::new(Kind::Storage, message));
        }
        Ok(Some(state))
    }

    /// The snapshot of a state, with its updates, but without its entry of the log.
    pub(crate) async fn snapshot(&self, state: &EagerSnapshot) -> Result<Snapshot> {
        match updates::named_by(self, state).await? {
            None => self.own_snapshot(state),
            Some(named) => {
                let waits = !named.files.is_empty();
                let foreign_deletes = waits && self.foreign_deletes(state.version()).await?;
                let files = added(state).chain(named.files);
                let all = self.snapshot_of(state.version(), state.metadata(), files)?;
                Ok(Snapshot { updates: Some(named.version), foreign_deletes, ..all })
            }
        }
    }

    /// The snapshot of a state without updates.
    fn own_snapshot(&self, state: &EagerSnapshot) -> Result<Snapshot> {
        self.snapshot_of(state.version(), state.metadata(), added(state))
    }

    /// The snapshot of a version with this metadata and these files, without its entry of the log.
    fn snapshot_of(
        &self,
        version: u64,
        metadata: &Metadata,
        added: impl IntoIterator<Item = Add>,
    ) -> Result<Snapshot> {
        let schema = metadata.parse_schema().map_err(DeltaTableError::from)?;
        let schema = (&schema).try_into_arrow()?;
        let schema = Arc::new(without_comments(self.table, &schema));
        let in_log = metadata.partition_columns();
        let table_id = id_of(metadata);
        let added = added.into_iter();
        let mut files = Vec::with_capacity(added.size_hint().0);
        for add in added {
            let file = self.data_file(&add, table_id)?;
            let told = &add.partition_values;
            let value = |name: &String| {
                let told = told.get(name).cloned().flatten();
                Ok((
                    name.clone(),
                    value_from_text(told, schema.field_with_name(name)?.data_type())?,
                ))
            };
            let partition_values = in_log.iter().map(value).collect::<DataFusionResult<_>>();
            let partition_values = partition_values.map_err(|error| {
                self.failed(Error::new(Kind::Storage, format!("{}: {error}", add.path)))
            })?;
            files.push(DataFile { partition_values, ..file });
        }
        files.sort_unstable_by(DataFile::in_key_order);
        Ok(Snapshot {
            table: self.table,
            version,
            synthetic: is_synthetic(metadata),
            table_id,
            entry: None,
            schema,
            left_out: Vec::new(),
            files,
            updates: None,
            foreign_deletes: false,
            store: self.location.store.clone(),
            root: self.location.prefix.clone(),
        })
    }

    /// A file as its entry of the log describes it, without the values in its path.
    fn data_file(&self, add: &Add, table_id: u64) -> Result<DataFile> {
        let modified = DateTime::from_timestamp_millis(add.modification_time);
        let file = DataFile::from_log(
            self.table,
            self.full_path(&add.path),
            add.size.unsigned_abs(),
            modified.unwrap_or_default(),
            add.stats.as_deref(),
        );
        let file = file.map_err(|error| {
            self.failed(Error::new(Kind::Storage, format!("{}: {error}", add.path)))
        })?;
        let file = DataFile { generation: table_id, ..file };
        Ok(file.tagged(FileTag::from_log(add.tags.as_ref())))
    }

    /// The snapshot of the newest state, or of a version, with its log entry; `None` if the table does not exist.
    pub(crate) async fn read(&self, version: Option<u64>) -> Result<Option<Snapshot>> {
        let Some(state) = self.state(version).await? else { return Ok(None) };
        let entry = self.entry(state.version()).await?;
        Ok(Some(Snapshot { entry, ..self.snapshot(&state).await? }))
    }

    /// The versions whose commit is still in the log, ascending, and the times of their files.
    pub(crate) async fn versions(&self) -> Result<Vec<(u64, DateTime<Utc>)>> {
        let objects = self.location.store.list(Some(&self.log_path())).map_ok(|object| {
            let name = object.location.filename()?.strip_suffix(".json")?;
            let version = (name.len() == 20).then(|| name.parse().ok()).flatten()?;
            Some((version, to_millis(object.last_modified)))
        });
        let versions = objects.try_filter_map(|version| std::future::ready(Ok(version)));
        let versions = versions.try_collect::<Vec<_>>().await;
        let mut versions = versions.map_err(|error| self.failed(Error::from(error)))?;
        versions.sort_unstable();
        Ok(versions)
    }

    /// The log entry of a version, if it has been committed. One request.
    pub(crate) async fn entry(&self, version: u64) -> Result<Option<ObjectMeta>> {
        match self.location.store.head(&self.commit_path(version)).await {
            // The tag of a local file has its inode, which some file systems change.
            Ok(entry) if self.location.bucket.is_none() => {
                Ok(Some(ObjectMeta { e_tag: None, ..entry }))
            }
            Ok(entry) => Ok(Some(entry)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(Error::from(error))),
        }
    }

    /// The path of a file in the store, from its path in the log, which deltalake-core has decoded.
    pub(crate) fn full_path(&self, relative: &str) -> Path {
        let relative = Path::parse(relative).unwrap_or_else(|_| Path::from(relative));
        self.location.prefix.parts().chain(relative.parts()).collect()
    }

    /// An error with the URL of the table.
    pub(crate) fn failed(&self, error: Error) -> Error {
        error.context(&self.location.url)
    }

    fn commit_path(&self, version: u64) -> Path {
        self.log_path().join(format!("{version:020}.json"))
    }

    fn log_path(&self) -> Path {
        self.location.prefix.clone().join(DELTA_LOG)
    }
}

/// The files of a state, as its log has them.
fn added(state: &EagerSnapshot) -> impl Iterator<Item = Add> {
    // Nothing else tells the tags.
    #[allow(deprecated)]
    state.log_data().into_iter().map(|file| file.add_action())
}

/// A value from its text in a log or a path; `None` is null.
pub(super) fn value_from_text(
    text: Option<String>,
    data_type: &DataType,
) -> DataFusionResult<ScalarValue> {
    match text {
        Some(text) => ScalarValue::try_from_string(text, data_type),
        None => ScalarValue::try_new_null(data_type),
    }
}
