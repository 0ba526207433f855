//! Merges the updates of a table, with each other or with files of the table. Only the newest row of each object is written. Memory: the
//! keys of the updates, and one row group of each file.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use super::kway_merge::{merged_stream, run_stream, sorted_runs};
use super::plan::Merge;
use super::segments::{MergeProgress, TellProgress, write_segments};
use super::updates::folded;
use crate::error::{Error, Result};
use crate::schema::KEY;
use crate::warehouse::files::fit;
use crate::warehouse::updated_keys::keys_of;
use crate::warehouse::{
    BATCH_ROWS, DataFile, FileSize, InPlaces, Snapshot, SortedWriter, Update, UpdatedKeys,
    Warehouse, read, read_keys,
};

/// Merges updates with each other.
pub(super) async fn merge_updates(
    warehouse: &Warehouse,
    base: &Snapshot,
    merge: &Merge,
    full: FileSize,
    progress: TellProgress<'_>,
) -> Result<Vec<DataFile>> {
    let updated = updated_keys(base).await?;
    let told: Vec<_> = merge.files.iter().filter_map(|file| file.tag.update).collect();
    let update = Update {
        number: told.iter().map(|update| update.number).max().unwrap_or_default(),
        since_ms: told.iter().map(|update| update.since_ms).min().unwrap_or_default(),
    };
    let newest = |file: &DataFile| newest_rows(base, file, &updated, None);
    let rows = merge.files.iter().map(newest).collect();
    let rows = merged_stream(base, rows)?.map_err(Error::from);
    let writer = || {
        let schema = base.schema.clone();
        SortedWriter::with_file_size(warehouse, base.table, schema, full).of_updates()
    };
    let written = write_segments(writer, rows, &[], &told_of(merge, progress)).await?.concat();
    let places = InPlaces::of_all(merge.files.iter().map(|file| &file.tag));
    let files = written.into_iter().map(|file| file.placed(Some(merge.to), None));
    Ok(files.map(|file| file.updating(update).in_places(places)).collect())
}

/// What a fold adds to a table, and what it removes.
pub(super) struct Folded {
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
}

/// Folds updates into files of the table, and removes the updates that all files have then.
pub(super) async fn fold(
    warehouse: &Warehouse,
    base: &Snapshot,
    merge: &Merge,
    full: FileSize,
    progress: TellProgress<'_>,
) -> Result<Folded> {
    let own: Vec<_> = merge.files.iter().filter(|file| !file.is_update()).cloned().collect();
    let add = match own.first() {
        None => Vec::new(),
        Some(first) => {
            let newest = base.update_files().map(DataFile::update_number).max();
            let written = folded_files(warehouse, base, merge, &own, full, progress).await?;
            let places = InPlaces::of_all(merge.files.iter().map(|file| &file.tag));
            let placed =
                written.into_iter().map(|file| file.placed(first.tag.level, first.tag.range));
            let folded = placed.map(|file| file.folded(newest.unwrap_or_default()));
            folded.map(|file| file.in_places(places)).collect()
        }
    };
    let stays = |file: &&DataFile| !own.iter().any(|one| one.path == file.path);
    let after: Vec<_> = base.files.iter().filter(stays).chain(&add).cloned().collect();
    let mut remove = own;
    remove.extend(folded(&after));
    Ok(Folded { add, remove })
}

async fn folded_files(
    warehouse: &Warehouse,
    base: &Snapshot,
    merge: &Merge,
    own: &[DataFile],
    full: FileSize,
    progress: TellProgress<'_>,
) -> Result<Vec<DataFile>> {
    let updated = updated_keys(base).await?;
    let Replaced { keys, stay } = replaced(base, own, &updated).await?;
    let keys = Arc::new(keys);
    let runs = sorted_runs(warehouse, base, own, full).await?;
    let mut streams = Vec::new();
    for run in &runs {
        let updated = updated.clone();
        streams.push(passing(run_stream(base, run.clone()), move |rows| {
            Ok(updated.newest_of(keys_of(rows)?.values()).map(|newest| Some(newest == 0)).collect())
        }));
    }
    let updates = merge.files.iter().filter(|file| file.is_update() && !keys.is_empty());
    for file in updates {
        streams.push(newest_rows(base, file, &updated, Some(keys.clone())));
    }
    let rows = merged_stream(base, streams)?.map_err(Error::from);
    let writer = || SortedWriter::with_file_size(warehouse, base.table, base.schema.clone(), full);
    let written = write_segments(writer, rows, &[], &told_of(merge, progress)).await?.concat();
    warehouse.discard(&runs.concat()).await;
    let (rows, expected) =
        (written.iter().filter_map(|file| file.rows).sum::<u64>(), stay + keys.len() as u64);
    match rows == expected {
        true => Ok(written),
        false => Err(Error::internal(format!("{rows} rows were folded, not {expected}"))),
    }
}

/// The rows of files of the table that updates replace.
struct Replaced {
    /// Their objects, ascending.
    keys: Vec<i64>,
    /// How many other rows the files have.
    stay: u64,
}

async fn replaced(base: &Snapshot, own: &[DataFile], updated: &UpdatedKeys) -> Result<Replaced> {
    let (mut keys, mut stay) = (Vec::new(), 0);
    for file in own {
        let mut rows = Box::pin(read(base.store.clone(), file, Some(&[KEY]), BATCH_ROWS));
        while let Some(batch) = rows.try_next().await? {
            let of_batch = keys_of(&batch)?.values();
            for (key, newest) in of_batch.iter().zip(updated.newest_of(of_batch)) {
                match newest {
                    0 => stay += 1,
                    _ => keys.push(*key),
                }
            }
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(Replaced { keys, stay })
}

async fn updated_keys(base: &Snapshot) -> Result<Arc<UpdatedKeys>> {
    Ok(UpdatedKeys::read(base, None).await?.unwrap_or_default())
}

/// The rows of a file of updates that are the newest of their objects; of some objects, or of all.
fn newest_rows(
    base: &Snapshot,
    file: &DataFile,
    updated: &Arc<UpdatedKeys>,
    some: Option<Arc<Vec<i64>>>,
) -> SendableRecordBatchStream {
    let ends = some.as_ref().and_then(|some| Some(*some.first()?..=*some.last()?));
    let range = ends.unwrap_or(i64::MIN..=i64::MAX);
    let (schema, updated, own) = (base.schema.clone(), updated.clone(), file.update_number());
    let rows = read_keys(base.store.clone(), file, None, BATCH_ROWS, range);
    let rows = rows.map(move |rows| fit(&rows?, &schema)).map_err(DataFusionError::from);
    let rows = Box::pin(RecordBatchStreamAdapter::new(base.schema.clone(), rows));
    passing(rows, move |rows| {
        let keys = keys_of(rows)?.values();
        let is_wanted =
            |key: &i64| some.as_ref().is_none_or(|some| some.binary_search(key).is_ok());
        let newest = keys.iter().zip(updated.newest_of(keys));
        Ok(newest.map(|(key, newest)| Some(newest == own && is_wanted(key))).collect())
    })
}

/// The rows that pass a test.
fn passing(
    rows: SendableRecordBatchStream,
    test: impl Fn(&RecordBatch) -> Result<BooleanArray> + Send + 'static,
) -> SendableRecordBatchStream {
    let schema = rows.schema();
    let passing = rows.map(move |rows| {
        let rows = rows?;
        let passes = test(&rows)?;
        Ok(filter_record_batch(&rows, &passes)?)
    });
    let some = passing.try_filter(|rows| std::future::ready(rows.num_rows() > 0));
    Box::pin(RecordBatchStreamAdapter::new(schema, some))
}

/// Tells how far a merge is, by the rows that are written.
fn told_of(merge: &Merge, progress: TellProgress<'_>) -> impl Fn(u64) + Send + Sync {
    let bytes_total = merge.bytes();
    let rows_total: u64 = merge.files.iter().filter_map(|file| file.rows).sum();
    move |rows| {
        let part = rows as f64 / rows_total.max(1) as f64;
        progress(MergeProgress { bytes: (bytes_total as f64 * part) as u64, bytes_total });
    }
}
