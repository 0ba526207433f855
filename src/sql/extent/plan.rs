//! Limits on what the first plan of a statement may grow into while it is optimized.
//!
//! The optimizer replaces a column by what it is computed from wherever it is used. Each step may double the plan before it that way.

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFunctionDefinition};

use super::column_amounts::ColumnAmounts;
use super::{WHAT, type_sizes};
use crate::error::{Error, Result};
use crate::plan::bounds::too_large;
use crate::sql::growing::is_growing;

/// Nodes of a plan.
const MOST_STEPS: usize = 2_000;
/// Values, columns and functions of a plan, where each column is written out as what it is computed from.
const MOST_PARTS: usize = 100_000;
/// Functions that make much out of little, since the limit of what they make is one for each of them.
const MOST_GROWING: usize = 32;
/// Aggregates that make lists and texts. As window functions they would make a list of all rows before it for each row.
const COLLECTING: [&str; 2] = ["array_agg", "string_agg"];

/// Checks a plan before it is optimized.
pub(crate) fn check_plan(plan: &LogicalPlan) -> Result<()> {
    PlanExtent::default().add_plan(plan).map(drop)
}

#[derive(Default)]
struct PlanExtent {
    steps: usize,
    parts: usize,
    growing: usize,
}

impl PlanExtent {
    /// Adds a plan. Returns of how many parts each of its columns is made; the least is one.
    fn add_plan(&mut self, plan: &LogicalPlan) -> Result<ColumnAmounts> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(too_large(WHAT, self.steps, "steps in its plan, or more", MOST_STEPS));
        }
        let mut inputs = ColumnAmounts::new(1);
        for input in plan.inputs() {
            inputs.add(self.add_plan(input)?);
        }
        type_sizes::check_row(plan.schema())?;
        plan.apply_expressions(|expr| {
            expr.apply(|part| self.check_part(part).map(|()| TreeNodeRecursion::Continue))
        })
        .map_err(Error::from_statement)?;
        plan.apply_subqueries(|subquery| {
            self.add_plan(subquery)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        if let LogicalPlan::Values(_) = plan {
            return Ok(inputs); // no column takes the place of a value
        }
        let mut own = Vec::new();
        plan.apply_expressions(|expr| {
            own.push(self.add_expression(expr, &inputs)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(inputs.through(plan, own))
    }

    /// Refuses parts of expressions that no statement may have.
    fn check_part(&mut self, part: &Expr) -> Result<(), DataFusionError> {
        match part {
            Expr::Cast(cast) => drop(type_sizes::fixed_bytes(cast.field.data_type())?),
            Expr::TryCast(cast) => drop(type_sizes::fixed_bytes(cast.field.data_type())?),
            Expr::Literal(value, _) => drop(type_sizes::fixed_bytes(&value.data_type())?),
            Expr::ScalarFunction(function) => {
                self.growing += usize::from(is_growing(function.name()))
            }
            Expr::WindowFunction(window) => check_window(window)?,
            _ => {}
        }
        match self.growing > MOST_GROWING {
            true => {
                let of = "functions whose results can be far larger than their arguments";
                Err(too_large(WHAT, self.growing, of, MOST_GROWING).into())
            }
            false => Ok(()),
        }
    }

    /// Adds an expression. Returns how many parts it has.
    fn add_expression(
        &mut self,
        expr: &Expr,
        inputs: &ColumnAmounts,
    ) -> Result<usize, DataFusionError> {
        let mut parts = 0_usize;
        expr.apply(|part| {
            let more = match part {
                Expr::Column(column) => inputs.get(&column.name),
                _ => 1,
            };
            parts = parts.saturating_add(more);
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.parts = self.parts.saturating_add(parts);
        match self.parts > MOST_PARTS {
            true => {
                Err(too_large(WHAT, self.parts, "parts once every alias is expanded", MOST_PARTS)
                    .into())
            }
            false => Ok(parts),
        }
    }
}

fn check_window(window: &WindowFunction) -> Result<()> {
    match &window.fun {
        WindowFunctionDefinition::AggregateUDF(aggregate)
            if COLLECTING.contains(&aggregate.name()) =>
        {
            Err(Error::argument(format!(
                "{} is not supported as a window function; group by columns instead",
                aggregate.name()
            )))
        }
        _ => Ok(()),
    }
}
