//! Vacuum: deletes files that no version within the grace period refers to, nor one that was kept by name.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use deltalake_core::table::config::TablePropertiesExt;
use deltalake_core::table::state::DeltaTableState;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, path::Path};

use super::log::Log;
use super::unfinished::end_old_uploads;
use super::{Warehouse, kept};
use crate::error::{Error, Result};
use crate::schema::Table;

const DAY: Duration = Duration::from_secs(86_400);
/// How long a file that no version has named is left, whatever the grace period: it may be of an ingest under way, whose
/// commit is yet to come. One that takes longer is refused its commit, see [`Warehouse::commit`].
const WRITING: Duration = DAY;

#[derive(Clone, Debug)]
pub struct VacuumOptions {
    /// For files that a version removed: up to 30 days, for which the log knows when that was.
    pub grace: Duration,
}

impl Default for VacuumOptions {
    fn default() -> Self {
        Self { grace: 7 * DAY }
    }
}

/// What a vacuum removed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Vacuumed {
    pub files_deleted: usize,
    pub bytes_deleted: u64,
    /// Uploads in parts that were begun before the grace period and never completed.
    pub uploads_ended: usize,
}

impl Warehouse {
    /// Deletes the files of a table that the newest version does not refer to and that were removed from
    /// it before the grace period, or if they never were in it written before that and a day ago. Fails with `NotFound` where there
    /// is no table, and with `Argument` for a grace period that is too long.
    pub async fn vacuum(&self, table: Table, options: &VacuumOptions) -> Result<Vacuumed> {
        if options.grace > 30 * DAY {
            return Err(Error::argument("grace: at most 30 days"));
        }
        let now = Utc::now();
        let (expired, abandoned) = (now - options.grace, now - options.grace.max(WRITING));
        let log = Log::new(&self.location, table)?;
        // Listed before the log is read: a file that is committed in between is known.
        let objects = data_files(&log).await?;
        let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
        let known = state.table_properties().deleted_file_retention_duration();
        if options.grace > known {
            let (table, hours) = (table.name(), known.as_secs() / 3600);
            let message =
                format!("grace: the log of table {table} knows removed files for {hours} hours");
            return Err(Error::argument(message));
        }
        let snapshot = log.snapshot(&state)?;
        let removed = removed(&log, DeltaTableState::new(state)).await?;
        let kept = kept::snapshots(&log, &snapshot).await?;
        let files = kept.iter().chain([&snapshot]).flat_map(|snapshot| &snapshot.files);
        let live: HashSet<_> = files.map(|file| &file.path).collect();
        let unused = |object: &ObjectMeta| {
            let old = match removed.get(&object.location) {
                Some(removed) => *removed < expired,
                None => object.last_modified < abandoned,
            };
            old && !live.contains(&object.location)
        };
        let unused: Vec<_> = objects.into_iter().filter(unused).collect();
        let paths = stream::iter(unused.clone()).map(|object| Ok(object.location)).boxed();
        let deleted = log.location.store.delete_stream(paths);
        let gone = deleted.try_fold((), |(), _| std::future::ready(Ok(())));
        gone.await.map_err(|error| log.failed(Error::from(error)))?;
        let uploads = end_old_uploads(&log.location, abandoned).await;
        Ok(Vacuumed {
            files_deleted: unused.len(),
            bytes_deleted: unused.iter().map(|object| object.size).sum(),
            uploads_ended: uploads.unwrap_or_else(|error| {
                tracing::warn!(url = %log.location.url, %error, "old uploads were not ended");
                0
            }),
        })
    }
}

/// Everything in the table's folder but the log and what else begins with `_`. Of the log, what a writer that died left under
/// a temporary name. A name that no path can have is none of the table's.
async fn data_files(log: &Log) -> Result<Vec<ObjectMeta>> {
    let mut objects = log.location.list().await?.objects;
    objects.retain(|object| {
        let below = object.location.prefix_match(&log.location.prefix).into_iter().flatten();
        let parts: Vec<_> = below.collect();
        let temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
        match &parts[..] {
            [folder, name] if folder.as_ref() == "_delta_log" => temporary(name.as_ref()),
            parts => !parts.iter().any(|part| part.as_ref().starts_with('_')),
        }
    });
    Ok(objects)
}

/// When each file that the log still knows was removed from the table.
async fn removed(log: &Log, state: DeltaTableState) -> Result<HashMap<Path, DateTime<Utc>>> {
    let tombstones = state.all_tombstones(log.delta.as_ref());
    let removed = tombstones.map_ok(|tombstone| {
        let path = log.full_path(&tombstone.path());
        // Without a time, as others may write it, the file may have been removed just now.
        let time = tombstone.deletion_timestamp().filter(|time| *time > 0);
        let time = time.and_then(DateTime::from_timestamp_millis).unwrap_or_else(Utc::now);
        (path, time)
    });
    removed.try_collect().await.map_err(|error| log.failed(Error::from(error)))
}
