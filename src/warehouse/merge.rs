//! Sorted files into fewer sorted files with the same rows. In: files of a snapshot, by key. Out: files
//! disjoint in keys. Memory: one row group of each of at most [`FAN_IN`] files.

use std::sync::Arc;

use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};

use super::layout::FileSize;
use super::reader::read;
use super::writer::{delete, fit};
use super::{DataFile, Snapshot, SortedWriter, Warehouse};
use crate::error::{Error, Result};
use crate::schema::Table;

const FAN_IN: usize = 32;
const BATCH_ROWS: usize = 1024;

/// Files whose keys follow one another: read one after the other, their rows are in order.
type Run = Vec<DataFile>;

/// Writes the rows of the files, none more and none less, and checks that it did. The files are not
/// committed. After an error nothing of them is left.
pub(super) async fn merge(
    warehouse: &Warehouse,
    base: &Snapshot,
    files: &[DataFile],
    full: FileSize,
) -> Result<Vec<DataFile>> {
    let mut runs = runs(files);
    let mut between = Vec::new();
    let merged = loop {
        let last = runs.len() <= FAN_IN;
        let next = runs.drain(..runs.len().min(FAN_IN)).collect();
        match merge_runs(warehouse, base, next, full).await {
            Ok(run) if !last => {
                between.extend(run.clone());
                runs.push(run);
            }
            done => break done,
        }
    };
    delete(&base.store, &between).await;
    let merged = merged?;
    let rows = |files: &[DataFile]| files.iter().map(|file| file.rows).sum::<u64>();
    if rows(&merged) != rows(files) {
        delete(&base.store, &merged).await;
        let message = format!("{} rows came out of {}", rows(&merged), rows(files));
        return Err(Error::internal(message));
    }
    Ok(merged)
}

/// As few runs as the overlaps allow, so that no more files are open at once than overlap.
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
    runs: Vec<Run>,
    full: FileSize,
) -> Result<Run> {
    let streams = runs.into_iter().map(|run| run_stream(base, run)).collect();
    let mut rows = merged_stream(base.table, &base.schema, streams)?;
    let mut writer = SortedWriter::with_file_size(warehouse, base.table, base.schema.clone(), full);
    let written = async {
        while let Some(batch) = rows.try_next().await? {
            writer.write(&batch).await?;
        }
        Ok(())
    };
    match written.await {
        Ok(()) => writer.finish().await,
        Err(error) => {
            writer.abort().await;
            Err(error)
        }
    }
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
    let ascending = SortOptions { descending: false, nulls_first: true };
    let order = table.sort_columns().iter().map(|name| col(name, schema));
    let order = order.map(|column| Ok(PhysicalSortExpr::new(column?, ascending)));
    let order: Vec<_> = order.collect::<Result<_, DataFusionError>>()?;
    let order = LexOrdering::new(order).ok_or_else(|| Error::internal("a table has no order"))?;
    // The streams hold a batch each: there is nothing to limit.
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
