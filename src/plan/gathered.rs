//! Rows gathered in memory in order to be sorted, as long as there is memory for them. When there is none left, DataFusion's sort takes
//! them and the rows that follow; it spills to temporary files.

use std::fmt;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{
    LexicographicalComparator, SortColumn, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::SchemaRef;
use datafusion::common::{Result, internal_err};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{LexOrdering, PhysicalSortExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{StreamExt, TryStreamExt, stream};
use parking_lot::Mutex;

use crate::warehouse::joined;

/// Bytes of rows that are sorted without reserving memory.
const FEW_BYTES: usize = 4 << 20;
/// Rows that are sorted at once. Nothing can interrupt that, and it takes less than a second.
const MOST_ROWS: usize = 1 << 20;
/// Bytes that a row takes while rows are sorted: its number, and the values by which it is sorted.
const ORDER_BYTES: usize = 32;

/// Rows to be sorted.
pub(crate) struct Gathered {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
    reservation: MemoryReservation,
}

impl Gathered {
    /// No rows yet.
    pub(crate) fn new(schema: SchemaRef, context: &TaskContext) -> Self {
        let reservation =
            MemoryConsumer::new("Gathered").with_can_spill(true).register(context.memory_pool());
        Self { schema, batches: Vec::new(), rows: 0, bytes: 0, reservation }
    }

    /// Takes a batch if there is memory for it. Returns whether there was.
    pub(crate) fn take(&mut self, batch: &RecordBatch) -> bool {
        let bytes = self.bytes + batch.get_array_memory_size() + batch.num_rows() * ORDER_BYTES;
        let rows = self.rows + batch.num_rows();
        let few = bytes <= FEW_BYTES;
        if rows > MOST_ROWS || (!few && self.reservation.try_resize(bytes).is_err()) {
            return false;
        }
        (self.rows, self.bytes) = (rows, bytes);
        self.batches.push(batch.clone());
        true
    }

    /// The rows in order.
    pub(crate) fn sorted(
        self,
        ordering: &LexOrdering,
        batch_rows: usize,
    ) -> Result<SendableRecordBatchStream> {
        let Self { schema, batches, rows, reservation, .. } = self;
        let all = joined(&schema, batches)?;
        let keys = keys(&all, ordering)?;
        if rows <= batch_rows && is_sorted(&keys)? {
            let all = stream::iter([Ok(all)]);
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, all)));
        }
        let order = lexsort_to_indices(&keys, None)?;
        let starts = stream::iter((0..rows).step_by(batch_rows));
        let sorted = starts.map(move |start| {
            let _held = &reservation;
            let next = order.slice(start, batch_rows.min(rows - start));
            Ok(take_record_batch(&all, &next)?)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
    }

    /// The rows and those that follow, in order, by DataFusion's sort, which spills.
    pub(crate) fn spilling(
        self,
        next: RecordBatch,
        rest: SendableRecordBatchStream,
        ordering: LexOrdering,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let Self { schema, batches, reservation, .. } = self;
        let to_begin = context.session_config().options().execution.sort_spill_reservation_bytes;
        reservation.shrink(to_begin.min(reservation.size()));
        let given_up = batches.into_iter().map(move |batch| {
            let bytes = batch.get_array_memory_size() + batch.num_rows() * ORDER_BYTES;
            reservation.shrink(bytes.min(reservation.size()));
            Ok(batch)
        });
        let all = stream::iter(given_up.chain([Ok(next)])).chain(rest);
        let all = all.map_ok(|batch| stream::iter(pieces(batch))).try_flatten();
        let all = RecordBatchStreamAdapter::new(schema.clone(), all);
        let all = Begun { schema: schema.clone(), rows: Mutex::new(Some(Box::pin(all))) };
        let all = StreamingTableExec::try_new(schema, vec![Arc::new(all)], None, [], false, None)?;
        SortExec::new(ordering, Arc::new(all)).execute(0, context)
    }
}

/// The values by which rows are sorted.
fn keys(rows: &RecordBatch, ordering: &LexOrdering) -> Result<Vec<SortColumn>> {
    let column = |key: &PhysicalSortExpr| {
        let values = key.expr.evaluate(rows)?.into_array(rows.num_rows())?;
        Ok(SortColumn { values, options: Some(key.options) })
    };
    ordering.iter().map(column).collect()
}

fn is_sorted(keys: &[SortColumn]) -> Result<bool> {
    let rows = keys.first().map_or(0, |key| key.values.len());
    let order = LexicographicalComparator::try_new(keys)?;
    Ok((1..rows).all(|row| order.compare(row - 1, row).is_le()))
}

/// A batch in pieces small enough for a sort to reserve memory for. They are copies, since a slice would count as the whole batch.
fn pieces(batch: RecordBatch) -> impl Iterator<Item = Result<RecordBatch>> {
    let (rows, bytes) = (batch.num_rows(), batch.get_array_memory_size());
    let rows_each = rows.div_ceil(bytes.div_ceil(FEW_BYTES).max(1)).max(1);
    (0..rows).step_by(rows_each).map(move |start| {
        if rows_each == rows {
            return Ok(batch.clone());
        }
        let end = rows.min(start + rows_each) as u64;
        Ok(take_record_batch(&batch, &UInt64Array::from_iter_values(start as u64..end))?)
    })
}

/// A stream that has begun, as the input of a plan that is executed once.
struct Begun {
    schema: SchemaRef,
    rows: Mutex<Option<SendableRecordBatchStream>>,
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Begun")
    }
}

impl PartitionStream for Begun {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = self.rows.lock().take();
        rows.unwrap_or_else(|| {
            let again = stream::iter([internal_err!("the input of a sort is read twice")]);
            Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), again))
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::compute::{SortOptions, concat_batches};
    use arrow::datatypes::Int64Type;
    use datafusion::execution::memory_pool::{GreedyMemoryPool, MemoryPool};
    use datafusion::execution::runtime_env::RuntimeEnvBuilder;
    use datafusion::physical_expr::expressions::col;

    use super::*;

    const BATCHES: i64 = 24;
    const ROWS: i64 = 50_000;

    /// Values without an order, each once.
    fn batch(i: i64) -> RecordBatch {
        let values = (i * ROWS..(i + 1) * ROWS).map(|n| (n * 7_919) % (BATCHES * ROWS));
        let values = Int64Array::from_iter_values(values);
        let texts = StringArray::from_iter_values(values.values().iter().map(i64::to_string));
        let columns: [(_, ArrayRef); 2] = [("value", Arc::new(values)), ("text", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).unwrap()
    }

    /// The values of the first batches as they come out, and whether all were gathered.
    async fn sorted(batches: i64, memory_bytes: usize) -> (Vec<i64>, bool) {
        let pool = Arc::new(GreedyMemoryPool::new(memory_bytes));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(pool.clone()).build_arc().unwrap();
        let context = Arc::new(TaskContext::default().with_runtime(runtime));
        let schema = batch(0).schema();
        let options = SortOptions { descending: true, nulls_first: false };
        let key = PhysicalSortExpr::new(col("value", &schema).unwrap(), options);
        let ordering = LexOrdering::new([key]).unwrap();
        let mut gathered = Gathered::new(schema.clone(), &context);
        let refused = (0..batches).find(|&i| !gathered.take(&batch(i)));
        let rows = match refused {
            None => gathered.sorted(&ordering, 8192).unwrap(),
            Some(i) => {
                let rest = stream::iter((i + 1..batches).map(|i| Ok(batch(i))));
                let rest = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rest));
                gathered.spilling(batch(i), rest, ordering, context).unwrap()
            }
        };
        let rows: Vec<_> = rows.try_collect().await.unwrap();
        assert!(rows.iter().all(|rows| rows.num_rows() <= 8192), "in batches as large as asked");
        assert_eq!(pool.reserved(), 0, "memory goes back");
        let rows = concat_batches(&schema, &rows).unwrap();
        let values = rows.column(0).as_primitive::<Int64Type>().values();
        let texts = rows.column(1).as_string::<i32>().iter().flatten();
        assert!(texts.eq(values.iter().map(i64::to_string)), "values stay in their rows");
        (values.to_vec(), refused.is_none())
    }

    fn expected(batches: i64) -> Vec<i64> {
        let values = (0..batches)
            .flat_map(|i| batch(i).column(0).as_primitive::<Int64Type>().values().to_vec());
        let mut values: Vec<_> = values.collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values
    }

    #[tokio::test]
    async fn rows_are_sorted_whether_there_is_memory_for_them_or_not() {
        for (batches, memory_mib, in_memory) in
            [(0, 1, true), (1, 1, true), (4, 64, true), (14, 20, false), (BATCHES, 1 << 10, false)]
        {
            let (values, gathered) = sorted(batches, memory_mib << 20).await;
            assert!(values == expected(batches), "{batches} batches");
            assert_eq!(gathered, in_memory, "{batches} batches in {memory_mib} MiB");
        }
    }
}
