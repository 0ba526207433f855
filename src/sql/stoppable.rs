//! Statements that can be stopped. In: a physical plan. Out: the same, with a pause wherever it could go on for long without one:
//! a task is only stopped, and its time only looked at, when it pauses.
//!
//! DataFusion pauses where rows are read. A join makes many rows out of few: it pauses for each batch it gives (`CooperativeExec`),
//! and a nested loop, which may give none for long, takes fewer rows at a time.

use std::fmt;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::coop::{CooperativeExec, make_cooperative};
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::NestedLoopJoinExec;
use datafusion::physical_plan::metrics::{ExecutionPlanMetricsSet, SplitMetrics};
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};
use datafusion::physical_plan::stream::BatchSplitStream;
use datafusion::physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties};

/// Pairs of rows that a nested loop compares between two pauses, some tenths of a second.
const PAIRS: usize = 20_000_000;
/// Rows at a time of a loop over an unknown number of rows.
const ROWS_OF_UNKNOWN: usize = 4;

#[derive(Debug)]
pub struct Stoppable;

impl PhysicalOptimizerRule for Stoppable {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            if plan.children().len() < 2 && plan.name() != "UnnestExec" {
                return Ok(Transformed::no(plan));
            }
            let plan = match plan.downcast_ref::<NestedLoopJoinExec>() {
                Some(join) => in_small_steps(&plan, join)?,
                None => plan,
            };
            Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan))))
        })
        .data()
    }

    fn name(&self) -> &str {
        "stoppable"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// A nested loop goes through its left side for each batch of its right one.
fn in_small_steps(
    plan: &Arc<dyn ExecutionPlan>,
    join: &NestedLoopJoinExec,
) -> Result<Arc<dyn ExecutionPlan>> {
    let rows = match StatisticsContext::new()
        .compute(join.left().as_ref(), &StatisticsArgs::new())?
        .num_rows
    {
        Precision::Exact(rows) | Precision::Inexact(rows) => (PAIRS / rows.max(1)).max(1),
        Precision::Absent => ROWS_OF_UNKNOWN,
    };
    let right: Arc<dyn ExecutionPlan> = Arc::new(Steps::new(join.right().clone(), rows));
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    plan.clone().replace_children(vec![join.left().clone(), right], options)
}

/// Passes batches on in steps of at most so many rows.
#[derive(Debug)]
struct Steps {
    input: Arc<dyn ExecutionPlan>,
    rows: usize,
    properties: Arc<PlanProperties>,
    metrics: ExecutionPlanMetricsSet,
}

impl Steps {
    fn new(input: Arc<dyn ExecutionPlan>, rows: usize) -> Self {
        let (properties, metrics) = (input.properties().clone(), ExecutionPlanMetricsSet::new());
        Self { input, rows, properties, metrics }
    }
}

impl DisplayAs for Steps {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Steps: rows={}", self.rows)
    }
}

impl ExecutionPlan for Steps {
    fn name(&self) -> &str {
        "Steps"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::new(children.swap_remove(0), self.rows)))
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let input = self.input.execute(partition, context)?;
        let metrics = SplitMetrics::new(&self.metrics, partition);
        let steps = BatchSplitStream::new(input, self.rows, metrics);
        Ok(make_cooperative(Box::pin(steps)))
    }
}
