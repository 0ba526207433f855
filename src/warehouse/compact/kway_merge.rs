//! Merges files of a snapshot into fewer sorted files with the same rows, no two of which have keys in common. It reads at most
//! [`FAN_IN`] files at once, and holds one row group of each in memory; files that are not sorted are sorted first, one at a time.

use std::sync::Arc;

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::files::fit;
use crate::warehouse::rewrite::{IN_FILES, rewrite, write};
use crate::warehouse::{BATCH_ROWS, DataFile, FileSize, Snapshot, Warehouse, read};

const FAN_IN: usize = 32;

/// Files with disjoint, ascending key ranges: read one after the other, their rows are in order.
type Run = Vec<DataFile>;

/// Merges files into new ones, and checks that these have as many rows. The given files must be [as their footers have
/// them](crate::warehouse::described). The new ones are not committed.
pub(super) async fn merge(
    warehouse: &Warehouse,
    base: &Snapshot,
    files: &[DataFile],
    full: FileSize,
) -> Result<Vec<DataFile>> {
    let merged = match files {
        [file] if !file.sorted => sort(warehouse, base, file, full).await?,
        files => merge_all(warehouse, base, files, full).await?,
    };
    let rows = |files: &[DataFile]| files.iter().filter_map(|file| file.rows).sum::<u64>();
    if rows(&merged) != rows(files) {
        let message = format!("{} rows came out of {}", rows(&merged), rows(files));
        return Err(Error::internal(message));
    }
    Ok(merged)
}

/// Merges all files, in rounds if there are many runs. Files between two rounds are deleted as soon as they are merged.
async fn merge_all(
    warehouse: &Warehouse,
    base: &Snapshot,
    files: &[DataFile],
    full: FileSize,
) -> Result<Run> {
    let (sorted, unsorted): (Vec<_>, Vec<_>) = files.iter().cloned().partition(|file| file.sorted);
    let mut runs = runs(&sorted);
    for file in &unsorted {
        runs.push(sort(warehouse, base, file, full).await?);
    }
    loop {
        let last = runs.len() <= FAN_IN;
        let next: Vec<_> = runs.drain(..runs.len().min(FAN_IN)).collect();
        let merged = merge_runs(warehouse, base, &next, full).await?;
        // This deletes uncommitted files only: those of the table stay.
        warehouse.discard(&next.concat()).await;
        if last {
            return Ok(merged);
        }
        runs.push(merged);
    }
}

/// Arranges files in as few runs as their overlaps allow, so that as few as possible are open at once.
fn runs(files: &[DataFile]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for file in files {
        let follows = |run: &&mut Run| run.last().is_some_and(|l| l.keys.end() < file.keys.start());
        match runs.iter_mut().find(follows) {
            Some(run) => run.push(file.clone()),
            None => runs.push(vec![file.clone()]),
        }
    }
    runs
}

async fn merge_runs(
    warehouse: &Warehouse,
    base: &Snapshot,
    runs: &[Run],
    full: FileSize,
) -> Result<Run> {
    let streams = runs.iter().map(|run| run_stream(base, run.clone())).collect();
    let rows = merged_stream(base.table, &base.schema, streams)?.map_err(Error::from);
    write(warehouse, base, rows, full).await
}

/// The rows of a file in order.
async fn sort(
    warehouse: &Warehouse,
    base: &Snapshot,
    file: &DataFile,
    full: FileSize,
) -> Result<Run> {
    let every = |batch: &RecordBatch| Ok(BooleanBuffer::new_set(batch.num_rows()).into());
    rewrite(warehouse, base, file, full, every).await
}

fn run_stream(base: &Snapshot, run: Run) -> SendableRecordBatchStream {
    let (store, schema) = (base.store.clone(), base.schema.clone());
    let files = stream::iter(run).map(move |file| read(store.clone(), &file, None, BATCH_ROWS));
    let fitted = files.flatten().map(move |batch| fit(&batch?, &schema));
    let fitted = fitted.map_err(DataFusionError::from);
    Box::pin(RecordBatchStreamAdapter::new(base.schema.clone(), fitted))
}

fn merged_stream(
    table: Table,
    schema: &SchemaRef,
    streams: Vec<SendableRecordBatchStream>,
) -> Result<SendableRecordBatchStream> {
    let order = table.sort_columns().iter().map(|name| col(name, schema));
    let order = order.map(|column| Ok(PhysicalSortExpr::new(column?, IN_FILES)));
    let order: Vec<_> = order.collect::<Result<_, DataFusionError>>()?;
    let order = LexOrdering::new(order).ok_or_else(|| Error::internal("a table has no order"))?;
    // Each stream holds one batch, so no limit is needed.
    let unlimited: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let merged = StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(schema.clone())
        .with_expressions(&order)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(BATCH_ROWS)
        .with_reservation(MemoryConsumer::new("compaction").register(&unlimited))
        .build()?;
    Ok(merged)
}
