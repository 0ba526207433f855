//! The SQL of each endpoint, read from `sql/`, and its parameters. In: a [`Query`]. Out: a logical plan
//! with bound values and a checked projection; nothing is ever formatted into the SQL.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ParamValues, Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;

use super::{Order, Query, Rows};
use crate::schema::Table;

/// The text of an endpoint's query.
pub fn sql(table: Table, order: Order) -> &'static str {
    match (table, order) {
        (Table::Sources, Order::NewestFirst) => include_str!("../../sql/newest_first/sources.sql"),
        (Table::Objects, Order::NewestFirst) => include_str!("../../sql/newest_first/objects.sql"),
        (Table::Fp, Order::NewestFirst) => include_str!("../../sql/newest_first/fp.sql"),
        (Table::Sources, Order::ByObject) => include_str!("../../sql/by_object/sources.sql"),
        (Table::Objects, Order::ByObject) => include_str!("../../sql/by_object/objects.sql"),
        (Table::Fp, Order::ByObject) => include_str!("../../sql/by_object/fp.sql"),
    }
}

/// Parses an endpoint's query against the table registered in `session`; parameters stay open.
pub async fn plan(session: &SessionContext, table: Table, order: Order) -> Result<LogicalPlan> {
    session.state().create_logical_plan(sql(table, order)).await
}

/// The values of a query's parameters, by name.
pub fn parameters(query: &Query) -> Vec<(&'static str, ScalarValue)> {
    let (ids, range) = match &query.rows {
        Rows::Of(ids) => (Some(ids), None),
        Rows::Within(range) => (None, Some(range)),
    };
    let mut values = vec![
        ("ids", ids.map_or_else(no_ids, |ids| id_list(ids))),
        ("first_id", ScalarValue::Int64(range.map(|range| *range.start()))),
        ("last_id", ScalarValue::Int64(range.map(|range| *range.end()))),
    ];
    if query.table == Table::Sources {
        let time = query.time.as_ref();
        values.push(("time_from", ScalarValue::Float64(time.map(|time| time.from_mjd))));
        values.push(("time_to", ScalarValue::Float64(time.map(|time| time.to_mjd))));
    }
    values
}

fn id_list(ids: &[i64]) -> ScalarValue {
    let ids: Vec<_> = ids.iter().map(|&id| ScalarValue::Int64(Some(id))).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Int64))
}

fn no_ids() -> ScalarValue {
    ScalarValue::new_null_list(DataType::Int64, true, 1)
}

/// Binds a query's values to the plan of its endpoint and keeps the stored columns `columns`, in that order.
pub fn bind(
    plan: &LogicalPlan,
    query: &Query,
    filter: Option<Expr>,
    columns: &[&str],
) -> Result<LogicalPlan> {
    let values: Vec<_> =
        parameters(query).into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let mut bound =
        LogicalPlanBuilder::from(plan.clone().with_param_values(ParamValues::from(values))?);
    if let Some(filter) = filter {
        bound = bound.filter(filter)?;
    }
    if query.limit.is_some() {
        bound = bound.limit(0, query.limit)?;
    }
    let columns = columns.iter().map(|name| Expr::Column(Column::from_name(*name)));
    bound.project(columns)?.build()
}
