//! What is constant in a statement: texts, lists and numbers. In: its optimized plan. Out: nothing, or the error that names the limit.
//!
//! A constant is made again for each row that it stands beside, so that a small one may take much. Those of an IN list only say which
//! rows there are. Of the rows of VALUES, each stands beside others as the largest of them may.

use std::collections::HashMap;

use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::{WHAT, types};
use crate::plan::bounds::too_large;

/// Of constants that stand beside rows.
const MOST_BYTES: usize = 64 << 10;
/// A rule that changes nothing, to come after all others: by then everything constant has been computed.
#[derive(Debug)]
pub struct Constants;

impl OptimizerRule for Constants {
    fn name(&self) -> &str {
        "constants"
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let mut beside = BesideRows(0);
        beside.of_plan(&plan)?;
        match beside.0 {
            0..=MOST_BYTES => Ok(Transformed::no(plan)),
            bytes => {
                let of = "bytes of constants outside of lists, once they are computed";
                Err(too_large(WHAT, bytes, of, MOST_BYTES).into())
            }
        }
    }
}

/// The bytes of constants that a plan has beside its rows.
struct BesideRows(usize);

/// How many bytes of constants there are in columns, by their names; none in one that is not here.
type ConstantBytes = HashMap<String, usize>;

impl BesideRows {
    /// Counts a plan; what is constant in its columns.
    fn of_plan(&mut self, plan: &LogicalPlan) -> Result<ConstantBytes> {
        let mut inputs = ConstantBytes::new();
        for input in plan.inputs() {
            for (name, bytes) in self.of_plan(input)? {
                let held = inputs.entry(name).or_default();
                *held = bytes.max(*held);
            }
        }
        plan.apply_subqueries(|subquery| {
            self.of_plan(subquery)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        let own = of_step(plan, &inputs)?;
        self.0 = own.iter().fold(self.0, |sum, bytes| sum.saturating_add(*bytes));
        let names = plan.schema().fields().iter().map(|field| field.name().clone());
        Ok(match plan {
            LogicalPlan::Projection(_) | LogicalPlan::Values(_) => {
                names.zip(own).filter(|(_, bytes)| *bytes > 0).collect()
            }
            // They have columns of other names, any of which may be the one that has most.
            LogicalPlan::Aggregate(_) | LogicalPlan::Union(_) | LogicalPlan::Unnest(_) => {
                match inputs.into_values().chain(own).max() {
                    Some(most) if most > 0 => names.map(|name| (name, most)).collect(),
                    _ => ConstantBytes::new(),
                }
            }
            _ => inputs,
        })
    }
}

/// Of each expression of a step, or of each column of VALUES, where it has most.
fn of_step(step: &LogicalPlan, inputs: &ConstantBytes) -> Result<Vec<usize>> {
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

fn of_expression(expr: &Expr, inputs: &ConstantBytes) -> Result<usize> {
    let mut bytes = 0_usize;
    expr.apply(|part| {
        let (more, next) = match part {
            Expr::Literal(value, _) => (bytes_of(value)?, TreeNodeRecursion::Continue),
            Expr::Column(column) => {
                let held = inputs.get(&column.name).copied().unwrap_or(0);
                (held, TreeNodeRecursion::Continue)
            }
            Expr::InList(list) => (of_expression(&list.expr, inputs)?, TreeNodeRecursion::Jump),
            _ => (0, TreeNodeRecursion::Continue),
        };
        bytes = bytes.saturating_add(more);
        Ok(next)
    })?;
    Ok(bytes)
}

/// Of a value beside a row: what it refers to, and a number or a place.
pub fn bytes_of(value: &ScalarValue) -> Result<usize> {
    Ok(types::fixed_bytes(&value.data_type())?.saturating_add(referred(value)).saturating_add(8))
}

/// The bytes of a text or a list.
pub fn referred(value: &ScalarValue) -> usize {
    value.size().saturating_sub(size_of::<ScalarValue>())
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::{LogicalPlanBuilder, col, in_list, lit};

    use super::*;

    #[test]
    fn lists_and_rows_of_values_do_not_count_and_what_stands_beside_a_row_does() {
        let long = "a".repeat(1_000);
        let of = |expr: &Expr| of_expression(expr, &ConstantBytes::new()).unwrap();
        let listed = in_list(col("a"), vec![lit(long.as_str()); 1_000], false);
        assert_eq!(of(&listed), 0);
        assert!(of(&in_list(lit(long.as_str()), vec![lit("b")], false)) >= 1_000);
        let rows = LogicalPlanBuilder::values(vec![vec![lit(long)]; 1_000]).unwrap();
        let of = |rows: LogicalPlanBuilder| {
            let mut beside = BesideRows(0);
            beside.of_plan(&rows.build().unwrap()).unwrap();
            beside.0
        };
        assert!((1_000..2_000).contains(&of(rows.clone())));
        let again = (0..10).map(|i| col("column1").alias(format!("a{i}")));
        assert!((11_000..12_000).contains(&of(rows.project(again).unwrap())));
    }
}
