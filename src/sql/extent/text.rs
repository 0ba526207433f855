//! Limits on what a short text may grow into while it is planned.
//!
//! A common table expression is planned again wherever it is named, a cube has all subsets of its columns, and what a function is given in
//! place of a table is computed before there is a plan.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::parser::{CopyToSource, Statement};
use datafusion::sql::sqlparser::ast::{
    self, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, SetExpr, TableFactor,
    UnaryOperator, Visit, Visitor,
};

use super::WHAT;
use crate::error::{Error, Result};
use crate::plan::bounds::too_large;

/// Tables, views, functions and subqueries that are selected from, as the text has them.
const MOST_RELATIONS: usize = 100;
/// Such relations that are common table expressions, counted with all columns of what these select from.
const MOST_NAMED: usize = 32;
/// Bytes of texts that are values of each row. Texts in lists or in VALUES do not count.
const MOST_TEXT_BYTES: usize = 16 << 10;
/// Arguments of a function.
const MOST_ARGUMENTS: usize = 100;
/// Window functions whose value is that of one of the rows.
const OF_A_VALUE: [&str; 2] = ["first_value", "last_value"];
/// Sets of columns of one GROUP BY, in which those of cubes, rollups and sets are multiplied.
const MOST_SETS: usize = 256;

/// Checks a statement before it is planned.
pub(crate) fn check_text(statement: &Statement) -> Result<()> {
    let mut counts = TextCounts::default();
    let broken = match statement {
        Statement::Statement(statement) => statement.visit(&mut counts),
        Statement::Explain(explain) => return check_text(&explain.statement),
        Statement::CopyTo(copy) => match &copy.source {
            CopyToSource::Query(query) => query.visit(&mut counts),
            CopyToSource::Relation(_) => return Ok(()),
        },
        Statement::CreateExternalTable(_) | Statement::Reset(_) => return Ok(()),
    };
    match broken {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => match counts.text_bytes.saturating_sub(counts.listed_bytes) {
            0..=MOST_TEXT_BYTES => Ok(()),
            bytes => {
                Err(too_large(WHAT, bytes, "bytes of texts outside of lists", MOST_TEXT_BYTES))
            }
        },
    }
}

#[derive(Default)]
struct TextCounts {
    /// The names of all common table expressions.
    names: HashSet<String>,
    named: usize,
    relations: usize,
    text_bytes: usize,
    /// Texts among them that are in lists.
    listed_bytes: usize,
}

impl Visitor for TextCounts {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<Error> {
        self.relations += 1;
        if let TableFactor::Table { name, .. } = factor
            && self.names.contains(&last_part(name))
        {
            self.named += 1;
        }
        if !arguments(factor).iter().all(is_value_argument) {
            let text = "the arguments of a table function must be values: write range(1, 10), not range(1, 2 * 5)";
            return ControlFlow::Break(Error::argument(text));
        }
        at_most(self.relations, "relations to select from", MOST_RELATIONS)?;
        at_most(self.named, "common table expressions to select from", MOST_NAMED)
    }

    fn pre_visit_select(&mut self, select: &ast::Select) -> ControlFlow<Error> {
        let GroupByExpr::Expressions(groups, _) = &select.group_by else {
            return ControlFlow::Continue(());
        };
        let sets = groups.iter().fold(1, |sets: usize, group| sets.saturating_mul(sets_of(group)));
        at_most(sets, "grouping sets in a GROUP BY", MOST_SETS)
    }

    fn pre_visit_query(&mut self, query: &ast::Query) -> ControlFlow<Error> {
        let named = query.with.iter().flat_map(|with| &with.cte_tables);
        self.names.extend(named.map(|named| named.alias.name.value.to_lowercase()));
        if let SetExpr::Values(values) = &*query.body {
            self.listed_bytes += values.rows.iter().map(|row| text_bytes(row)).sum::<usize>();
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<Error> {
        match expr {
            ast::Expr::Function(function) => {
                let count = match &function.args {
                    FunctionArguments::List(list) => list.args.len(),
                    _ => 1,
                };
                let name = last_part(&function.name);
                // DataFusion panics on these instead of returning an error.
                if count == 0 && function.over.is_some() && OF_A_VALUE.contains(&name.as_str()) {
                    let text = format!("{name} takes a value: {name}(psfFlux) OVER (...)");
                    return ControlFlow::Break(Error::argument(text));
                }
                at_most(count, "arguments of a function", MOST_ARGUMENTS)
            }
            ast::Expr::InList { list, .. } => {
                self.listed_bytes += text_bytes(list);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> ControlFlow<Error> {
        self.text_bytes += bytes_of(&value.value);
        ControlFlow::Continue(())
    }
}

fn last_part(name: &ast::ObjectName) -> String {
    let last = name.0.last().and_then(|part| part.as_ident());
    last.map(|last| last.value.to_lowercase()).unwrap_or_default()
}

/// Checks a function in place of a table.
fn arguments(factor: &TableFactor) -> &[FunctionArg] {
    match factor {
        TableFactor::Table { args: Some(args), .. } => &args.args,
        TableFactor::Function { args, .. } => args,
        _ => &[],
    }
}

fn is_value_argument(argument: &FunctionArg) -> bool {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => is_value(expr),
        FunctionArg::Named { arg: FunctionArgExpr::Expr(expr), .. } => is_value(expr),
        _ => false,
    }
}

/// Whether nothing is computed: a literal, perhaps with a sign, or a placeholder.
fn is_value(expr: &ast::Expr) -> bool {
    match expr {
        ast::Expr::Value(_) | ast::Expr::TypedString(_) => true,
        ast::Expr::Interval(interval) => is_value(&interval.value),
        ast::Expr::UnaryOp { op: UnaryOperator::Minus | UnaryOperator::Plus, expr } => {
            is_value(expr)
        }
        _ => false,
    }
}

/// How many sets of columns a part of a GROUP BY groups by.
fn sets_of(group: &ast::Expr) -> usize {
    match group {
        ast::Expr::Cube(columns) => u32::try_from(columns.len())
            .ok()
            .and_then(|n| 2_usize.checked_pow(n))
            .unwrap_or(usize::MAX),
        ast::Expr::Rollup(columns) => columns.len() + 1,
        ast::Expr::GroupingSets(sets) => sets.len().max(1),
        _ => 1,
    }
}

/// Of the values that are the elements of a list.
fn text_bytes(list: &[ast::Expr]) -> usize {
    let bytes = list.iter().map(|element| match element {
        ast::Expr::Value(value) => bytes_of(&value.value),
        _ => 0,
    });
    bytes.sum()
}

fn bytes_of(value: &ast::Value) -> usize {
    value.clone().into_string().map_or(0, |text| text.len())
}

fn at_most(count: usize, of: &str, most: usize) -> ControlFlow<Error> {
    match count > most {
        true => ControlFlow::Break(too_large(WHAT, count, of, most)),
        false => ControlFlow::Continue(()),
    }
}
