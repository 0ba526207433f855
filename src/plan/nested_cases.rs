//! A limit on CASEs within each other.
//!
//! DataFusion writes a predicate as text where it looks for files and row groups to leave out, and the text of a CASE contains each of its
//! parts twice: every further CASE around a predicate doubles its text. COALESCE, NULLIF and the like become CASEs when they are optimized.

use datafusion::common::Result;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::PlanCheck;
use super::bounds::too_large;

/// CASEs within each other.
const MOST_NESTED: usize = 8;

/// The limit as a rule, to come after those that make CASEs of functions.
pub(crate) const NESTED_CASES: PlanCheck = PlanCheck { name: "nested_cases", check };

fn check(plan: &LogicalPlan) -> Result<()> {
    let checked = plan.apply_with_subqueries(|step| {
        step.apply_expressions(|expr| match nested(expr)? {
            0..=MOST_NESTED => Ok(TreeNodeRecursion::Continue),
            many => {
                let of = "levels of nested CASE, COALESCE or NULLIF";
                Err(too_large("the plan", many, of, MOST_NESTED).into())
            }
        })
    });
    checked.map(drop)
}

/// How many CASEs of an expression are within each other.
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
