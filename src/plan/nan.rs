//! NaN in statistics of float columns, which leave it out: a row group whose largest flux is 3 may hold a NaN, and `psfFlux > 5` is true of
//! NaN in the order by which Arrow compares floats. Predicates are rewritten here so that statistics answer only what they know.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::{Result, ScalarValue, internal_err};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, IsNotNullExpr, IsNullExpr, Literal,
};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_expr_adapter::{PhysicalExprAdapter, PhysicalExprAdapterFactory};

use super::hidden::Hidden;
use crate::warehouse::StoredNames;

/// An adapter like [`StoredNames`] that also rewrites predicates, so that row groups are left out only by what their statistics know.
#[derive(Debug)]
pub(crate) struct HonestStatistics;

impl PhysicalExprAdapterFactory for HonestStatistics {
    fn create(&self, stored: SchemaRef, file: SchemaRef) -> Result<Arc<dyn PhysicalExprAdapter>> {
        let names = StoredNames.create(stored.clone(), file)?;
        Ok(Arc::new(Honest { stored, names }))
    }
}

#[derive(Debug)]
struct Honest {
    stored: SchemaRef,
    names: Arc<dyn PhysicalExprAdapter>,
}

impl PhysicalExprAdapter for Honest {
    fn rewrite(&self, expr: Arc<dyn PhysicalExpr>) -> Result<Arc<dyn PhysicalExpr>> {
        self.names.rewrite(honest(expr, &self.stored)?)
    }
}

/// The same predicate on the columns of `schema`, its tests of floats hidden from statistics unless the tests beside them let no NaN
/// through: `psfFlux > 5` is hidden, `psfFlux > 5 AND psfFlux < 9` is not.
pub(crate) fn honest(
    predicate: Arc<dyn PhysicalExpr>,
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    within(predicate, schema, &[])
}

/// `numbers` are the columns, by place, in which the tests beside this one leave no NaN.
fn within(
    predicate: Arc<dyn PhysicalExpr>,
    schema: &Schema,
    numbers: &[usize],
) -> Result<Arc<dyn PhysicalExpr>> {
    let tests = split_conjunction(&predicate);
    let numbers: Vec<_> = numbers.iter().copied().chain(bounded(&tests)).collect();
    if tests.len() > 1 {
        let mut honest = tests.into_iter().map(|test| within(test.clone(), schema, &numbers));
        let first =
            honest.next().unwrap_or_else(|| internal_err!("a conjunction without parts"))?;
        return honest.try_fold(first, |all, test| Ok(binary(all, Operator::And, test?)));
    }
    if let Some(either) = predicate.downcast_ref::<BinaryExpr>()
        && *either.op() == Operator::Or
    {
        let [left, right] = [either.left(), either.right()];
        let [left, right] = [left, right].map(|test| within(test.clone(), schema, &numbers));
        return Ok(binary(left?, Operator::Or, right?));
    }
    let may_be_nan = |column: &Column| {
        let known = schema.fields().get(column.index());
        known.is_some_and(|field| field.data_type().is_floating())
            && !numbers.contains(&column.index())
    };
    let of_nulls = predicate.is::<IsNullExpr>() || predicate.is::<IsNotNullExpr>();
    let is_test = !of_nulls && !predicate.is::<Column>() && !predicate.is::<Hidden>();
    let hide = is_test
        && collect_columns(&predicate).iter().any(may_be_nan)
        && predicate.data_type(schema)? == DataType::Boolean;
    Ok(if hide { Arc::new(Hidden(predicate)) } else { predicate })
}

fn binary(
    left: Arc<dyn PhysicalExpr>,
    op: Operator,
    right: Arc<dyn PhysicalExpr>,
) -> Arc<dyn PhysicalExpr> {
    Arc::new(BinaryExpr::new(left, op, right))
}

/// The columns that some tests together bound from both sides. NaN lies outside of such bounds, whatever its sign.
fn bounded(tests: &[&Arc<dyn PhysicalExpr>]) -> Vec<usize> {
    let mut sides: HashMap<usize, (bool, bool)> = HashMap::new();
    for test in tests {
        let Some((column, op)) = compared(test) else { continue };
        let (below, above) = sides.entry(column).or_default();
        *below |= matches!(op, Operator::Lt | Operator::LtEq | Operator::Eq);
        *above |= matches!(op, Operator::Gt | Operator::GtEq | Operator::Eq);
    }
    sides
        .into_iter()
        .filter(|(_, sides)| *sides == (true, true))
        .map(|(column, _)| column)
        .collect()
}

/// The column that a test compares with a number, and how: `5 < psfFlux` is `psfFlux > 5`.
fn compared(test: &Arc<dyn PhysicalExpr>) -> Option<(usize, Operator)> {
    let test = test.downcast_ref::<BinaryExpr>()?;
    match (column(test.left()), column(test.right())) {
        (Some(column), None) if is_number(test.right()) => Some((column, *test.op())),
        (None, Some(column)) if is_number(test.left()) => Some((column, test.op().swap()?)),
        _ => None,
    }
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    match expr.downcast_ref::<CastExpr>() {
        Some(cast) => column(cast.expr()),
        None => Some(expr.downcast_ref::<Column>()?.index()),
    }
}

fn is_number(expr: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(cast) = expr.downcast_ref::<CastExpr>() {
        return is_number(cast.expr());
    }
    match expr.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::Float64(Some(value))) => !value.is_nan(),
        Some(ScalarValue::Float32(Some(value))) => !value.is_nan(),
        Some(other) => other.data_type().is_integer() && !other.is_null(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Field;
    use datafusion::common::DFSchema;
    use datafusion::prelude::SessionContext;

    use super::*;

    /// What statistics are asked of a predicate, with `?` where they are asked nothing.
    fn asked(text: &str) -> String {
        let field = |name, data_type| Field::new(name, data_type, true);
        let schema = Schema::new(vec![
            field("f", DataType::Float32),
            field("g", DataType::Float64),
            field("i", DataType::Int64),
        ]);
        let named = DFSchema::try_from(schema.clone()).unwrap();
        let session = SessionContext::new();
        let expr = session.parse_sql_expr(text, &named).unwrap();
        let expr = session.create_physical_expr(expr, &named).unwrap();
        shown(&honest(expr, &schema).unwrap())
    }

    fn shown(expr: &Arc<dyn PhysicalExpr>) -> String {
        if expr.is::<Hidden>() {
            return "?".into();
        }
        match expr.downcast_ref::<BinaryExpr>() {
            Some(both) if matches!(both.op(), Operator::And | Operator::Or) => {
                format!("({} {} {})", shown(both.left()), both.op(), shown(both.right()))
            }
            _ => expr.to_string(),
        }
    }

    #[test]
    fn statistics_are_asked_only_where_no_nan_is_let_through() {
        for (text, expected) in [
            ("i > 5", "i@2 > 5"),
            ("f > 5", "?"),
            ("f < 5 AND i > 5", "(? AND i@2 > 5)"),
            ("f <> 5", "?"),
            ("NOT (g <= 5)", "?"),
            ("g IS NULL", "g@1 IS NULL"),
            ("i > 5 AND (i = 9 OR g > 2)", "(i@2 > 5 AND (i@2 = 9 OR ?))"),
        ] {
            assert_eq!(asked(text), expected, "{text}");
        }
        for text in ["g >= 1 AND g < 5", "g = 5", "5 > g AND 1 <= g", "g = 5 AND (g < 1 OR g > 2)"]
        {
            assert!(!asked(text).contains('?'), "{text}: {}", asked(text));
        }
        for text in
            ["g >= 1 OR g < 5", "g >= 1 AND f < 5", "g > 1 AND g > 2", "g >= 1 AND g <= 'NaN'"]
        {
            assert!(asked(text).contains('?'), "{text}: {}", asked(text));
        }
    }
}
