//! The SQL of each endpoint, read from `sql/`, and its parameters. In: a [`Query`]. Out: a logical plan
//! with bound values and a checked projection; nothing is ever formatted into the SQL.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ParamValues, Result, ScalarValue};
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::SessionContext;

use super::{Order, Query, Rows};
use crate::plan::Parameter;
use crate::schema::Table;

/// The view of the sources that upper limits stand beside: the quality cuts.
pub const TAGGED_SOURCES: (&str, &str) =
    ("tagged_sources", include_str!("../../sql/views/tagged_sources.sql"));

/// The text of an endpoint's query. With upper limits there is one order only.
pub fn sql(table: Table, order: Order, upper_limits: bool) -> &'static str {
    if upper_limits {
        return include_str!("../../sql/newest_first/sources_withupperlim.sql");
    }
    match (table, order) {
        (Table::Sources, Order::NewestFirst) => include_str!("../../sql/newest_first/sources.sql"),
        (Table::Objects, Order::NewestFirst) => include_str!("../../sql/newest_first/objects.sql"),
        (Table::Fp, Order::NewestFirst) => include_str!("../../sql/newest_first/fp.sql"),
        (Table::Sources, Order::ByObject) => include_str!("../../sql/by_object/sources.sql"),
        (Table::Objects, Order::ByObject) => include_str!("../../sql/by_object/objects.sql"),
        (Table::Fp, Order::ByObject) => include_str!("../../sql/by_object/fp.sql"),
    }
}

/// Parses an endpoint's query against the tables registered in `session`; parameters stay open, their types known.
pub async fn plan(
    session: &SessionContext,
    table: Table,
    order: Order,
    upper_limits: bool,
) -> Result<LogicalPlan> {
    let plan = session.state().create_logical_plan(sql(table, order, upper_limits)).await?;
    let typed =
        |plan: LogicalPlan| plan.map_expressions(|expr| expr.transform(|expr| Ok(typed(expr))));
    plan.transform(typed).data()
}

fn typed(expr: Expr) -> Transformed<Expr> {
    let Expr::Placeholder(Placeholder { id, .. }) = &expr else { return Transformed::no(expr) };
    let data_type = match id.as_str() {
        "$ids" => DataType::new_list(DataType::Int64, true),
        "$first_id" | "$last_id" => DataType::Int64,
        "$time_from" | "$time_to" => DataType::Float64,
        _ => return Transformed::no(expr),
    };
    let field = Arc::new(Field::new("", data_type, true));
    Transformed::yes(Expr::Placeholder(Placeholder::new_with_field(id.clone(), Some(field))))
}

/// The value of a query's parameter, by its name; `None` where the endpoint has no such parameter.
pub fn parameter<'a>(query: &'a Query, name: &str) -> Option<Parameter<'a>> {
    let (ids, range) = match &query.rows {
        Rows::Of(ids) => (Some(ids.as_slice()), None),
        Rows::Within(range) => (None, Some(range)),
    };
    let time = query.time.as_ref();
    Some(match name {
        "ids" => Parameter::Ids(ids),
        // What is no limit is none: rows without a key are beyond every one.
        "first_id" => {
            Parameter::Id(range.map(|range| *range.start()).filter(|first| *first > i64::MIN))
        }
        "last_id" => Parameter::Id(range.map(|range| *range.end()).filter(|last| *last < i64::MAX)),
        "time_from" if query.table == Table::Sources => {
            Parameter::Mjd(time.map(|time| time.from_mjd))
        }
        "time_to" if query.table == Table::Sources => Parameter::Mjd(time.map(|time| time.to_mjd)),
        _ => return None,
    })
}

/// The values of a query's parameters, by name.
pub fn parameters(query: &Query) -> Vec<(&'static str, ScalarValue)> {
    let names = ["ids", "first_id", "last_id", "time_from", "time_to"];
    let value = |name| match parameter(query, name)? {
        Parameter::Ids(None) => Some(ScalarValue::new_null_list(DataType::Int64, true, 1)),
        Parameter::Ids(Some(ids)) => Some(id_list(ids)),
        Parameter::Id(id) => Some(ScalarValue::Int64(id)),
        Parameter::Mjd(mjd) => Some(ScalarValue::Float64(mjd)),
    };
    names.into_iter().filter_map(|name| Some((name, value(name)?))).collect()
}

fn id_list(ids: &[i64]) -> ScalarValue {
    let ids: Vec<_> = ids.iter().map(|&id| ScalarValue::Int64(Some(id))).collect();
    ScalarValue::List(ScalarValue::new_list_nullable(&ids, &DataType::Int64))
}

/// Binds a query's values to a plan.
pub fn bind(plan: LogicalPlan, query: &Query) -> Result<LogicalPlan> {
    let values = parameters(query).into_iter().map(|(name, value)| (name.to_string(), value));
    plan.with_param_values(ParamValues::from(values.collect::<Vec<_>>()))
}

/// The endpoint's plan with what a query asks for beside its parameters: the predicate `filter`, a limit, and the
/// columns in that order.
pub fn shape(
    plan: &LogicalPlan,
    filter: Option<Expr>,
    limit: Option<usize>,
    columns: Vec<Expr>,
) -> Result<LogicalPlan> {
    let mut shaped = LogicalPlanBuilder::from(plan.clone());
    if let Some(filter) = filter {
        shaped = shaped.filter(filter)?;
    }
    if limit.is_some() {
        shaped = shaped.limit(0, limit)?;
    }
    shaped.project(columns)?.build()
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use datafusion::datasource::ViewTable;

    use super::*;
    use crate::query::Columns;

    /// Of an object with a detection in visit 1, and forced measurements in that and others.
    const TABLES: [&str; 2] = [
        "CREATE TABLE sources AS SELECT 7 AS \"diaObjectId\", 1 AS \"diaSourceId\", visit, 61000.0 + visit AS \"midpointMjdTai\",
         CAST(100 AS REAL) AS \"psfFlux\", CAST(NULL AS DOUBLE) AS \"timeWithdrawnMjdTai\", false AS \"isDipole\", false AS shape_flag,
         false AS \"forced_PsfFlux_flag\", false AS \"forced_PsfFlux_flag_edge\", false AS \"psfFlux_flag\", false AS \"apFlux_flag\",
         false AS centroid_flag, false AS \"pixelFlags\", false AS \"pixelFlags_bad\", false AS \"pixelFlags_cr\", false AS \"pixelFlags_edge\",
         false AS \"pixelFlags_interpolated\", false AS \"pixelFlags_nodata\", saturated AS \"pixelFlags_saturated\",
         CAST(NULL AS BOOLEAN) AS \"pixelFlags_streak\", false AS \"pixelFlags_streakCenter\"
         FROM (VALUES (1, false), (2, true)) AS v(visit, saturated)",
        "CREATE TABLE fp AS SELECT 7 AS \"diaObjectId\", visit AS \"diaForcedSourceId\", visit, 61000.0 + visit AS \"midpointMjdTai\",
         CAST(flux AS REAL) AS \"psfFlux\", CAST(error AS REAL) AS \"psfFluxErr\", withdrawn AS \"timeWithdrawnMjdTai\"
         FROM (VALUES (1, 1000.0, 10.0, CAST(NULL AS DOUBLE)), (3, 49.9, 10.0, NULL), (4, -49.9, 10.0, NULL), (5, 50.0, 10.0, NULL),
         (6, -213285.0, 231.0, NULL), (7, 10.0, 10.0, 61100.0), (8, NULL, 10.0, NULL), (9, 10.0, NULL, NULL), (10, 10.0, 0.0, NULL),
         (11, CAST('NaN' AS DOUBLE), 10.0, NULL), (12, 10.0, CAST('NaN' AS DOUBLE), NULL), (13, 10.0, CAST('inf' AS DOUBLE), NULL))
         AS v(visit, flux, error, withdrawn)",
    ];

    #[tokio::test]
    async fn measurements_are_tagged_by_what_they_say() {
        let session = SessionContext::new_with_config(crate::plan::base_config());
        for table in TABLES {
            session.sql(table).await.unwrap().collect().await.unwrap();
        }
        let (name, text) = TAGGED_SOURCES;
        let view = session.state().create_logical_plan(text).await.unwrap();
        session.register_table(name, Arc::new(ViewTable::new(view, None))).unwrap();
        let plan = plan(&session, Table::Sources, Order::NewestFirst, true).await.unwrap();
        let query = Query::of(Table::Sources, vec![7], Columns::All);
        let rows = session.execute_logical_plan(bind(plan, &query).unwrap()).await.unwrap();
        let rows = rows.select_columns(&["visit", "tag", "fluxLimit"]).unwrap();
        let rows = rows.collect().await.unwrap();
        let rows = arrow::compute::concat_batches(&rows[0].schema(), &rows).unwrap();
        let visits = rows.column(0).as_primitive::<arrow::datatypes::Int64Type>().iter();
        let limits = rows.column(2).as_primitive::<arrow::datatypes::Float32Type>().iter();
        let tags = rows.column(1).as_string::<i32>().iter();
        let mut tagged: Vec<_> = visits.zip(tags.zip(limits)).collect();
        tagged.sort_by_key(|(visit, _)| *visit);
        let expected = [
            (1, "valid", None),
            (2, "badquality", None),
            (3, "upperlim", Some(50.0)),
            (4, "upperlim", Some(50.0)),
            (5, "forced", None),
            (6, "forced", None),
        ];
        let poor = (7..=13).map(|visit| (visit, "badforced", None));
        let expected = expected.into_iter().chain(poor);
        let expected: Vec<_> =
            expected.map(|(visit, tag, limit)| (Some(visit), (Some(tag), limit))).collect();
        assert_eq!(tagged, expected);
    }
}
