//! Merges files of a snapshot into fewer sorted files with the same rows, no two of which have keys in common. It reads at most [`FAN_IN`]
//! files at once, and holds one row group of each in memory, 15 MB of `sources`; files that are not sorted are sorted first, one at a time.

use arrow::buffer::BooleanBuffer;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::plan::{FAN_IN, Merge};
use super::segments::{MergeProgress, write_segments};
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::files::fit;
use crate::warehouse::places::distinct;
use crate::warehouse::rewrite::{IN_FILES, rewrite, write};
use crate::warehouse::{
    BATCH_ROWS, DataFile, FileSize, InPlaces, Snapshot, SortedWriter, Warehouse, merged, read,
};

/// Files with disjoint, ascending key ranges: read one after the other, their rows are in order.
pub(super) type SortedRun = Vec<DataFile>;

/// Merges files into new ones, cut and tagged as the merge says, and checks that these have as many rows; of places each row once. The given files must be [as their
/// footers have them](crate::warehouse::described). The new ones are not committed.
pub(super) async fn merge(
    warehouse: &Warehouse,
    base: &Snapshot,
    merge: &Merge,
    full: FileSize,
    progress: &(dyn Fn(MergeProgress) + Send + Sync),
) -> Result<Vec<DataFile>> {
    let count = |files: &[DataFile]| files.iter().filter_map(|file| file.rows).sum::<u64>();
    let (bytes_total, rows_total) = (merge.bytes(), count(&merge.files));
    let told = |rows: u64| {
        let part = rows as f64 / rows_total.max(1) as f64;
        progress(MergeProgress { bytes: (bytes_total as f64 * part) as u64, bytes_total });
    };
    let runs = sorted_runs(warehouse, base, &merge.files, full).await?;
    let rows = merged_rows(base, &runs)?;
    let starts = merge.cut.as_ref().map_or(&[][..], |cut| &cut.starts);
    let writer = || SortedWriter::with_file_size(warehouse, base.table, base.schema.clone(), full);
    let segments = write_segments(writer, rows, starts, &told).await?;
    // This deletes uncommitted files only: those of the table stay.
    warehouse.discard(&runs.concat()).await;
    let written: u64 = segments.iter().map(|files| count(files)).sum();
    // Places are a set.
    if written != rows_total && (base.table != Table::Places || written > rows_total) {
        return Err(Error::internal(format!("{written} rows came out of {rows_total}")));
    }
    let places = InPlaces::of_all(merge.files.iter().map(|file| &file.tag));
    let folded = merge.files.iter().map(|file| file.tag.folded).min().unwrap_or_default();
    let files: Vec<_> = match &merge.cut {
        Some(cut) => cut.tagged(merge.to, segments),
        None => {
            let files = segments.into_iter().flatten();
            files.map(|file| file.placed(Some(merge.to), None)).collect()
        }
    };
    Ok(files.into_iter().map(|file| file.folded(folded).in_places(places)).collect())
}

/// The files as at most [`FAN_IN`] runs. Files that are not sorted are sorted before. If there are more runs, some are merged into
/// temporary files, which are deleted as soon as they are merged themselves.
pub(super) async fn sorted_runs(
    warehouse: &Warehouse,
    base: &Snapshot,
    files: &[DataFile],
    full: FileSize,
) -> Result<Vec<SortedRun>> {
    let (mut sorted, unsorted): (Vec<_>, Vec<_>) =
        files.iter().cloned().partition(|file| file.sorted);
    sorted.sort_by_key(|file| *file.keys.start());
    let mut runs = runs(&sorted);
    for file in &unsorted {
        runs.push(sort(warehouse, base, file, full).await?);
    }
    while runs.len() > FAN_IN {
        let some: Vec<_> = runs.drain(..FAN_IN).collect();
        let schema = base.schema.clone();
        let writer = SortedWriter::with_file_size(warehouse, base.table, schema, full);
        runs.push(write(writer, merged_rows(base, &some)?).await?);
        warehouse.discard(&some.concat()).await;
    }
    Ok(runs)
}

/// Arranges files in as few runs as their overlaps allow, so that as few as possible are open at once.
fn runs(files: &[DataFile]) -> Vec<SortedRun> {
    let mut runs: Vec<SortedRun> = Vec::new();
    for file in files {
        let follows =
            |run: &&mut SortedRun| run.last().is_some_and(|l| l.keys.end() < file.keys.start());
        match runs.iter_mut().find(follows) {
            Some(run) => run.push(file.clone()),
            None => runs.push(vec![file.clone()]),
        }
    }
    runs
}

/// The rows of some runs in the table's order.
fn merged_rows(
    base: &Snapshot,
    runs: &[SortedRun],
) -> Result<impl Stream<Item = Result<RecordBatch>> + use<>> {
    let streams = runs.iter().map(|run| run_stream(base, run.clone())).collect();
    let rows = merged_stream(base, streams)?.map_err(Error::from);
    Ok(match base.table {
        Table::Places => distinct(rows).left_stream(),
        _ => rows.right_stream(),
    })
}

/// The rows of a file in order.
async fn sort(
    warehouse: &Warehouse,
    base: &Snapshot,
    file: &DataFile,
    full: FileSize,
) -> Result<SortedRun> {
    let every = |batch: &RecordBatch| Ok(BooleanBuffer::new_set(batch.num_rows()).into());
    rewrite(warehouse, base, file, full, every).await
}

pub(super) fn run_stream(base: &Snapshot, run: SortedRun) -> SendableRecordBatchStream {
    let (store, schema) = (base.store.clone(), base.schema.clone());
    let files = stream::iter(run).map(move |file| read(store.clone(), &file, None, BATCH_ROWS));
    let fitted = files.flatten().map(move |batch| fit(&batch?, &schema));
    let fitted = fitted.map_err(DataFusionError::from);
    Box::pin(RecordBatchStreamAdapter::new(base.schema.clone(), fitted))
}

/// Merges streams of rows that are in the table's order.
pub(super) fn merged_stream(
    base: &Snapshot,
    streams: Vec<SendableRecordBatchStream>,
) -> Result<SendableRecordBatchStream> {
    let order = base.table.sort_columns().iter().map(|name| (*name, IN_FILES));
    merged(streams, &base.schema, &order.collect::<Vec<_>>(), BATCH_ROWS)
}
