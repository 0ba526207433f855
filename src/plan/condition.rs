//! The conditions on objects and times that the key index answers itself. In: the filters of a statement, or of an endpoint's SQL
//! with its parameters open. Out: [`Conditions`], which values make into what is [`Wanted`]. They hold to the row: nothing tests
//! them again.

use std::collections::BTreeSet;
use std::fmt;

use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use crate::error::{Error, Result};
use crate::index::Wanted;
use crate::schema::{KEY, TIME};

/// The value of a parameter; `None` inside is null.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parameter<'a> {
    Ids(Option<&'a [i64]>),
    Id(Option<i64>),
    /// MJD, TAI.
    Mjd(Option<f64>),
}

/// What limits each column. Names are those of parameters; a null one limits nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Objects that the text itself names.
    named: Option<BTreeSet<i64>>,
    keys: Option<String>,
    first_key: Option<String>,
    last_key: Option<String>,
    first_time: Option<String>,
    last_time: Option<String>,
}

impl Conditions {
    /// Those among some filters; `None` where none of them names objects.
    pub fn of<'a>(filters: impl IntoIterator<Item = &'a Expr>) -> Option<Self> {
        let mut conditions = Self::default();
        for filter in filters {
            if let Some((place, parameter)) = conditions.place(filter) {
                *place = Some(parameter.to_string());
            } else if let Some(keys) = named(filter) {
                let both = |before: BTreeSet<_>| before.intersection(&keys).copied().collect();
                conditions.named = Some(conditions.named.take().map_or(keys.clone(), both));
            }
        }
        (conditions.keys.is_some() || conditions.named.is_some()).then_some(conditions)
    }

    /// Whether a filter is one of them.
    pub fn is_one(filter: &Expr) -> bool {
        Self::default().place(filter).is_some() || named(filter).is_some()
    }

    /// `$p IS NULL OR test`, or the test alone; with or without the rows that have no key, which are none of the objects named.
    fn place<'a>(&mut self, filter: &'a Expr) -> Option<(&mut Option<String>, &'a str)> {
        if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = filter
            && is_without_key(right)
        {
            return self.place(left);
        }
        if let Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) = filter
            && let Expr::IsNull(null) = &**left
        {
            let parameter = placeholder(null)?;
            return self.tested(right).filter(|(_, tested)| *tested == parameter);
        }
        self.tested(filter)
    }

    fn tested<'a>(&mut self, test: &'a Expr) -> Option<(&mut Option<String>, &'a str)> {
        match test {
            Expr::ScalarFunction(function) if function.name() == "array_has" => {
                let [ids, key] = &function.args[..] else { return None };
                (column(key)? == KEY).then_some((&mut self.keys, placeholder(ids)?))
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let place = match (column(left)?, op) {
                    (KEY, Operator::GtEq) => &mut self.first_key,
                    (KEY, Operator::LtEq) => &mut self.last_key,
                    (TIME, Operator::GtEq) => &mut self.first_time,
                    (TIME, Operator::LtEq) => &mut self.last_time,
                    _ => return None,
                };
                Some((place, placeholder(right)?))
            }
            _ => None,
        }
    }

    /// What is wanted where the text says it all; `None` where parameters are open.
    pub fn closed(&self) -> Option<Wanted> {
        let Self { named, keys, first_key, last_key, first_time, last_time } = self;
        let parameters = [keys, first_key, last_key, first_time, last_time];
        let keys = named.as_ref().filter(|_| parameters.iter().all(|name| name.is_none()))?;
        Some(Wanted { keys: keys.iter().copied().collect(), times_mjd: None })
    }

    /// What a query wants. One that names no objects is an `Internal` error: it is not for the index.
    pub fn wanted<'a>(&self, value: &dyn Fn(&str) -> Option<Parameter<'a>>) -> Result<Wanted> {
        let value = |name: &Option<String>| value(name.as_deref()?);
        let Some(Parameter::Ids(Some(ids))) = value(&self.keys) else {
            return Err(Error::internal("a lookup without objects"));
        };
        let id = |name| match value(name) {
            Some(Parameter::Id(id)) => id,
            _ => None,
        };
        let mjd = |name| match value(name) {
            Some(Parameter::Mjd(mjd)) => mjd,
            _ => None,
        };
        let (first, last) = (id(&self.first_key), id(&self.last_key));
        let within = |key: &i64| {
            first.is_none_or(|first| *key >= first)
                && last.is_none_or(|last| *key <= last)
                && self.named.as_ref().is_none_or(|named| named.contains(key))
        };
        let mut keys: Vec<_> = ids.iter().copied().filter(within).collect();
        keys.sort_unstable();
        keys.dedup();
        let times_mjd = match (mjd(&self.first_time), mjd(&self.last_time)) {
            (None, None) => None,
            (first, last) => {
                Some(first.unwrap_or(f64::NEG_INFINITY)..=last.unwrap_or(f64::INFINITY))
            }
        };
        Ok(Wanted { keys, times_mjd })
    }
}

/// The objects that a test leaves: `diaObjectId = 5`, `diaObjectId IN (5, 6)`, or several of them with OR.
fn named(test: &Expr) -> Option<BTreeSet<i64>> {
    match test {
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Or, right }) => {
            Some(&named(left)? | &named(right)?)
        }
        Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right }) => {
            (column(left)? == KEY).then_some([literal(right)?].into())
        }
        Expr::InList(InList { expr, list, negated: false }) if column(expr)? == KEY => {
            list.iter().map(literal).collect()
        }
        _ => None,
    }
}

/// `$last_id IS NULL AND diaObjectId IS NULL`.
fn is_without_key(test: &Expr) -> bool {
    let Expr::BinaryExpr(BinaryExpr { left, op: Operator::And, right }) = test else {
        return false;
    };
    let (Expr::IsNull(parameter), Expr::IsNull(key)) = (&**left, &**right) else { return false };
    placeholder(parameter).is_some() && column(key) == Some(KEY)
}

fn literal(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(ScalarValue::Int64(value), _) => *value,
        _ => None,
    }
}

fn column(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Column(Column { name, .. }) => Some(name),
        _ => None,
    }
}

/// The name of a parameter, without its `$`.
fn placeholder(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Placeholder(placeholder) => placeholder.id.strip_prefix('$'),
        _ => None,
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { named: _, keys, first_key, last_key, first_time, last_time } = self;
        let tests = [
            (keys, KEY, "IN"),
            (first_key, KEY, ">="),
            (last_key, KEY, "<="),
            (first_time, TIME, ">="),
            (last_time, TIME, "<="),
        ];
        let named = tests.into_iter().filter_map(|(name, column, test)| {
            name.as_ref().map(|name| format!("{column} {test} ${name}"))
        });
        f.write_str(&named.collect::<Vec<_>>().join(" AND "))
    }
}
