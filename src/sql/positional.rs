//! A rule that refuses joins by position. DataFusion would compare each row of one side with each of the other, which for whole tables takes
//! years. Few rows may be compared so: those of lookups, and constants.

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::datasource::physical_plan::ParquetSource;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::NestedLoopJoinExec;

use crate::astronomy::{IN_CONE, SEPARATION};
use crate::error::Error;

/// The rule.
#[derive(Debug)]
pub(crate) struct NoPositionalJoins;

impl PhysicalOptimizerRule for NoPositionalJoins {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        plan.apply(|node| {
            let join = node.downcast_ref::<NestedLoopJoinExec>();
            match join.and_then(NestedLoopJoinExec::filter) {
                Some(filter) if is_of_places(filter.expression())? && reads_table(node)? => {
                    Err(refused().into())
                }
                _ => Ok(TreeNodeRecursion::Continue),
            }
        })?;
        Ok(plan)
    }

    fn name(&self) -> &str {
        "no_positional_joins"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn refused() -> Error {
    Error::argument(format!(
        "a join by position compares every row with every row: give the centre of {IN_CONE} as constants, or send many places to \
         /api/v1/crossmatch"
    ))
}

fn is_of_places(filter: &Arc<dyn PhysicalExpr>) -> Result<bool> {
    filter.exists(|part| {
        let function = part.downcast_ref::<ScalarFunctionExpr>();
        Ok(function.is_some_and(|function| [IN_CONE, SEPARATION].contains(&function.name())))
    })
}

/// Whether rows of a whole table come in; constants are no table.
fn reads_table(join: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    join.exists(|node| {
        let source = node.downcast_ref::<DataSourceExec>();
        Ok(source.is_some_and(|source| source.downcast_to_file_source::<ParquetSource>().is_some()))
    })
}
