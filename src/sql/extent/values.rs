//! Limits on the values that are given for the parameters of a statement, checked against its plan before they are bound.

use std::collections::HashMap;

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::constants::{bytes_of, referred};
use super::type_sizes;
use crate::error::{Error, Result};
use crate::plan::bounds::too_large;

/// Bytes of the values of parameters: 100,000 ids.
const MOST_VALUE_BYTES: usize = 1 << 20;
/// Bytes of the values that are copied with each column that they are part of, which lists are not.
const MOST_COPIED_BYTES: usize = 16 << 10;

/// Checks values, by the names of their parameters, before they are bound in a plan.
pub(crate) fn check_values(plan: &LogicalPlan, values: &HashMap<&str, &ScalarValue>) -> Result<()> {
    let (mut all, mut copied) = (0_usize, 0_usize);
    for value in values.values() {
        type_sizes::fixed_bytes(&value.data_type())?;
        if !value.data_type().is_nested() {
            copied = copied.saturating_add(referred(value));
        }
    }
    plan.apply_with_subqueries(|step| {
        step.apply_expressions(|expr| {
            expr.apply(|part| {
                if let Expr::Placeholder(parameter) = part {
                    let value = values.get(parameter.id.as_str());
                    all = all.saturating_add(value.map_or(Ok(0), |value| bytes_of(value))?);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })
    .map_err(Error::from_statement)?;
    for (bytes, of, most) in [
        (copied, "bytes of texts", MOST_COPIED_BYTES),
        (all, "bytes of values in all its lists and elsewhere", MOST_VALUE_BYTES),
    ] {
        if bytes > most {
            return Err(too_large("the parameters", bytes, of, most));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::DataType;
    use datafusion::logical_expr::{LogicalPlanBuilder, placeholder};

    use super::*;

    #[test]
    fn values_count_wherever_they_stand() {
        let ids = vec![ScalarValue::from(7_i64); 40_000];
        let ids = ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Int64));
        let text = ScalarValue::from("a".repeat(20_000));
        let check = |uses: usize, value: &ScalarValue| {
            let plan = LogicalPlanBuilder::values(vec![vec![placeholder("$1"); uses]]).unwrap();
            check_values(&plan.build().unwrap(), &HashMap::from([("$1", value)]))
        };
        check(1, &ids).unwrap();
        check(30_000, &ScalarValue::from("g")).unwrap();
        for (uses, value) in [(4, &ids), (1, &text)] {
            let error = check(uses, value).unwrap_err().to_string();
            assert!(error.starts_with("the parameters") && error.contains("limit is"), "{error}");
        }
    }
}
