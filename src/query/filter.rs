//! A filter of a client's own. In: the text of a SQL predicate and the table it is of. Out: an expression that reads
//! nothing but a row of that table, or the error that says what is wrong with it.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::TreeNode;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable};

use crate::error::{Error, Result};
use crate::warehouse::Snapshot;

/// Parses and checks a predicate on the stored columns of a table.
pub fn parse(state: &SessionState, snapshot: &Snapshot, text: &str) -> Result<Expr> {
    let schema = DFSchema::try_from_qualified_schema(snapshot.table.name(), &snapshot.schema)?;
    let expression = state
        .create_logical_expr(text, &schema)
        .map_err(|error| Error::of_statement(error).context("filter"))?;
    let refused = |reason: &str| Err(Error::argument(format!("filter: {reason}: {text}")));
    if expression.exists(|part| Ok(reads_more_than_a_row(part)))? {
        return refused("a predicate on one row has no subquery, aggregate, window or parameter");
    }
    let data_type = expression
        .get_type(&schema)
        .map_err(|error| Error::of_statement(error).context("filter"))?;
    if data_type != DataType::Boolean {
        return refused(&format!("a predicate is true or false, not {data_type}"));
    }
    Ok(expression)
}

fn reads_more_than_a_row(part: &Expr) -> bool {
    matches!(
        part,
        Expr::ScalarSubquery(_)
            | Expr::InSubquery(_)
            | Expr::Exists(_)
            | Expr::SetComparison(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::AggregateFunction(_)
            | Expr::WindowFunction(_)
            | Expr::Placeholder(_)
    )
}
