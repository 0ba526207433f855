//! What a plan may grow into while it is optimized. In: the first plan of a statement. Out: nothing, or the error.
//!
//! A column is replaced by what it is computed from wherever it is used, which may double what is before it.

use std::collections::HashMap;

use datafusion::common::DataFusionError;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Expr, LogicalPlan, WindowFunctionDefinition};

use super::{WHAT, types};
use crate::error::{Error, Result};
use crate::plan::bounds::too_large;
use crate::sql::growing::is_growing;

/// Steps of a plan.
const MOST_STEPS: usize = 2_000;
/// Values, columns and functions of a plan, where each column is written out as what it is computed from.
const MOST_PARTS: usize = 100_000;
/// Functions that make much out of little, each of which may make as much as one may.
const MOST_GROWING: usize = 32;
/// Aggregates that make lists and texts: as window functions they would make one of all rows before it for each row.
const COLLECTING: [&str; 2] = ["array_agg", "string_agg"];

/// Before it is optimized.
pub fn check_plan(plan: &LogicalPlan) -> Result<()> {
    PlanExtent::default().of_plan(plan).map(drop)
}

/// Parts of columns by their names; a column that is not here is one part.
type PartCounts = HashMap<String, usize>;

#[derive(Default)]
struct PlanExtent {
    steps: usize,
    parts: usize,
    growing: usize,
}

impl PlanExtent {
    /// Counts a plan; the parts of its columns.
    fn of_plan(&mut self, plan: &LogicalPlan) -> Result<PartCounts> {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return Err(too_large(WHAT, self.steps, "steps in its plan, or more", MOST_STEPS));
        }
        let mut inputs = PartCounts::new();
        for input in plan.inputs() {
            for (name, parts) in self.of_plan(input)? {
                let held = inputs.entry(name).or_default();
                *held = parts.max(*held);
            }
        }
        types::check_row(plan.schema())?;
        plan.apply_expressions(|expr| {
            expr.apply(|part| self.check_part(part).map(|()| TreeNodeRecursion::Continue))
        })
        .map_err(Error::from_statement)?;
        plan.apply_subqueries(|subquery| {
            self.of_plan(subquery)?;
            Ok(TreeNodeRecursion::Continue)
        })?;
        if let LogicalPlan::Values(_) = plan {
            return Ok(inputs); // nothing takes their place
        }
        let mut own = Vec::new();
        plan.apply_expressions(|expr| {
            own.push(self.of_expression(expr, &inputs)?);
            Ok(TreeNodeRecursion::Continue)
        })?;
        let fields = || plan.schema().fields().iter().map(|field| field.name().clone());
        Ok(match plan {
            LogicalPlan::Projection(_) => {
                fields().zip(own).filter(|(_, parts)| *parts > 1).collect()
            }
            // They have the columns of their inputs, or the least that is known of theirs.
            LogicalPlan::Aggregate(_) | LogicalPlan::Union(_) | LogicalPlan::Unnest(_) => {
                match inputs.into_values().chain(own).max() {
                    Some(most) if most > 1 => fields().map(|name| (name, most)).collect(),
                    _ => PartCounts::new(),
                }
            }
            _ => inputs,
        })
    }

    /// What no part of an expression may be.
    fn check_part(&mut self, part: &Expr) -> Result<(), DataFusionError> {
        match part {
            Expr::Cast(cast) => drop(types::fixed_bytes(cast.field.data_type())?),
            Expr::TryCast(cast) => drop(types::fixed_bytes(cast.field.data_type())?),
            Expr::Literal(value, _) => drop(types::fixed_bytes(&value.data_type())?),
            Expr::ScalarFunction(function) => {
                self.growing += usize::from(is_growing(function.name()))
            }
            Expr::WindowFunction(window) => check_window(window)?,
            _ => {}
        }
        match self.growing > MOST_GROWING {
            true => {
                let of = "functions that make much out of little";
                Err(too_large(WHAT, self.growing, of, MOST_GROWING).into())
            }
            false => Ok(()),
        }
    }

    fn of_expression(
        &mut self,
        expr: &Expr,
        inputs: &PartCounts,
    ) -> Result<usize, DataFusionError> {
        let mut parts = 0_usize;
        expr.apply(|part| {
            let more = match part {
                Expr::Column(column) => inputs.get(&column.name).copied().unwrap_or(1),
                _ => 1,
            };
            parts = parts.saturating_add(more);
            Ok(TreeNodeRecursion::Continue)
        })?;
        self.parts = self.parts.saturating_add(parts);
        match self.parts > MOST_PARTS {
            true => {
                Err(too_large(WHAT, self.parts, "parts when it is written out", MOST_PARTS).into())
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
                "{} is no window function here; group by columns instead",
                aggregate.name()
            )))
        }
        _ => Ok(()),
    }
}
