//! An optimizer rule that makes statements stoppable: it puts a pause wherever a plan could go on for long without one. Only when a task
//! pauses can it be stopped, is its time limit looked at, and do other tasks get its thread.
//!
//! DataFusion pauses where rows are read. A join makes many rows out of few: it pauses between the batches that it gives. One that may give
//! none for long takes its rows in [`Steps`], and so does what makes much out of each row.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{JoinType, Result};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::{HashJoinExec, NestedLoopJoinExec};

use super::growing::is_growing;
use super::steps::Steps;

/// Rows of a step of a join, as many as a batch has at most.
const MOST_ROWS: usize = 1 << 16;
/// Rows of a step of a node that makes much out of each row, so that its batches are no larger than others.
const ROWS_THAT_GROW: usize = 64;

/// The rule.
#[derive(Debug)]
pub(crate) struct Stoppable;

impl PhysicalOptimizerRule for Stoppable {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let makes_many = plan.children().len() > 1 || plan.name() == "UnnestExec";
            let plan = if may_give_nothing(&plan) {
                let probed = plan.children().len() - 1;
                in_steps(plan, |child| child == probed, MOST_ROWS)?
            } else if grows(&plan)? {
                in_steps(plan, |_| true, ROWS_THAT_GROW)?
            } else if !makes_many {
                return Ok(Transformed::no(plan));
            } else {
                plan
            };
            Ok(Transformed::yes(Arc::new(Steps::without_limit(plan))))
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

/// Whether a join may compare many pairs of rows and give none. Such a join takes the rows of its right side batch by batch.
fn may_give_nothing(plan: &Arc<dyn ExecutionPlan>) -> bool {
    let gives_pairs = |join_type| {
        use JoinType::{Full, Inner, Left, Right};
        matches!(join_type, Inner | Left | Right | Full)
    };
    match plan.downcast_ref::<HashJoinExec>() {
        Some(join) => join.filter().is_some() || !gives_pairs(*join.join_type()),
        None => plan.downcast_ref::<NestedLoopJoinExec>().is_some(),
    }
}

/// Whether one of the expressions of a plan makes much out of little.
fn grows(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = plan.name() == "UnnestExec";
    plan.apply_expressions(&mut |expr: &Arc<dyn PhysicalExpr>| {
        expr.apply(|part| {
            let function = part.downcast_ref::<ScalarFunctionExpr>();
            found |= function.is_some_and(|function| is_growing(function.fun().name()));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// The same plan, which takes the rows of these inputs in steps.
fn in_steps(
    plan: Arc<dyn ExecutionPlan>,
    stepped: impl Fn(usize) -> bool,
    most_rows: usize,
) -> Result<Arc<dyn ExecutionPlan>> {
    let children =
        plan.children().into_iter().cloned().enumerate().map(|(i, child)| match stepped(i) {
            true => Arc::new(Steps::new(child, most_rows)) as Arc<dyn ExecutionPlan>,
            false => child,
        });
    let children = children.collect();
    plan.replace_children(children, ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute))
}
