//! Amounts of columns on their way through a plan: how much of something, such as bytes, each column is made of. A step of the plan takes
//! the columns of its inputs and gives its own.

use std::collections::HashMap;

use datafusion::logical_expr::LogicalPlan;

/// Amounts by the names of columns. A column that is not here has the least amount.
pub(crate) struct ColumnAmounts {
    least: usize,
    by_name: HashMap<String, usize>,
}

impl ColumnAmounts {
    /// No column has more than the least amount.
    pub(crate) fn new(least: usize) -> Self {
        Self { least, by_name: HashMap::new() }
    }

    /// Adds the columns of an input. Of several columns with the same name, the largest amount counts.
    pub(crate) fn add(&mut self, input: Self) {
        for (name, amount) in input.by_name {
            let known = self.by_name.entry(name).or_default();
            *known = amount.max(*known);
        }
    }

    /// The amount of a column.
    pub(crate) fn get(&self, name: &str) -> usize {
        self.by_name.get(name).copied().unwrap_or(self.least)
    }

    /// The columns of a step whose inputs have these columns, and whose expressions have the amounts `own`.
    pub(crate) fn through(self, step: &LogicalPlan, own: Vec<usize>) -> Self {
        let names = step.schema().fields().iter().map(|field| field.name().clone());
        let least = self.least;
        let by_name = match step {
            LogicalPlan::Projection(_) | LogicalPlan::Values(_) => {
                names.zip(own).filter(|(_, amount)| *amount > least).collect()
            }
            // These columns have other names than those of the inputs, so any of them may have the largest amount.
            LogicalPlan::Aggregate(_) | LogicalPlan::Union(_) | LogicalPlan::Unnest(_) => {
                match self.by_name.into_values().chain(own).max() {
                    Some(most) if most > least => names.map(|name| (name, most)).collect(),
                    _ => HashMap::new(),
                }
            }
            _ => self.by_name,
        };
        Self { least, by_name }
    }
}
