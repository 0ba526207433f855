//! An optimizer rule that replaces sorts of all rows. Where the input is sorted by the first keys of a sort, it sorts object by object, in
//! memory for one batch; where the remaining keys are just the other way round, it reverses the rows of each object ([`ReverseWithin`]).
//! All other sorts become [`SortUnlessSorted`].

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::sorts::partial_sort::PartialSortExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};

use super::reverse_within::ReverseWithin;
use super::sort_unless_sorted::SortUnlessSorted;

/// The rule. DataFusion's own does this only for inputs without an end.
#[derive(Debug)]
pub(crate) struct StreamingSort;

impl PhysicalOptimizerRule for StreamingSort {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.transform_up(|plan| {
            let sort = plan.downcast_ref::<SortExec>();
            let streaming = sort.map(streaming).transpose()?.flatten();
            Ok(streaming.map_or_else(|| Transformed::no(plan.clone()), Transformed::yes))
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

/// The same order without a sort of all rows at once, where the input's own order allows it.
fn streaming(sort: &SortExec) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let prefix = sorted_prefix(sort)?;
    if prefix == 0 {
        let unless = SortUnlessSorted::from_sort(sort);
        return Ok(unless.map(|sort| Arc::new(sort) as Arc<dyn ExecutionPlan>));
    }
    let (keys, input) = (sort.expr().clone(), sort.input().clone());
    let per_partition =
        sort.preserve_partitioning() || input.output_partitioning().partition_count() == 1;
    if sort.fetch().is_none() && per_partition && is_reversed_after(sort, prefix)? {
        return Ok(Some(Arc::new(ReverseWithin::new(input, keys, prefix))));
    }
    let partial = PartialSortExec::new(keys, input, prefix);
    let partial = partial.with_preserve_partitioning(sort.preserve_partitioning());
    Ok(Some(Arc::new(partial.with_fetch(sort.fetch()))))
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

/// Whether the input is sorted by the keys after `prefix` the other way round.
fn is_reversed_after(sort: &SortExec, prefix: usize) -> Result<bool> {
    let keys = sort.expr().iter().enumerate();
    let reversed = keys.map(|(i, key)| if i < prefix { key.clone() } else { key.reverse() });
    sort.input().equivalence_properties().ordering_satisfy(reversed.collect::<Vec<_>>())
}
