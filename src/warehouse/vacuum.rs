//! Vacuum: deletes files that no version within the grace period refers to, nor one that was kept by name.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use deltalake_core::kernel::EagerSnapshot;
use deltalake_core::table::config::TablePropertiesExt;
use deltalake_core::table::state::DeltaTableState;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectMeta, path::Path};

use super::Warehouse;
use super::delta_log::{DELTA_LOG, Log, complete_kept, kept_snapshots};
use super::files::UPDATES;
use super::storage::end_old_uploads;
use crate::error::{Error, Result};
use crate::schema::Table;

/// After so many deletions the log is looked at again.
const DELETED_AT_ONCE: usize = 1000;

const DAY: Duration = Duration::from_secs(86_400);
/// How long a file that no version has named is left, whatever the grace period: an ingest may be about to commit it. An ingest that takes
/// longer cannot commit, see [`Warehouse::commit`].
pub(super) const WRITING: Duration = DAY;

/// Which files a vacuum spares.
#[derive(Clone, Debug)]
pub struct VacuumOptions {
    /// How long a file that a version removed is left for readers of older versions. The log of the table has to know for as long when a
    /// file was removed.
    pub grace: Duration,
}

impl VacuumOptions {
    /// A week.
    pub const DEFAULT: Self = Self { grace: DAY.saturating_mul(7) };
}

impl Default for VacuumOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a vacuum removed.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Vacuumed {
    /// Files that were deleted.
    pub files_deleted: usize,
    /// Their size in all.
    pub bytes_deleted: u64,
    /// Uploads in parts that were begun before the grace period and never completed.
    pub uploads_ended: usize,
}

impl Warehouse {
    /// Deletes files that the newest version of a table does not refer to: those that were removed from the table before the grace period,
    /// and those that never were in it and are older than the grace period and a day. Fails with `NotFound` if there is no table, and with
    /// `Argument` if the grace period is longer than the log of the table
    /// knows removed files.
    pub async fn vacuum(&self, table: Table, options: &VacuumOptions) -> Result<Vacuumed> {
        self.vacuumed(table, options, false).await
    }

    /// What [`vacuum`](Self::vacuum) would do now. Nothing is changed.
    pub async fn would_vacuum(&self, table: Table, options: &VacuumOptions) -> Result<Vacuumed> {
        self.vacuumed(table, options, true).await
    }

    async fn vacuumed(
        &self,
        table: Table,
        options: &VacuumOptions,
        dry_run: bool,
    ) -> Result<Vacuumed> {
        let now = Utc::now();
        let log = Log::new(&self.location, table)?;
        // The files are listed before the log is read, so that a file that is committed in between is known as live.
        let objects = log.location.list().await?.objects;
        let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
        let known = known_retention(&state);
        if options.grace > known {
            let (table, hours) = (table.name(), known.as_secs() / 3600);
            let message = format!(
                "grace: the log of table {table} knows removed files for {hours} hours (its property {REMOVED_FOR}); give at most that, \
                 or set the property (OPERATIONS.md)"
            );
            return Err(Error::argument(message));
        }
        let (expired, abandoned) =
            (before(now, options.grace), before(now, options.grace.max(WRITING)));
        if !dry_run {
            complete_kept(&log, &state).await?;
        }
        let mut unused = unused_files(&log, state, objects, expired, abandoned).await?;
        if !dry_run {
            self.remove_leftovers(table).await?;
            unused = delete_unused(&log, unused).await?;
        }
        let uploads = end_old_uploads(&log.location, abandoned, dry_run).await;
        Ok(Vacuumed {
            files_deleted: unused.len(),
            bytes_deleted: unused.iter().map(|object| object.size).sum(),
            uploads_ended: uploads.unwrap_or_else(|error| {
                tracing::warn!(url = %log.location.url, %error, "unfinished uploads could not be ended");
                0
            }),
        })
    }
}

/// Deletes files that were not used when they were looked for, and returns those that were deleted: a file that an undo or a restoration
/// has named since is left. What it names between this look and the deletion is lost: it checks its files afterwards.
pub(super) async fn delete_unused(log: &Log, unused: Vec<ObjectMeta>) -> Result<Vec<ObjectMeta>> {
    let mut deleted = Vec::new();
    for some in unused.chunks(DELETED_AT_ONCE) {
        let newest = log.read(None).await?;
        let files = newest.iter().flat_map(|snapshot| &snapshot.files);
        let live: HashSet<_> = files.map(|file| &file.path).collect();
        let some = some.iter().filter(|object| !live.contains(&object.location));
        let some: Vec<_> = some.cloned().collect();
        let paths = stream::iter(some.clone()).map(|object| Ok(object.location)).boxed();
        let gone = log.location.store.delete_stream(paths);
        let gone = gone.try_for_each(|_| std::future::ready(Ok(())));
        gone.await.map_err(|error| log.failed(Error::from(error)))?;
        deleted.extend(some);
    }
    Ok(deleted)
}

/// So long before a time, as far as there are times.
pub(super) fn before(time: DateTime<Utc>, duration: Duration) -> DateTime<Utc> {
    let earlier = TimeDelta::from_std(duration).ok();
    earlier
        .and_then(|duration| time.checked_sub_signed(duration))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

/// The property that says for how long the log of a table knows when a file was removed from it.
const REMOVED_FOR: &str = "delta.deletedFileRetentionDuration";

/// For how long the log of a table knows when a file was removed from it.
pub(super) fn known_retention(state: &EagerSnapshot) -> Duration {
    state.table_properties().deleted_file_retention_duration()
}

/// Of all objects of a table's folder, listed before this state was read, those that neither it needs nor a version kept by name: files
/// that were removed from the table, or from its updates, before `expired`, and files that no version is known to have named and that were
/// written before `abandoned`.
pub(super) async fn unused_files(
    log: &Log,
    state: EagerSnapshot,
    mut objects: Vec<ObjectMeta>,
    expired: DateTime<Utc>,
    abandoned: DateTime<Utc>,
) -> Result<Vec<ObjectMeta>> {
    retain_data(log, &mut objects);
    let snapshot = log.snapshot(&state).await?;
    let mut removed = removed(log, DeltaTableState::new(state)).await?;
    if let Some(updates) = &log.updates
        && let Some(state) = updates.state(None).await?
    {
        // A version of the updates may remove what no version of the table has named yet.
        let mut of_updates = self::removed(updates, DeltaTableState::new(state)).await?;
        let young = objects.iter().filter(|object| object.last_modified >= abandoned);
        let young: HashSet<_> = young.map(|object| &object.location).collect();
        of_updates.retain(|path, _| !young.contains(path));
        removed.extend(of_updates);
    }
    let kept = kept_snapshots(log, &snapshot).await?;
    let files = kept.iter().chain([&snapshot]).flat_map(|snapshot| &snapshot.files);
    let live: HashSet<_> = files.map(|file| &file.path).collect();
    objects.retain(|object| {
        let old = match removed.get(&object.location) {
            Some(removed) => *removed < expired,
            None => object.last_modified < abandoned,
        };
        old && !live.contains(&object.location)
    });
    Ok(objects)
}

/// Leaves everything in the table's folder and that of its updates, except what else begins with `_`. Of the logs, only temporary files
/// that a killed writer left. Names that no object_store path can have are none of the table's files.
fn retain_data(log: &Log, objects: &mut Vec<ObjectMeta>) {
    objects.retain(|object| {
        let below = object.location.prefix_match(&log.location.prefix).into_iter().flatten();
        let mut parts: Vec<_> = below.collect();
        if log.updates.is_some() && parts.first().is_some_and(|part| part.as_ref() == UPDATES) {
            parts.remove(0);
        }
        let temporary = |name: &str| name.starts_with('.') && name.ends_with(".tmp");
        match &parts[..] {
            [folder, name] if folder.as_ref() == DELTA_LOG => temporary(name.as_ref()),
            parts => !parts.iter().any(|part| part.as_ref().starts_with('_')),
        }
    });
}

/// When each file that the log still knows was removed from the table.
async fn removed(log: &Log, state: DeltaTableState) -> Result<HashMap<Path, DateTime<Utc>>> {
    let tombstones = state.all_tombstones(log.delta.as_ref());
    let removed = tombstones.map_ok(|tombstone| {
        let path = log.full_path(&tombstone.path());
        // Other writers may leave the time out. Then the file may have been removed just now.
        let time = tombstone.deletion_timestamp().filter(|time| *time > 0);
        let time = time.and_then(DateTime::from_timestamp_millis).unwrap_or_else(Utc::now);
        (path, time)
    });
    removed.try_collect().await.map_err(|error| log.failed(Error::from(error)))
}
