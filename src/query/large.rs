//! Answers of more than a few pages. In: a plan. Out: its rows, made in memory of their own and what is to spare: beyond it they spill to
//! temporary files, and what one answer uses up is missed by no other.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::DiskManagerBuilder;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use datafusion::prelude::SessionContext;
use futures::{TryStreamExt, stream};

use super::spare_memory::OwnThenSpare;
use super::{ObjectIds, Query};
use crate::error::{Error, Kind, Result};
use crate::scan::row_bytes;

/// Memory in which rows are joined and sorted. Where upper limits stand among them, the visits of all detections are held, too, about 50
/// bytes each; whole tables are sorted, unless their files are somebody else's.
const SORT_BYTES: usize = 64 << 20;
/// Of the rows that a sort hands on at once, and reads back at once of each temporary file.
const SORTED_BATCH_BYTES: usize = 4 << 20;
/// What a sort keeps of the memory for merging: one part in so many. A merge that needs more takes it beyond the limit (`spare_memory`).
const MERGE_PART: usize = 4;
/// Temporary files of one answer.
const SPILL_BYTES: u64 = 4 << 30;

/// What one answer has.
#[derive(Clone, Copy)]
struct Room {
    memory_bytes: usize,
    spill_bytes: u64,
}

/// Executes a plan when its rows are first asked for, on the threads of who asks.
pub fn rows(
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
            tracing::warn!(%error, "a large answer has no room");
            too_large(room)
        }
        false => error,
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
}

fn batch_rows(plan: &Arc<dyn ExecutionPlan>) -> usize {
    (SORTED_BATCH_BYTES / row_bytes(&plan.schema())).clamp(128, 8192)
}

/// Nobody else uses the answer's memory: to try again would not help.
fn too_large(room: Room) -> DataFusionError {
    let (memory_mib, spill_mib) = (room.memory_bytes >> 20, room.spill_bytes >> 20);
    let text = format!(
        "the answer cannot be sorted in {memory_mib} MiB of memory and {spill_mib} MiB of temporary files; ask for fewer objects or columns at once"
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
