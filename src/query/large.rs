//! Answers of more than a few pages: how they are told from small ones before any row is read, and the memory in which they are made. Each
//! has some of its own and what is to spare. Beyond it they spill to temporary files, so that no answer takes the memory of another.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::{TryStreamExt, stream};

use super::spare_memory::OwnThenSpare;
use super::{ObjectIds, Query};
use crate::error::{Error, Kind, Result};
use crate::plan::LookupExec;
use crate::scan::row_bytes;

/// Most values in the pages of a small lookup. An object has a seventh of them with all columns, and with four columns one in 150. To
/// decode them takes some milliseconds, and 4 MiB where every row of the pages is wanted.
const SMALL_VALUES: usize = 512 << 10;
/// An answer's own memory, in which its rows are joined and sorted. With upper limits, the visits of all detections are held, about 50
/// bytes each. Whole tables are sorted only if their files, written by others, are not.
const SORT_BYTES: usize = 64 << 20;
/// Size of the batches that a sort gives, and of those that it reads back from each temporary file.
const SORTED_BATCH_BYTES: usize = 4 << 20;
/// A sort keeps one part in so many of the memory for merging. A merge that needs more takes it beyond the limit (`spare_memory`).
const MERGE_PART: usize = 4;
/// Bytes of the temporary files of one answer.
const SPILL_BYTES: u64 = 4 << 30;

/// The limits of one answer.
#[derive(Clone, Copy)]
struct Room {
    memory_bytes: usize,
    spill_bytes: u64,
}

/// Whether a plan whose values are bound reads more than a small lookup does, by the key index. A scan of whole files is always large.
pub(crate) async fn is_large(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let (mut plans, mut most) = (vec![plan], SMALL_VALUES);
    while let Some(plan) = plans.pop() {
        if let Some(lookup) = plan.downcast_ref::<LookupExec>() {
            let Some((table, wanted)) = lookup.lookup() else { return Ok(true) };
            let columns = plan.schema().fields().len().max(1);
            let rows = table.rows_of_pages(wanted, most / columns).await?;
            let Some(rows) = rows else { return Ok(true) };
            most -= rows * columns;
        } else if plan.children().is_empty() && !plan.is::<EmptyExec>() {
            return Ok(true);
        }
        plans.extend(plan.children());
    }
    Ok(false)
}

/// Executes a plan once its rows are asked for, on the thread that asks.
pub(crate) fn rows(
    plan: Arc<dyn ExecutionPlan>,
    session: &SessionContext,
    spare: Arc<GreedyMemoryPool>,
    query: &Query,
) -> Result<SendableRecordBatchStream> {
    let batch_rows = match query.ids {
        ObjectIds::Within(_) => session.copied_config().batch_size(),
        ObjectIds::Listed(_) => batch_rows(&plan),
    };
    let room = Room { memory_bytes: SORT_BYTES, spill_bytes: SPILL_BYTES };
    rows_within(room, spare, plan, session, batch_rows)
}

fn rows_within(
    room: Room,
    spare: Arc<GreedyMemoryPool>,
    plan: Arc<dyn ExecutionPlan>,
    session: &SessionContext,
    batch_rows: usize,
) -> Result<SendableRecordBatchStream> {
    let spills = DiskManagerBuilder::default().with_max_temp_directory_size(room.spill_bytes);
    let runtime = RuntimeEnvBuilder::from_runtime_env(&session.runtime_env())
        .with_memory_pool(Arc::new(OwnThenSpare::new(room.memory_bytes, spare)))
        .with_disk_manager_builder(spills)
        .build_arc()?;
    let merge_bytes = room.memory_bytes / MERGE_PART;
    let config = session.copied_config().with_batch_size(batch_rows);
    let context = TaskContext::from(session)
        .with_runtime(runtime)
        .with_session_config(config.with_sort_spill_reservation_bytes(merge_bytes));
    let (schema, context) = (plan.schema(), Arc::new(context));
    let rows = stream::once(async move { execute_stream(plan, context) }).try_flatten();
    let rows = rows.map_err(move |error| match Error::is_exhausted(&error) {
        true => {
            tracing::warn!(%error, "a large answer does not fit its memory and temporary files");
            too_large(room)
        }
        false => error,
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

fn batch_rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
    (SORTED_BATCH_BYTES / row_bytes(&plan.schema())).clamp(128, 8192)
}

/// The error of an answer that does not fit. No other answer uses its memory, so to try again would not help.
fn too_large(room: Room) -> DataFusionError {
    let (memory_mib, spill_mib) = (room.memory_bytes >> 20, room.spill_bytes >> 20);
    let text = format!(
        "the answer cannot be sorted in {memory_mib} MiB of memory and {spill_mib} MiB of temporary files; ask for fewer objects or columns at \
         once (a larger --memory-mib leaves an answer more memory to spare)"
    );
    Error::new(Kind::TooLarge, text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sorted(memory_mib: usize, spill_mib: u64) -> Result<usize> {
        let session = SessionContext::new();
        let sql = "SELECT value FROM generate_series(1, 2000000) ORDER BY -value";
        let plan = session.sql(sql).await?.create_physical_plan().await?;
        let room = Room { memory_bytes: memory_mib << 20, spill_bytes: spill_mib << 20 };
        let spare = Arc::new(GreedyMemoryPool::new(0));
        let rows = rows_within(room, spare, plan, &session, 8192)?;
        let count = |sum, rows: arrow::array::RecordBatch| async move { Ok(sum + rows.num_rows()) };
        Ok(rows.try_fold(0, count).await?)
    }

    #[tokio::test]
    async fn an_answer_over_its_memory_or_its_temporary_files_is_too_large() {
        assert_eq!(sorted(16, 100).await.unwrap(), 2_000_000);
        for (memory_mib, spill_mib) in [(16, 1), (0, 100)] {
            let error = sorted(memory_mib, spill_mib).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TooLarge, "{error}");
            let said = format!("{memory_mib} MiB of memory and {spill_mib} MiB of temporary files");
            assert!(error.to_string().contains(&said), "{error}");
        }
    }
}
