//! Which filters the key index answers exactly, so that nothing tests the rows again, and what they ask of it ([`Wanted`]) once their
//! parameters have values. The filters of SQL statements and of endpoints are understood by the same rules.

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, Result, ScalarValue, internal_datafusion_err};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::{ParameterValues, parameter_value};
use crate::index::{TimeRange, Wanted};
use crate::schema::{KEY, TIME};

/// Whether filters name objects, so that a lookup in the index reads the rows.
pub(crate) fn name_objects<'a>(filters: impl IntoIterator<Item = &'a Expr>) -> bool {
    filters.into_iter().any(|filter| matches!(condition(filter), Some(Condition::Keys(_))))
}

/// Whether a lookup answers a filter exactly.
pub(crate) fn is_exact(filter: &Expr) -> bool {
    condition(filter).is_some()
}

/// What filters that name objects ask of the index, once their parameters are replaced by `values`. Filters that the index does not answer
/// are left out: DataFusion tests them.
pub(crate) fn wanted(filters: &[Expr], values: &ParameterValues) -> Result<Wanted> {
    let (mut keys, mut first, mut last) = (None, i64::MIN, i64::MAX);
    let mut times: Option<TimeRange> = None;
    for filter in filters {
        let bound = bound(filter, values)?;
        match condition(&bound) {
            Some(Condition::Keys(operands)) => {
                let named = named(&operands)?;
                keys = Some(match keys.take() {
                    Some(before) => both(before, &named),
                    None => named,
                });
            }
            Some(Condition::FirstKey(key)) => first = first.max(one_key(key)?),
            Some(Condition::LastKey(key)) => last = last.min(one_key(key)?),
            Some(Condition::FirstTime(time)) => times.get_or_insert_default().begin_at(mjd(time)?),
            Some(Condition::LastTime(time)) => times.get_or_insert_default().end_at(mjd(time)?),
            None => {}
        }
    }
    let mut keys = keys.ok_or_else(|| internal_datafusion_err!("a lookup names no objects"))?;
    keys.retain(|key| (first..=last).contains(key));
    Ok(Wanted { keys, times })
}

/// A test of the key or the time. An operand is a literal of the column's type, or a parameter.
enum Condition<'a> {
    /// The key is one of these operands, or in one of them that are lists.
    Keys(Vec<&'a Expr>),
    FirstKey(&'a Expr),
    LastKey(&'a Expr),
    FirstTime(&'a Expr),
    LastTime(&'a Expr),
}

/// What a filter tests, in the forms in which DataFusion's optimizer leaves it; `None` for a filter that the index does not answer.
fn condition(filter: &Expr) -> Option<Condition<'_>> {
    match filter {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            let (Condition::Keys(mut one), Condition::Keys(other)) =
                (condition(left)?, condition(right)?)
            else {
                return None;
            };
            one.extend(other);
            Some(Condition::Keys(one))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) => compared(column(left)?, *op, right),
        Expr::InList(InList { expr, list, negated: false }) if column(expr)? == KEY => {
            list.iter().all(is_key).then(|| Condition::Keys(list.iter().collect()))
        }
        Expr::ScalarFunction(function) if function.name() == "array_has" => {
            let [ids, key] = &function.args[..] else { return None };
            (column(key)? == KEY && is_key_list(ids)).then(|| Condition::Keys(vec![ids]))
        }
        _ => None,
    }
}

fn compared<'a>(column: &str, op: Operator, operand: &'a Expr) -> Option<Condition<'a>> {
    let condition = match (column, op) {
        (KEY, Operator::Eq) => Condition::Keys(vec![operand]),
        (KEY, Operator::GtEq) => Condition::FirstKey(operand),
        (KEY, Operator::LtEq) => Condition::LastKey(operand),
        (TIME, Operator::GtEq) => Condition::FirstTime(operand),
        (TIME, Operator::LtEq) => Condition::LastTime(operand),
        _ => return None,
    };
    let known = if column == KEY { is_key(operand) } else { is_mjd(operand) };
    known.then_some(condition)
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(Column { name, .. }) => Some(name),
        _ => None,
    }
}

fn is_key(operand: &Expr) -> bool {
    matches!(operand, Expr::Placeholder(_) | Expr::Literal(ScalarValue::Int64(Some(_)), _))
}

fn is_mjd(operand: &Expr) -> bool {
    matches!(operand, Expr::Placeholder(_) | Expr::Literal(ScalarValue::Float64(Some(_)), _))
}

fn is_key_list(operand: &Expr) -> bool {
    match operand {
        Expr::Placeholder(_) => true,
        Expr::Literal(ScalarValue::List(list), _) => list.value_type() == DataType::Int64,
        _ => false,
    }
}

/// The filter with values in place of parameters.
fn bound(filter: &Expr, values: &ParameterValues) -> Result<Expr> {
    let bound = |expr| match &expr {
        Expr::Placeholder(open) => {
            let value = parameter_value(values, &open.id);
            let missing = || internal_datafusion_err!("the parameter {} has no value", open.id);
            Ok(Transformed::yes(Expr::Literal(value.ok_or_else(missing)?.clone(), None)))
        }
        _ => Ok(Transformed::no(expr)),
    };
    filter.clone().transform(bound).data()
}

/// The keys of some operands, ascending, each once.
fn named(operands: &[&Expr]) -> Result<Vec<i64>> {
    let mut keys = Vec::new();
    for operand in operands {
        match operand {
            Expr::Literal(ScalarValue::List(list), _) => {
                let lists = list.iter().flatten();
                lists.for_each(|list| {
                    keys.extend(list.as_primitive::<Int64Type>().iter().flatten())
                });
            }
            other => keys.push(one_key(other)?),
        }
    }
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

/// The keys that are in both of two ascending lists.
fn both(mut one: Vec<i64>, other: &[i64]) -> Vec<i64> {
    one.retain(|key| other.binary_search(key).is_ok());
    one
}

fn one_key(operand: &Expr) -> Result<i64> {
    match operand {
        Expr::Literal(ScalarValue::Int64(Some(key)), _) => Ok(*key),
        other => Err(internal_datafusion_err!("{other} is not a value of {KEY}")),
    }
}

fn mjd(operand: &Expr) -> Result<f64> {
    match operand {
        Expr::Literal(ScalarValue::Float64(Some(mjd)), _) => Ok(*mjd),
        other => Err(internal_datafusion_err!("{other} is not a value of {TIME}")),
    }
}

#[cfg(test)]
mod tests {
    use datafusion::functions_nested::expr_fn::array_has;
    use datafusion::logical_expr::{ident, lit, placeholder};

    use super::*;

    fn ids(ids: &[i64]) -> ScalarValue {
        let ids: Vec<_> = ids.iter().map(|id| ScalarValue::from(*id)).collect();
        ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Int64))
    }

    #[test]
    fn parameters_and_literals_want_the_same() {
        let (key, time) = (|| ident(KEY), || ident(TIME));
        let values: ParameterValues = vec![
            ("ids", ids(&[9, 5, 7, 5, 1])),
            ("first", 5i64.into()),
            ("from", 61000.5.into()),
            ("to", 61001.5.into()),
        ];
        let open = [
            array_has(placeholder("$ids"), key()),
            key().gt_eq(placeholder("$first")),
            time().gt_eq(placeholder("$from")),
            time().lt_eq(placeholder("$to")),
        ];
        let closed = [
            key().in_list([9i64, 7, 1].map(lit).to_vec(), false).or(key().eq(lit(5i64))),
            key().gt_eq(lit(5i64)),
            time().gt_eq(lit(61000.5)),
            time().gt_eq(lit(61000.0)),
            time().lt_eq(lit(61001.5)),
        ];
        assert!(open.iter().chain(&closed).all(is_exact));
        let wanted_open = wanted(&open, &values).unwrap();
        assert_eq!(wanted_open.keys, [5, 7, 9]);
        assert_eq!(wanted_open, wanted(&closed, &ParameterValues::new()).unwrap());
        let times = wanted_open.times.unwrap();
        assert!(times.contains(61000.5) && times.contains(61001.5));
        assert!(!times.contains(61000.4) && !times.contains(f64::NAN));
        assert!(wanted(&open, &ParameterValues::new()).unwrap_err().to_string().contains("$ids"));
    }

    #[test]
    fn objects_named_twice_are_those_of_both() {
        let named = [array_has(placeholder("$ids"), ident(KEY)), ident(KEY).eq(lit(7i64))];
        let wanted = |of: &[i64]| wanted(&named, &vec![("ids", ids(of))]).unwrap().keys;
        assert_eq!((wanted(&[5, 7]), wanted(&[5])), (vec![7], vec![]));
    }

    #[test]
    fn what_the_index_cannot_tell_is_left_to_datafusion() {
        let flux = || ident("psfFlux").eq(lit(5i64));
        for filter in [
            flux(),
            ident(KEY).eq(lit(5i64)).or(flux()),
            ident(KEY).eq(lit(ScalarValue::Int64(None))),
            ident(KEY).in_list(vec![lit(5i64)], true),
            ident(TIME).gt(lit(61000.5)),
            ident(TIME).gt_eq(lit(61000i64)),
        ] {
            assert!(!is_exact(&filter) && !name_objects([&filter]), "{filter}");
        }
        assert!(!name_objects([&ident(KEY).gt_eq(lit(5i64))]), "a range names none");
    }
}
