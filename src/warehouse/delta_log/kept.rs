//! Versions kept by name, so that a paper can cite them. `_kept/NAME.json` in a table's folder holds the version: no engine takes what
//! begins with `_` for data, and vacuum leaves the files of these versions.

use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, path::Path};
use serde::{Deserialize, Serialize};

use super::Log;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::as_of::{MOST_NAME_BYTES, NAME_SIGNS, is_name};
use crate::warehouse::{Snapshot, Warehouse};

/// Files read at once.
const AT_ONCE: usize = 16;

#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u64,
    /// Of a table made anew in its place it is no version.
    table_id: u64,
    kept: DateTime<Utc>,
}

impl Warehouse {
    /// Gives the newest version of a table a name that is good for ever: while there are names, commits do not clean the log. `Argument` where the name is taken or is none, `NotFound`
    /// where there is no table.
    pub async fn keep(&self, table: Table, name: &str) -> Result<u64> {
        if !is_name(name) {
            return Err(Error::argument(format!(
                "{name:.80} is not a valid name: a name begins with a letter and has at most {MOST_NAME_BYTES} letters, digits and {NAME_SIGNS}"
            )));
        }
        let log = Log::new(&self.location, table)?;
        let snapshot = log.read(None).await?.ok_or_else(|| self.no_table(table))?;
        let (version, table_id) = (snapshot.version, snapshot.table_id);
        let kept = serde_json::to_vec(&Kept { version, table_id, kept: Utc::now() });
        let kept = kept.map_err(|error| Error::internal(error.to_string()))?;
        let (store, path) = (&log.location.store, path(&log, name));
        match store.put_opts(&path, kept.into(), PutMode::Create.into()).await {
            Ok(_) => {}
            Err(StoreError::AlreadyExists { .. }) => {
                let version = named(&log, name).await?.version;
                let text = format!("{name} is version {version} of {} already", table.name());
                return Err(Error::argument(text));
            }
            Err(error) => return Err(log.failed(error.into())),
        }
        // A vacuum that started before the name was kept may have deleted files.
        if !log.has_files_of(&snapshot).await? {
            self.forget(table, name).await?;
            let text = format!("files of version {version} are gone: keep a newer one");
            return Err(log.failed(Error::new(Kind::Gone, text)));
        }
        Ok(version)
    }

    /// The version that a name is kept of. `Argument` where there is none.
    pub async fn kept(&self, table: Table, name: &str) -> Result<u64> {
        Ok(named(&Log::new(&self.location, table)?, name).await?.version)
    }

    /// Gives up a name: vacuum may then delete the files of its version. `Argument` where there is none.
    pub async fn forget(&self, table: Table, name: &str) -> Result<u64> {
        let log = Log::new(&self.location, table)?;
        let version = named(&log, name).await?.version;
        let deleted = log.location.store.delete(&path(&log, name)).await;
        deleted.map_err(|error| log.failed(error.into()))?;
        Ok(version)
    }
}

/// The version of a name. `Argument` where there is none, `Gone` where the table of this id is another one than was kept. One small
/// file is read: anyone may ask for a name.
pub(crate) async fn version_named(log: &Log, name: &str, table_id: u64) -> Result<u64> {
    let kept = named(log, name).await?;
    if kept.table_id != table_id {
        let text = format!(
            "{name} belongs to a table that has been replaced since; ask for the newest version"
        );
        return Err(Error::new(Kind::Gone, text));
    }
    Ok(kept.version)
}

async fn named(log: &Log, name: &str) -> Result<Kept> {
    let Some(kept) = read(log, &path(log, name)).await? else {
        let names = names(log).await?;
        let has = match names.is_empty() {
            true => "no version is kept by name".to_string(),
            false => format!("kept are {}", names.join(", ")),
        };
        return Err(Error::argument(format!(
            "{name:.80} is not a version, a time or a name of {}: {has}",
            log.table.name()
        )));
    };
    Ok(kept)
}

/// The snapshots of all names of the table as it is now.
pub(crate) async fn kept_snapshots(log: &Log, newest: &Snapshot) -> Result<Vec<Snapshot>> {
    let snapshots = stream::iter(names(log).await?).map(async |name| {
        let kept = read(log, &path(log, &name)).await?;
        let Some(kept) = kept.filter(|kept| kept.table_id == newest.table_id) else {
            return Ok(None);
        };
        let unread = || {
            format!(
                "version {}, kept as {name} (`maintain forget {name}` gives it up)",
                kept.version
            )
        };
        let version =
            log.read(Some(kept.version)).await.map_err(|error| error.context(unread()))?;
        let gone = || Error::new(Kind::Storage, "it is not in the log any more").context(unread());
        version.map(Some).ok_or_else(|| log.failed(gone()))
    });
    let snapshots = snapshots.buffered(AT_ONCE);
    snapshots.try_filter_map(|snapshot| std::future::ready(Ok(snapshot))).try_collect().await
}

/// All names of the table as it is now, with their versions.
pub(crate) async fn kept_versions(log: &Log, table_id: u64) -> Result<Vec<(String, u64)>> {
    let mut versions = Vec::new();
    for name in names(log).await? {
        let kept = read(log, &path(log, &name)).await?;
        versions
            .extend(kept.filter(|kept| kept.table_id == table_id).map(|kept| (name, kept.version)));
    }
    Ok(versions)
}

async fn read(log: &Log, path: &Path) -> Result<Option<Kept>> {
    let bytes = match log.location.store.get(path).await {
        Ok(found) => found.bytes().await,
        Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => Err(error),
    };
    let bytes = bytes.map_err(|error| log.failed(error.into()))?;
    let kept = serde_json::from_slice(&bytes);
    kept.map(Some)
        .map_err(|error| log.failed(Error::new(Kind::Storage, format!("{path}: {error}"))))
}

/// All names, whatever table they are of.
pub(super) async fn names(log: &Log) -> Result<Vec<String>> {
    let objects = log.location.store.list(Some(&folder(log)));
    let named = objects.map_ok(|object| {
        let name = object.location.filename()?.strip_suffix(".json")?;
        is_name(name).then(|| name.to_string())
    });
    let names = named.try_filter_map(|name| std::future::ready(Ok(name))).try_collect::<Vec<_>>();
    let mut names = names.await.map_err(|error| log.failed(error.into()))?;
    names.sort_unstable();
    Ok(names)
}

fn folder(log: &Log) -> Path {
    log.location.prefix.clone().join("_kept")
}

fn path(log: &Log, name: &str) -> Path {
    folder(log).join(format!("{name}.json"))
}
