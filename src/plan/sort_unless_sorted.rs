//! A plan node that sorts rows where they are not sorted yet. The most frequent answer, one object from one file, comes as one sorted batch
//! and is passed on as it is. Few rows are sorted without reserving memory. Many are gathered in the memory of the plan, and each value is
//! copied once, when its turn comes; when that memory is used up, DataFusion sorts them and spills.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{Result, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, LexOrdering, PhysicalExpr};
use datafusion::physical_plan::execution_plan::apply_expression_roots;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, ExecutionPlanProperties, PlanProperties,
};
use futures::{TryStreamExt, stream};

use super::gathered::Gathered;
use super::lookup::LookupExec;

/// Sorts the rows of each partition of its input.
#[derive(Debug)]
pub(crate) struct SortUnlessSorted {
    input: Arc<dyn ExecutionPlan>,
    ordering: LexOrdering,
    properties: Arc<PlanProperties>,
}

impl SortUnlessSorted {
    /// What takes the place of a sort; `None` for a sort that keeps the first rows alone.
    pub(crate) fn from_sort(sort: &SortExec) -> Option<Self> {
        if sort.fetch().is_some() {
            return None;
        }
        let input = sort.input();
        let input = match input.downcast_ref::<LookupExec>() {
            Some(lookup) => Arc::new(lookup.reversed()),
            None => input.clone(),
        };
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
        let Some(input) = children.pop() else {
            return internal_err!("SortUnlessSorted needs an input");
        };
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
    let mut gathered = Gathered::new(rows.schema(), &context);
    while let Some(batch) = rows.try_next().await? {
        if !gathered.take(&batch) {
            return gathered.spilling(batch, rows, ordering, context);
        }
    }
    gathered.sorted(&ordering, context.session_config().batch_size())
}
