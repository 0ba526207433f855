//! The order of a lookup's answer. In: rows of a lookup. Out: the same rows, sorted. What most ask for, one object from one file,
//! comes in one batch and in order: it is passed on as it is, where DataFusion's sort would copy every column of it. A few rows are
//! sorted on the spot, and ask nobody for memory; many are sorted by DataFusion, within the memory of the plan.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, UInt64Array};
use arrow::compute::{LexicographicalComparator, SortColumn, concat_batches, take_record_batch};
use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::apply_expression_roots;
use datafusion::physical_plan::sorts::sort::{SortExec, sort_batch};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, EmptyRecordBatchStream, ExecutionPlan, ExecutionPlanProperties,
    PlanProperties,
};
use futures::{StreamExt, TryStreamExt, stream};

use super::lookup::LookupExec;

/// Rows that are sorted on the spot.
const FEW_BYTES: usize = 4 << 20;

/// Sorts the rows of its input, which is of one partition.
#[derive(Debug)]
pub struct SortUnlessSorted {
    input: Arc<dyn ExecutionPlan>,
    ordering: LexOrdering,
    properties: Arc<PlanProperties>,
}

impl SortUnlessSorted {
    /// In place of a sort of a lookup's rows, all of them; `None` for another sort.
    pub fn of(sort: &SortExec) -> Option<Self> {
        let lookup =
            sort.input().downcast_ref::<LookupExec>().filter(|_| sort.fetch().is_none())?;
        let input: Arc<dyn ExecutionPlan> = Arc::new(lookup.reversed());
        let ordering = sort.expr().clone();
        let equivalence =
            EquivalenceProperties::new_with_orderings(input.schema(), [ordering.clone()]);
        let properties = PlanProperties::new(
            equivalence,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Some(Self { input, ordering, properties: Arc::new(properties) })
    }
}

impl DisplayAs for SortUnlessSorted {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SortUnlessSorted: [{}]", self.ordering)
    }
}

impl ExecutionPlan for SortUnlessSorted {
    fn name(&self) -> &str {
        "SortUnlessSorted"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        f: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        apply_expression_roots(self.ordering.iter().map(|key| &key.expr), f)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else { return internal_err!("no input") };
        let (ordering, properties) = (self.ordering.clone(), self.properties.clone());
        Ok(Arc::new(Self { input, ordering, properties }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let (schema, ordering) = (self.input.schema(), self.ordering.clone());
        let rows = self.input.execute(partition, context.clone())?;
        let sorted = stream::once(sort(rows, ordering, context)).try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)))
    }
}

async fn sort(
    mut rows: SendableRecordBatchStream,
    ordering: LexOrdering,
    context: Arc<TaskContext>,
) -> Result<SendableRecordBatchStream> {
    let schema = rows.schema();
    let (mut begun, mut bytes) = (Vec::new(), 0);
    while bytes <= FEW_BYTES || begun.len() < 2 {
        let Some(batch) = rows.try_next().await? else {
            let sorted = (!begun.is_empty()).then(|| few(&schema, begun, &ordering));
            let sorted = stream::iter(sorted);
            return Ok(Box::pin(RecordBatchStreamAdapter::new(schema, sorted)));
        };
        bytes += batch.get_array_memory_size();
        begun.push(batch);
    }
    let all = stream::iter(begun.into_iter().map(Ok)).chain(rows);
    let all = all.map_ok(|batch| stream::iter(pieces(batch))).try_flatten();
    let all = RecordBatchStreamAdapter::new(schema.clone(), all);
    let all = Begun { schema: schema.clone(), rows: Mutex::new(Some(Box::pin(all))) };
    let all = StreamingTableExec::try_new(schema, vec![Arc::new(all)], None, [], false, None)?;
    SortExec::new(ordering, Arc::new(all)).execute(0, context)
}

/// A batch in pieces that a sort can make room for. A slice would count as the whole batch.
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

/// Sorts a few rows.
fn few(schema: &SchemaRef, rows: Vec<RecordBatch>, ordering: &LexOrdering) -> Result<RecordBatch> {
    let rows = match <[RecordBatch; 1]>::try_from(rows) {
        Ok([rows]) => rows,
        Err(rows) => concat_batches(schema, &rows)?,
    };
    if is_sorted(&rows, ordering)? { Ok(rows) } else { sort_batch(&rows, ordering, None) }
}

fn is_sorted(rows: &RecordBatch, ordering: &LexOrdering) -> Result<bool> {
    let column = |key: &datafusion::physical_expr::PhysicalSortExpr| {
        let values = key.expr.evaluate(rows)?.into_array(rows.num_rows())?;
        Ok(SortColumn { values, options: Some(key.options) })
    };
    let columns = ordering.iter().map(column).collect::<Result<Vec<_>>>()?;
    let order = LexicographicalComparator::try_new(&columns)?;
    Ok((1..rows.num_rows()).all(|row| order.compare(row - 1, row).is_le()))
}

/// Rows that are on their way already, as the input of a plan that is executed once.
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
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).take();
        rows.unwrap_or_else(|| Box::pin(EmptyRecordBatchStream::new(self.schema.clone())))
    }
}
