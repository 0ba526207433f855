//! A limit on the constants of a statement: texts, lists and numbers that stand in its optimized plan.
//!
//! A constant is made again for each row beside which it stands, so that a small one may take much memory. Constants of an IN list do not
//! count: they only say which rows there are. Of the rows of VALUES, each stands beside others as the largest of them may.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::column_amounts::ColumnAmounts;
use super::{WHAT, type_sizes};
use crate::plan::PlanCheck;
use crate::plan::bounds::too_large;

/// Bytes of constants that stand beside rows.
const MOST_BYTES: usize = 64 << 10;

/// The limit as a rule, to come after all others: by then everything constant has been computed.
pub(crate) const CONSTANTS: PlanCheck = PlanCheck { name: "constants", check };

fn check(plan: &LogicalPlan) -> Result<()> {
    match bytes_beside_rows(plan)? {
        0..=MOST_BYTES => Ok(()),
        bytes => {
            let of = "bytes of computed constants outside of lists";
            Err(too_large(WHAT, bytes, of, MOST_BYTES).into())
        }
    }
}

/// The bytes of constants that a plan has beside its rows.
fn bytes_beside_rows(plan: &LogicalPlan) -> Result<usize> {
    let mut bytes = 0;
    add_plan(plan, &mut bytes)?;
    Ok(bytes)
}

/// Adds the bytes of a plan. Returns how many there are in each of its columns.
fn add_plan(plan: &LogicalPlan, bytes: &mut usize) -> Result<ColumnAmounts> {
    let mut inputs = ColumnAmounts::new(0);
    for input in plan.inputs() {
        inputs.add(add_plan(input, bytes)?);
    }
    plan.apply_subqueries(|subquery| {
        add_plan(subquery, bytes)?;
        Ok(TreeNodeRecursion::Continue)
    })?;
    let own = of_step(plan, &inputs)?;
    *bytes = own.iter().fold(*bytes, |sum, more| sum.saturating_add(*more));
    Ok(inputs.through(plan, own))
}

/// The bytes of each expression of a step; of VALUES those of each column in the row where it has most.
fn of_step(step: &LogicalPlan, inputs: &ColumnAmounts) -> Result<Vec<usize>> {
    let mut own = Vec::new();
    match step {
        LogicalPlan::Values(values) => {
            own.resize(step.schema().fields().len(), 0);
            for row in &values.values {
                for (most, value) in own.iter_mut().zip(row) {
                    *most = of_expression(value, inputs)?.max(*most);
                }
            }
        }
        step => {
            step.apply_expressions(|expr| {
                own.push(of_expression(expr, inputs)?);
                Ok(TreeNodeRecursion::Continue)
            })?;
        }
    }
    Ok(own)
}

fn of_expression(expr: &Expr, inputs: &ColumnAmounts) -> Result<usize> {
    let mut bytes = 0_usize;
    expr.apply(|part| {
        let (more, next) = match part {
            Expr::Literal(value, _) => (bytes_of(value)?, TreeNodeRecursion::Continue),
            Expr::Column(column) => (inputs.get(&column.name), TreeNodeRecursion::Continue),
            Expr::InList(list) => (of_expression(&list.expr, inputs)?, TreeNodeRecursion::Jump),
            _ => (0, TreeNodeRecursion::Continue),
        };
        bytes = bytes.saturating_add(more);
        Ok(next)
    })?;
    Ok(bytes)
}

/// The bytes of a value beside a row: what it refers to, and eight for a number or a place.
pub(crate) fn bytes_of(value: &ScalarValue) -> Result<usize> {
    Ok(type_sizes::fixed_bytes(&value.data_type())?
        .saturating_add(referred(value))
        .saturating_add(8))
}

/// The bytes that a value refers to, those of a text or a list.
pub(crate) fn referred(value: &ScalarValue) -> usize {
    value.size().saturating_sub(size_of::<ScalarValue>())
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{LogicalPlanBuilder, col, in_list, lit};

    use super::*;

    #[test]
    fn lists_and_rows_of_values_do_not_count_and_what_stands_beside_a_row_does() {
        let long = "a".repeat(1_000);
        let of = |expr: &Expr| of_expression(expr, &ColumnAmounts::new(0)).unwrap();
        let listed = in_list(col("a"), vec![lit(long.as_str()); 1_000], false);
        assert_eq!(of(&listed), 0);
        assert!(of(&in_list(lit(long.as_str()), vec![lit("b")], false)) >= 1_000);
        let rows = LogicalPlanBuilder::values(vec![vec![lit(long)]; 1_000]).unwrap();
        let of = |rows: LogicalPlanBuilder| bytes_beside_rows(&rows.build().unwrap()).unwrap();
        assert!((1_000..2_000).contains(&of(rows.clone())));
        let again = (0..10).map(|i| col("column1").alias(format!("a{i}")));
        assert!((11_000..12_000).contains(&of(rows.project(again).unwrap())));
    }
}
