//! A bound on CASE within CASE. In: a plan that is being optimized. Out: the same plan, or the error that names the limit.
//!
//! DataFusion writes a predicate out where it looks for files and row groups to leave out, and the text of a CASE has all that is in it
//! twice: with each CASE around it, a predicate's is twice as long. COALESCE, NULLIF and the like are CASEs, too, once they are optimized.

use datafusion::common::Result;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::bounds::too_large;

const MOST_NESTED: usize = 8;

/// A rule that changes nothing, to come after all others.
#[derive(Debug)]
pub struct NestedCases;

impl OptimizerRule for NestedCases {
    fn name(&self) -> &str {
        "nested_cases"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        plan.apply_with_subqueries(|step| {
            step.apply_expressions(|expr| match nested(expr)? {
                0..=MOST_NESTED => Ok(TreeNodeRecursion::Continue),
                many => {
                    let of = "CASE, COALESCE or NULLIF within each other";
                    Err(too_large("the plan", many, of, MOST_NESTED).into())
                }
            })
        })?;
        Ok(Transformed::no(plan))
    }
}

/// How many are within each other.
fn nested(expr: &Expr) -> Result<usize> {
    let mut within = 0;
    expr.apply_children(|child| {
        within = nested(child)?.max(within);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(within + usize::from(matches!(expr, Expr::Case(_))))
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{col, lit, when};

    use super::*;

    #[test]
    fn what_is_within_each_other_counts_and_what_is_side_by_side_does_not() {
        let case = |then: Expr| when(col("a").gt(lit(1)), then).otherwise(lit(2)).unwrap();
        let three = case(case(case(lit(0)) + lit(1)));
        assert_eq!(nested(&three).unwrap(), 3);
        assert_eq!(nested(&(three.clone() + case(lit(0)))).unwrap(), 3);
        assert_eq!(nested(&col("a")).unwrap(), 0);
    }
}
