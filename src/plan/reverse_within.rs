//! A plan node that reverses the rows of each object. Its input is sorted by object and then oldest first; its output has the same objects
//! in the same order, the newest row of each first. It holds the rows of one object at a time.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::compute::{concat_batches, partition, take_record_batch};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::apply_expression_roots;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::{StreamExt, stream};

/// Gives its input in the order of `ordering`. The input is sorted by the first `keys` of it, and by the
/// others in reverse.
#[derive(Debug)]
pub(crate) struct ReverseWithin {
    input: Arc<dyn ExecutionPlan>,
    ordering: LexOrdering,
    keys: usize,
    properties: Arc<PlanProperties>,
}

impl ReverseWithin {
    /// Reverses runs of rows that have the same first `keys` of the ordering, which is that of the output.
    pub(crate) fn new(input: Arc<dyn ExecutionPlan>, ordering: LexOrdering, keys: usize) -> Self {
        let equivalence =
            EquivalenceProperties::new_with_orderings(input.schema(), [ordering.clone()]);
        let properties = PlanProperties::new(
            equivalence,
            input.output_partitioning().clone(),
            input.pipeline_behavior(),
            input.boundedness(),
        );
        Self { input, ordering, keys, properties: Arc::new(properties) }
    }
}

impl DisplayAs for ReverseWithin {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReverseWithin: keys={}, ordering=[{}]", self.keys, self.ordering)
    }
}

impl ExecutionPlan for ReverseWithin {
    fn name(&self) -> &str {
        "ReverseWithin"
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
        let Some(input) = children.pop() else {
            return internal_err!("ReverseWithin needs an input");
        };
        Ok(Arc::new(Self::new(input, self.ordering.clone(), self.keys)))
    }

    fn with_new_children_and_same_properties(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(input) = children.pop() else {
            return internal_err!("ReverseWithin needs an input");
        };
        let (ordering, properties) = (self.ordering.clone(), self.properties.clone());
        Ok(Arc::new(Self { input, ordering, keys: self.keys, properties }))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let schema = input.schema();
        let keys = self.ordering.iter().take(self.keys).map(|key| key.expr.clone()).collect();
        let mut runs = Runs { keys, held: RecordBatch::new_empty(schema.clone()) };
        let batches = input.map(Some).chain(stream::iter([None])).map(move |batch| match batch {
            Some(batch) => runs.take(batch?),
            None => runs.end(),
        });
        let batches = batches.filter(|batch| {
            let empty = batch.as_ref().is_ok_and(|batch| batch.num_rows() == 0);
            std::future::ready(!empty)
        });
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }
}

/// The rows of an execution.
struct Runs {
    keys: Vec<Arc<dyn PhysicalExpr>>,
    /// The rows of a run that may go on in the next batch.
    held: RecordBatch,
}

impl Runs {
    /// The runs that end in this batch, reversed.
    fn take(&mut self, batch: RecordBatch) -> Result<RecordBatch> {
        let rows = match self.held.num_rows() {
            0 => batch,
            _ => concat_batches(&batch.schema(), [&self.held, &batch])?,
        };
        let runs = partition(&self.values(&rows)?)?.ranges();
        let Some((last, over)) = runs.split_last() else { return Ok(rows) };
        self.held = rows.slice(last.start, last.len());
        turned(&rows, over)
    }

    /// The run that was held, reversed.
    fn end(&mut self) -> Result<RecordBatch> {
        turned(&self.held, std::slice::from_ref(&(0..self.held.num_rows())))
    }

    fn values(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let rows = batch.num_rows();
        self.keys.iter().map(|key| key.evaluate(batch)?.into_array(rows)).collect()
    }
}

fn turned(rows: &RecordBatch, runs: &[Range<usize>]) -> Result<RecordBatch> {
    let order = runs.iter().flat_map(|run| run.clone().rev());
    let order = UInt64Array::from_iter_values(order.map(|row| row as u64));
    Ok(take_record_batch(rows, &order)?)
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::Int64Type;
    use datafusion::physical_expr::expressions::col;

    use super::*;

    #[test]
    fn runs_are_turned_round_however_batches_cut_them() {
        let objects = [1, 1, 1, 2, 3, 3, 3, 3, 3, 4, 4, 5];
        let expected = [2, 1, 0, 3, 8, 7, 6, 5, 4, 10, 9, 11];
        let keys = Int64Array::from(objects.to_vec());
        let numbers = Int64Array::from_iter_values(0..objects.len() as i64);
        let columns: [(&str, ArrayRef); 2] = [("k", Arc::new(keys)), ("n", Arc::new(numbers))];
        let all = RecordBatch::try_from_iter(columns).unwrap();
        for size in 1..=objects.len() {
            let schema = all.schema();
            let key = col("k", &schema).unwrap();
            let mut runs = Runs { keys: vec![key], held: RecordBatch::new_empty(schema.clone()) };
            let starts = (0..objects.len()).step_by(size);
            let mut turned: Vec<_> = starts
                .map(|start| all.slice(start, size.min(objects.len() - start)))
                .map(|batch| runs.take(batch).unwrap())
                .collect();
            assert_eq!(runs.take(all.slice(0, 0)).unwrap().num_rows(), 0);
            turned.push(runs.end().unwrap());
            let turned = arrow::compute::concat_batches(&schema, &turned).unwrap();
            let numbers = turned.column(1).as_primitive::<Int64Type>().values();
            assert_eq!(numbers.as_ref(), expected, "batches of {size}");
        }
    }
}
