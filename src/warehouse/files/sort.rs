//! Sorts more rows than fit in memory, with DataFusion.
//!
//! Sorted runs that do not fit spill to a folder (Arrow IPC, lz4), then merge, in several passes if
//! they must.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use arrow::datatypes::SchemaRef;
use datafusion::common::config::SpillCompression;
use datafusion::error::DataFusionError;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool, UnboundedMemoryPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::expressions::col;
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{BaselineMetrics, ExecutionPlanMetricsSet};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::streaming_merge::StreamingMergeBuilder;
use datafusion::physical_plan::stream::{EmptyRecordBatchStream, RecordBatchStreamAdapter};
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::prelude::SessionConfig;
use futures::{Stream, TryStreamExt, future, stream};
use parking_lot::Mutex;

use super::gather::BATCH_ROWS;
use crate::error::{Error, Result};

/// Least first, nulls last.
pub const ASCENDING: SortOptions = SortOptions { descending: false, nulls_first: false };
/// Greatest first, nulls last.
pub const DESCENDING: SortOptions = SortOptions { descending: true, nulls_first: false };

/// Runs merged at once, at most: each is an open file.
const MERGE_FAN_IN: usize = 128;

/// The memory and the folder for sorts. Meant for one sort at a time.
pub struct Sorter {
    runtime: Arc<RuntimeEnv>,
    config: SessionConfig,
    /// The limits, as an error names them when the disk is full or the memory too small.
    limits: String,
}

impl Sorter {
    /// Sorts within `memory_bytes`, spilling to files in `spill_dir`.
    pub fn new(memory_bytes: usize, spill_dir: &Path) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_limit(memory_bytes, 1.0)
            .with_temp_file_path(spill_dir)
            .with_max_temp_directory_size(u64::MAX)
            .with_max_spill_merge_fan_in(MERGE_FAN_IN)
            .build_arc()?;
        // Memory kept for merging batches into a run: the sort keys of narrow rows take as much as the rows.
        let config = SessionConfig::new()
            .with_spill_compression(SpillCompression::Lz4Frame)
            .with_sort_spill_reservation_bytes(memory_bytes / 3);
        let limits =
            format!("sorting in {memory_bytes} bytes of memory and {}", spill_dir.display());
        Ok(Self { runtime, config, limits })
    }

    /// The rows of `input` in the order of the columns `by`.
    pub fn sort(
        &self,
        input: SendableRecordBatchStream,
        by: &[(&str, SortOptions)],
    ) -> Result<impl Stream<Item = Result<RecordBatch>> + use<>> {
        let limits = self.limits.clone();
        let sorted = plan(input, by)?.execute(0, self.context(BATCH_ROWS))?;
        Ok(sorted.map_err(move |error| match error {
            DataFusionError::External(_) => Error::from(error),
            _ => Error::from(error).context(&limits),
        }))
    }

    fn context(&self, batch_rows: usize) -> Arc<TaskContext> {
        let config = self.config.clone().with_batch_size(batch_rows);
        let context = TaskContext::default().with_session_config(config);
        Arc::new(context.with_runtime(self.runtime.clone()))
    }
}

fn plan(input: SendableRecordBatchStream, by: &[(&str, SortOptions)]) -> Result<SortExec> {
    let schema = input.schema();
    let by = ordering(&schema, by)?;
    let once = Arc::new(Once { schema: schema.clone(), stream: Mutex::new(Some(input)) });
    let input = StreamingTableExec::try_new(schema, vec![once], None, [], false, None)?;
    Ok(SortExec::new(by, Arc::new(input)))
}

fn ordering(schema: &SchemaRef, by: &[(&str, SortOptions)]) -> Result<LexOrdering> {
    let by = by.iter().map(|(name, options)| {
        Ok(PhysicalSortExpr { expr: col(name, schema)?, options: *options })
    });
    let by = LexOrdering::new(by.collect::<Result<Vec<_>>>()?);
    by.ok_or_else(|| Error::internal("a sort by no column"))
}

/// Merges streams that are in the order of the columns `by`. Some batches of each are in memory.
pub fn merged(
    mut streams: Vec<SendableRecordBatchStream>,
    schema: &SchemaRef,
    by: &[(&str, SortOptions)],
    batch_rows: usize,
) -> Result<SendableRecordBatchStream> {
    if streams.len() < 2 {
        let none = || Box::pin(EmptyRecordBatchStream::new(schema.clone()));
        return Ok(streams.pop().unwrap_or_else(|| none()));
    }
    // Each stream holds one batch, so no limit is needed.
    let unlimited: Arc<dyn MemoryPool> = Arc::new(UnboundedMemoryPool::default());
    let merged = StreamingMergeBuilder::new()
        .with_streams(streams)
        .with_schema(schema.clone())
        .with_expressions(&ordering(schema, by)?)
        .with_metrics(BaselineMetrics::new(&ExecutionPlanMetricsSet::new(), 0))
        .with_batch_size(batch_rows)
        .with_reservation(MemoryConsumer::new("merge").register(&unlimited))
        .build()?;
    Ok(merged)
}

/// A stream as the input of a plan that is executed once.
struct Once {
    schema: SchemaRef,
    stream: Mutex<Option<SendableRecordBatchStream>>,
}

impl PartitionStream for Once {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let stream = self.stream.lock().take();
        stream.unwrap_or_else(|| {
            let again = Err(Error::internal("the input of a sort was read twice").into());
            let again = stream::once(future::ready(again));
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), again))
        })
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;

    /// 400,000 rows of 16 columns of `int64`: 51 MB.
    const ROWS: i64 = 400_000;

    fn scrambled() -> SendableRecordBatchStream {
        let fields = (0..16).map(|i| Field::new(format!("c{i}"), DataType::Int64, true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let made = schema.clone();
        let batches = (0..ROWS).step_by(BATCH_ROWS).map(move |start| {
            let end = (start + BATCH_ROWS as i64).min(ROWS);
            // 100,003 has no factor in common with the number of rows: every number comes once.
            let key = Int64Array::from_iter_values((start..end).map(|i| i * 100_003 % ROWS));
            let columns = (0..16).map(|_| Arc::new(key.clone()) as _).collect();
            Ok(RecordBatch::try_new(made.clone(), columns)?)
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(batches)))
    }

    #[tokio::test]
    async fn sorts_what_does_not_fit_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let sorter = Sorter::new(8 << 20, dir.path()).unwrap();
        let plan = plan(scrambled(), &[("c0", DESCENDING), ("c1", ASCENDING)]).unwrap();
        let mut sorted = plan.execute(0, sorter.context(BATCH_ROWS)).unwrap();
        let mut next = ROWS;
        while let Some(batch) = sorted.try_next().await.unwrap() {
            for &value in batch["c15"].as_primitive::<Int64Type>().values() {
                next -= 1;
                assert_eq!(value, next);
            }
        }
        assert_eq!(next, 0);
        let spills = plan.metrics().unwrap().spill_count().unwrap();
        assert!(spills > 4, "{spills} runs for 51 MB in 8 MiB");
    }
}
