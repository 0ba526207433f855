//! The SQL of each endpoint, read from `sql/`, and its parameters. In: a [`Query`]. Out: a logical plan
//! with bound values and a checked projection; nothing is ever formatted into the SQL.

use arrow::datatypes::DataType;
use datafusion::common::{Column, ParamValues, Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;

use super::Query;
use crate::schema::Table;

/// The text of an endpoint's query.
pub fn sql(table: Table) -> &'static str {
    match table {
        Table::Sources => include_str!("../../sql/sources.sql"),
        Table::Objects => include_str!("../../sql/objects.sql"),
        Table::Fp => include_str!("../../sql/fp.sql"),
    }
}

/// Parses an endpoint's query against the table registered in `session`; parameters stay open.
pub async fn plan(session: &SessionContext, table: Table) -> Result<LogicalPlan> {
    session.state().create_logical_plan(sql(table)).await
}

/// The values of a query's parameters, by name.
pub fn parameters(query: &Query) -> Vec<(&'static str, ScalarValue)> {
    let ids: Vec<_> = query.ids.iter().map(|&id| ScalarValue::Int64(Some(id))).collect();
    let mut values =
        vec![("ids", ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Int64)))];
    if query.table == Table::Sources {
        values.push((
            "time_from",
            ScalarValue::Float64(query.time.as_ref().map(|time| time.from_mjd)),
        ));
        values.push(("time_to", ScalarValue::Float64(query.time.as_ref().map(|time| time.to_mjd))));
    }
    values
}

/// Binds a query's values to the plan of its endpoint and keeps the stored columns `columns`, in that order.
pub fn bind(plan: &LogicalPlan, query: &Query, columns: &[&str]) -> Result<LogicalPlan> {
    let values: Vec<_> =
        parameters(query).into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    let bound = plan.clone().with_param_values(ParamValues::from(values))?;
    let columns = columns.iter().map(|name| Expr::Column(Column::from_name(*name)));
    LogicalPlanBuilder::from(bound).project(columns)?.build()
}
