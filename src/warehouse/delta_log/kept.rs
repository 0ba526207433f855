//! Versions kept by name, so that a paper can cite them. `_kept/NAME.json` in a table's folder holds the version, as `kept_file` describes
//! it: no engine takes what begins with `_` for data, and vacuum leaves the files of these versions.

use chrono::Utc;
use deltalake_core::kernel::EagerSnapshot;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, path::Path};

use super::Log;
use super::kept_file::{Kept, encode, first_line, snapshot};
use super::metadata::id_of;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::as_of::{MOST_NAME_BYTES, NAME_SIGNS, is_name};
use crate::warehouse::{Snapshot, Warehouse};

/// Files read at once.
const AT_ONCE: usize = 16;

impl Warehouse {
    /// Gives the newest version of a table a name that is good for ever, also when the log does not have the version any more. `Argument`
    /// where the name is taken or is none, `NotFound` where there is no table.
    pub async fn keep(&self, table: Table, name: &str) -> Result<u64> {
        if !is_name(name) {
            return Err(Error::argument(format!(
                "{name:.80} is not a valid name: a name begins with a letter and has at most {MOST_NAME_BYTES} letters, digits and {NAME_SIGNS}"
            )));
        }
        let log = Log::new(&self.location, table)?;
        let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
        let snapshot = log.snapshot(&state).await?;
        let version = snapshot.version;
        let kept = encode(&log, &state, Utc::now()).await?;
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
        complete_kept(&log, &state).await?;
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
/// request: anyone may ask for a name.
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
    let Some(kept) = first_line(log, &path(log, name)).await? else {
        let names = kept_names(log).await?;
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
    let snapshots = stream::iter(kept_names(log).await?).map(async |name| {
        let unread = || format!("kept as {name} (`maintain forget {name}` gives it up)");
        let read = kept_snapshot(log, &name, newest.table_id).await;
        read.map_err(|error| log.failed(error.context(unread())))
    });
    let snapshots = snapshots.buffered(AT_ONCE);
    snapshots.try_filter_map(|snapshot| std::future::ready(Ok(snapshot))).try_collect().await
}

/// The version of a name, from its file, or else from the log; `None` if it is of another table than that of this id. An error if neither
/// has it.
pub(crate) async fn kept_snapshot(
    log: &Log,
    name: &str,
    table_id: u64,
) -> Result<Option<Snapshot>> {
    let path = path(log, name);
    let kept = first_line(log, &path).await?;
    let Some(kept) = kept.filter(|kept| kept.table_id == table_id) else { return Ok(None) };
    let read = match kept.needs_log() {
        true => log.read(Some(kept.version)).await,
        false => snapshot(log, &path).await,
    };
    let gone = || Error::new(Kind::Storage, "it is not in the log any more");
    let read = read.and_then(|read| read.ok_or_else(gone));
    read.map(Some).map_err(|error| error.context(format!("version {}", kept.version)))
}

/// A version that the log does not have, from the file of any of its names; `None` if it is not kept.
pub(super) async fn kept_by_number(log: &Log, version: u64) -> Result<Option<Snapshot>> {
    for (name, kept) in all(log).await? {
        if kept.version != version || kept.needs_log() {
            continue;
        }
        let Some(newest) = log.state(None).await? else { return Ok(None) };
        if kept.table_id == id_of(newest.metadata()) {
            return snapshot(log, &path(log, &name)).await;
        }
    }
    Ok(None)
}

/// All names of the table as it is now, with their versions.
pub(crate) async fn kept_versions(log: &Log, table_id: u64) -> Result<Vec<(String, u64)>> {
    let of_table = all(log).await?.into_iter().filter(|(_, kept)| kept.table_id == table_id);
    Ok(of_table.map(|(name, kept)| (name, kept.version)).collect())
}

/// The oldest version that needs the log, since it is kept by a name whose file does not have all of it.
pub(super) async fn oldest_incomplete(log: &Log, newest: &EagerSnapshot) -> Result<Option<u64>> {
    Ok(incomplete(log, newest).await?.into_iter().map(|(_, kept)| kept.version).min())
}

/// Writes all that is needed to read a version into the files of names that an older version of this program wrote. Where that fails the
/// log stays as it is, and the next time may do.
pub(crate) async fn complete_kept(log: &Log, newest: &EagerSnapshot) -> Result<()> {
    for (name, kept) in incomplete(log, newest).await? {
        if let Err(error) = complete_name(log, &name, &kept).await {
            tracing::warn!(table = log.table.name(), name, %error, "its version still needs the log");
        }
    }
    Ok(())
}

async fn complete_name(log: &Log, name: &str, kept: &Kept) -> Result<()> {
    let state = log.state(Some(kept.version)).await?;
    let state = state.ok_or_else(|| Error::new(Kind::Gone, "the table is not there any more"))?;
    let file = encode(log, &state, kept.kept).await?;
    log.location.store.put(&path(log, name), file.into()).await?;
    Ok(())
}

/// The names whose version is in the log alone. One whose version is lost needs nothing.
async fn incomplete(log: &Log, newest: &EagerSnapshot) -> Result<Vec<(String, Kept)>> {
    let table_id = id_of(newest.metadata());
    let mut incomplete = Vec::new();
    for (name, kept) in all(log).await? {
        let of_table = kept.table_id == table_id;
        if of_table && kept.needs_log() && log.entry(kept.version).await?.is_some() {
            incomplete.push((name, kept));
        }
    }
    Ok(incomplete)
}

/// All names with what they are kept of, whatever table that is.
async fn all(log: &Log) -> Result<Vec<(String, Kept)>> {
    let all = stream::iter(kept_names(log).await?).map(async |name| {
        let kept = first_line(log, &path(log, &name)).await?;
        Ok(kept.map(|kept| (name, kept)))
    });
    let all = all.buffered(AT_ONCE);
    all.try_filter_map(|kept| std::future::ready(Ok(kept))).try_collect().await
}

/// All names, whatever table they are of.
pub(crate) async fn kept_names(log: &Log) -> Result<Vec<String>> {
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
