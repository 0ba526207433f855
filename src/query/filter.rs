//! A client's own filter: the text of a SQL predicate on one table, checked and turned into an expression that reads nothing but a row of
//! that table.
//!
//! It is a plain predicate: comparisons, arithmetic and the [`FUNCTIONS`] below. What it computes of a row takes little time, and never
//! more room than the row: anyone may send one.

use std::sync::LazyLock;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Expr, ExprSchemable, Like, Operator};

use crate::astronomy;
use crate::error::{Error, Result};
use crate::plan::{OpenTable, bounds};

/// DataFusion's functions whose value is at most as large as their arguments. The astronomical functions are all allowed, too.
const FUNCTIONS: [&str; 61] = [
    "abs",
    "acos",
    "acosh",
    "ascii",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "bit_length",
    "btrim",
    "cbrt",
    "ceil",
    "character_length",
    "coalesce",
    "contains",
    "cos",
    "cosh",
    "cot",
    "date_part",
    "date_trunc",
    "degrees",
    "ends_with",
    "exp",
    "floor",
    "gcd",
    "greatest",
    "isnan",
    "iszero",
    "least",
    "left",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "nanvl",
    "now",
    "nullif",
    "nvl",
    "octet_length",
    "pi",
    "power",
    "radians",
    "right",
    "round",
    "rtrim",
    "signum",
    "sin",
    "sinh",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "tan",
    "tanh",
    "to_timestamp",
    "to_unixtime",
    "trunc",
    "upper",
];
/// Arguments of a function.
const MOST_ARGUMENTS: usize = 16;
/// Bytes of a text that is made again for each row, such as a pattern of LIKE. A text in an IN list is not.
const MOST_TEXT_BYTES: usize = 256;

static OF_ASTRONOMY: LazyLock<Vec<String>> = LazyLock::new(|| {
    astronomy::functions().iter().map(|function| function.name().to_string()).collect()
});

/// Parses and checks a predicate on the stored columns of a table.
pub(crate) fn parse(state: &SessionState, table: &OpenTable, text: &str) -> Result<Expr> {
    bounds::tokens("filter", text)?;
    let schema = DFSchema::try_from_qualified_schema(table.table.name(), &table.schema)?;
    let wrong = |error| Error::from_statement(error).context("filter");
    let expression = state.create_logical_expr(text, &schema).map_err(wrong)?;
    check(&expression)
        .map_err(|reason| Error::argument(format!("filter: {reason}: {text:.100}")))?;
    // This finds operands whose types do not fit, before the expression becomes part of a plan.
    state.create_physical_expr(expression.clone(), &schema).map_err(wrong)?;
    match expression.get_type(&schema).map_err(wrong)? {
        DataType::Boolean => Ok(expression),
        other => Err(Error::argument(format!(
            "filter: a predicate must be boolean, not {other}: {text:.100}"
        ))),
    }
}

/// `Ok` for a plain predicate, else why an expression is none.
fn check(expression: &Expr) -> Result<(), String> {
    let mut checked = Ok(());
    // `apply` itself cannot fail: it stops at the first part that is not allowed.
    let _ = expression.apply(|part| {
        checked = plain(part);
        Ok(match (&checked, part) {
            (Err(_), _) => TreeNodeRecursion::Stop,
            // `plain` has checked the parts of the list, too.
            (Ok(()), Expr::InList(_)) => TreeNodeRecursion::Jump,
            _ => TreeNodeRecursion::Continue,
        })
    });
    checked
}

/// `Ok` for a part that a plain predicate may have, else why it may not.
fn plain(part: &Expr) -> Result<(), String> {
    match part {
        Expr::Literal(value, _) => short(value, "a value"),
        Expr::Column(_) | Expr::Not(_) | Expr::Negative(_) => Ok(()),
        Expr::IsNull(_) | Expr::IsTrue(_) | Expr::IsFalse(_) | Expr::IsUnknown(_) => Ok(()),
        Expr::IsNotNull(_) | Expr::IsNotTrue(_) | Expr::IsNotFalse(_) | Expr::IsNotUnknown(_) => Ok(()),
        Expr::Between(_) | Expr::Case(_) => Ok(()),
        Expr::BinaryExpr(binary) if is_plain_operator(binary.op) => Ok(()),
        Expr::BinaryExpr(binary) => Err(format!("the operator {} is not supported in a filter", binary.op)),
        Expr::Like(like) => pattern(like),
        Expr::InList(list) => values(list),
        Expr::Cast(cast) => plain_type(cast.field.data_type()),
        Expr::TryCast(cast) => plain_type(cast.field.data_type()),
        Expr::ScalarFunction(function) => match (is_plain_function(function.name()), function.args.len()) {
            (true, 0..=MOST_ARGUMENTS) => Ok(()),
            (true, count) => Err(format!("a function has {count} arguments; the limit is {MOST_ARGUMENTS}")),
            _ => Err(format!("the function {} is not supported in a filter; give one of {}", function.name(), FUNCTIONS.join(", "))),
        },
        _ => Err("a filter looks at one row: subqueries, aggregates, windows, regular expressions and parameters are not supported".into()),
    }
}

fn is_plain_operator(operator: Operator) -> bool {
    use Operator as O;
    let compares = matches!(operator, O::Eq | O::NotEq | O::Lt | O::LtEq | O::Gt | O::GtEq)
        || matches!(operator, O::IsDistinctFrom | O::IsNotDistinctFrom | O::And | O::Or);
    let computes = matches!(operator, O::Plus | O::Minus | O::Multiply | O::Divide | O::Modulo);
    // Many of Rubin's flags are bits of an integer column.
    let is_bitwise = matches!(operator, O::BitwiseAnd | O::BitwiseOr | O::BitwiseXor)
        || matches!(operator, O::BitwiseShiftLeft | O::BitwiseShiftRight);
    compares || computes || is_bitwise
}

fn is_plain_function(name: &str) -> bool {
    FUNCTIONS.contains(&name) || OF_ASTRONOMY.iter().any(|known| known == name)
}

/// Checks the pattern of LIKE. One that is computed from a row would have to be compiled for each row.
fn pattern(like: &Like) -> Result<(), String> {
    match &*like.pattern {
        Expr::Literal(value, _) => short(value, "a pattern of LIKE"),
        _ => Err("the pattern of LIKE must be a string literal".into()),
    }
}

fn short(value: &ScalarValue, what: &str) -> Result<(), String> {
    let bytes = value.size().saturating_sub(size_of::<ScalarValue>());
    match bytes {
        0..=MOST_TEXT_BYTES => Ok(()),
        bytes => Err(format!("{what} has {bytes} bytes; the limit is {MOST_TEXT_BYTES}")),
    }
}

/// Checks an IN list. Values are looked up in a set; expressions would have to be computed for each row.
fn values(list: &InList) -> Result<(), String> {
    let is_value = |expr: &Expr| match expr {
        Expr::Negative(inner) => matches!(**inner, Expr::Literal(..)),
        other => matches!(other, Expr::Literal(..)),
    };
    match list.list.iter().all(is_value) {
        true => check(&list.expr),
        false => Err("IN takes a list of values; write other comparisons with OR".into()),
    }
}

fn plain_type(data_type: &DataType) -> Result<(), String> {
    use DataType as D;
    let is_plain = data_type.is_primitive()
        || matches!(data_type, D::Boolean | D::Utf8 | D::LargeUtf8 | D::Utf8View);
    is_plain
        .then_some(())
        .ok_or_else(|| format!("values of type {data_type} are not supported in a filter"))
}
