//! Sorting rows that come in the order of their objects. In: a physical plan. Out: the same, in which a sort whose first keys its
//! input is sorted by already sorts object by object, in memory for one batch, instead of all rows at once.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

/// DataFusion does this only for inputs without an end.
#[derive(Debug)]
pub struct StreamingSort;

impl PhysicalOptimizerRule for StreamingSort {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| match plan.downcast_ref::<SortExec>() {
            Some(sort) => match sorted_prefix(sort)? {
                0 => Ok(Transformed::no(plan)),
                prefix => Ok(Transformed::yes(streaming(sort, prefix))),
            },
            None => Ok(Transformed::no(plan)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "streaming_sort"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// How many of the sort's first keys its input is sorted by.
fn sorted_prefix(sort: &SortExec) -> Result<usize> {
    let (keys, input) = (sort.expr(), sort.input().equivalence_properties());
    for length in 0..keys.len() {
        if !input.ordering_satisfy(keys[..=length].to_vec())? {
            return Ok(length);
        }
    }
    Ok(keys.len())
}

fn streaming(sort: &SortExec, prefix: usize) -> Arc<dyn ExecutionPlan> {
    let streaming = PartialSortExec::new(sort.expr().clone(), sort.input().clone(), prefix);
    let streaming = streaming.with_preserve_partitioning(sort.preserve_partitioning());
    Arc::new(streaming.with_fetch(sort.fetch()))
}
