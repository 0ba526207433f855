//! The SQL of a query: a text with just the conditions that the query has, and the values of its parameters. The parts of the texts are
//! written once, those of the tables in `sql/`. Values are bound, never formatted into the text.

use std::fmt;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::Field;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr::Placeholder;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{Circle, ObjectIds, Order, Query, Rows};
use crate::plan::{ParameterValues, parameter_value};

/// The view of the sources that upper limits stand beside: the quality cuts.
pub const TAGGED_SOURCES: (&str, &str) =
    ("tagged_sources", include_str!("../../sql/views/tagged_sources.sql"));

/// More than separations are rounded by.
const ROUNDING_DEG: f64 = 1e-9;

/// The SQL of a query and the values of its parameters.
pub(crate) struct QuerySql {
    /// The statement, with parameters.
    pub text: SqlText,
    /// The values of the parameters that the text has, and of no others.
    pub values: ParameterValues,
}

/// The parts of a statement. There are few different ones: a plan is made once for each.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(crate) struct SqlText {
    select: &'static str,
    /// A condition on `diaObjectId`.
    ids: Option<&'static str>,
    /// A condition on `midpointMjdTai`.
    time: Option<&'static str>,
    /// A condition on `ra` and `dec`.
    within: Option<&'static str>,
    order_by: &'static str,
}

impl QuerySql {
    /// The SQL of a query.
    pub(crate) fn from_query(query: &Query) -> Self {
        Self::new(&query.rows, &query.ids)
    }

    /// The SQL for rows of some objects.
    pub(crate) fn new(rows: &Rows, ids: &ObjectIds) -> Self {
        let (select, order_by) = (select(rows), order_by(rows));
        let mut values = ParameterValues::new();
        let ids = ids_condition(ids, &mut values);
        let time = rows.time().map(|time| {
            values.push(("time_from", time.from_mjd.into()));
            values.push(("time_to", time.to_mjd.into()));
            "midpointMjdTai >= $time_from AND midpointMjdTai <= $time_to"
        });
        let within = place_condition(rows, &mut values);
        Self { text: SqlText { select, ids, time, within, order_by }, values }
    }

    /// Parses it against the tables of a session; parameters stay open, their types known.
    pub(crate) async fn plan(&self, session: &SessionState) -> Result<LogicalPlan> {
        let plan = session.create_logical_plan(&self.text.to_string()).await?;
        let typed = |expr| match &expr {
            Expr::Placeholder(Placeholder { id, .. }) => match parameter_value(&self.values, id) {
                Some(value) => {
                    let field = Arc::new(Field::new("", value.data_type(), true));
                    let typed = Placeholder::new_with_field(id.clone(), Some(field));
                    Ok(Transformed::yes(Expr::Placeholder(typed)))
                }
                None => Ok(Transformed::no(expr)),
            },
            _ => Ok(Transformed::no(expr)),
        };
        let typed = |plan: LogicalPlan| plan.map_expressions(|expr| expr.transform(typed));
        plan.transform(typed).data()
    }
}

fn select(rows: &Rows) -> &'static str {
    match rows {
        Rows::Sources { .. } | Rows::SourcesWithin(_) => include_str!("../../sql/sources.sql"),
        Rows::NewestSources => include_str!("../../sql/newest_sources.sql"),
        Rows::Objects => include_str!("../../sql/objects.sql"),
        Rows::Fp { .. } => include_str!("../../sql/fp.sql"),
        Rows::SourcesWithUpperLimits { .. } => include_str!("../../sql/sources_withupperlim.sql"),
    }
}

fn order_by(rows: &Rows) -> &'static str {
    match rows {
        Rows::Objects => "diaObjectId",
        Rows::Sources { order: Order::NewestFirst, .. } => {
            "midpointMjdTai DESC, diaObjectId, diaSourceId"
        }
        Rows::Fp { order: Order::NewestFirst } => {
            "midpointMjdTai DESC, diaObjectId, diaForcedSourceId"
        }
        Rows::SourcesWithUpperLimits { .. } => {
            "midpointMjdTai DESC, diaObjectId, diaSourceId, diaForcedSourceId"
        }
        Rows::NewestSources => "diaObjectId",
        // The order of the files, with the rows of each object reversed.
        Rows::Sources { order: Order::ByObject, .. } | Rows::SourcesWithin(_) => {
            "diaObjectId, midpointMjdTai DESC, diaSourceId DESC"
        }
        Rows::Fp { order: Order::ByObject } => {
            "diaObjectId, midpointMjdTai DESC, diaForcedSourceId DESC"
        }
    }
}

/// The condition on `diaObjectId`; `None` if every id is wanted. Rows without an id come last, so they belong to a range without an end.
fn ids_condition(ids: &ObjectIds, values: &mut ParameterValues) -> Option<&'static str> {
    let range = match ids {
        ObjectIds::Listed(ids) => {
            values.push(("ids", id_list(ids)));
            return Some("diaObjectId = ANY ($ids)");
        }
        ObjectIds::Within(range) => range,
    };
    let (first, last) = (*range.start(), *range.end());
    let limits = (first > i64::MIN, last < i64::MAX);
    if limits.0 {
        values.push(("first_id", first.into()));
    }
    if limits.1 {
        values.push(("last_id", last.into()));
    }
    match limits {
        (false, false) => None,
        (true, false) => Some("(diaObjectId >= $first_id OR diaObjectId IS NULL)"),
        (false, true) => Some("diaObjectId <= $last_id"),
        (true, true) => Some("diaObjectId >= $first_id AND diaObjectId <= $last_id"),
    }
}

/// The condition on the place of a source. What lies within it differs in declination
/// by its radius at most: that is cheap to test, and all there is to test of most rows.
fn place_condition(rows: &Rows, values: &mut ParameterValues) -> Option<&'static str> {
    let Rows::SourcesWithin(Circle { ra_deg, dec_deg, radius_deg }) = *rows else { return None };
    values.push(("ra_deg", ra_deg.into()));
    values.push(("dec_deg", dec_deg.into()));
    values.push(("radius_deg", radius_deg.into()));
    values.push(("dec_from_deg", (dec_deg - radius_deg - ROUNDING_DEG).into()));
    values.push(("dec_to_deg", (dec_deg + radius_deg + ROUNDING_DEG).into()));
    Some(
        "dec >= $dec_from_deg AND dec <= $dec_to_deg AND angular_separation_deg($ra_deg, $dec_deg, ra, dec) <= $radius_deg",
    )
}

fn id_list(ids: &[i64]) -> ScalarValue {
    let ids = Int64Array::from(ids.to_vec());
    SingleRowListArrayBuilder::new(Arc::new(ids)).build_list_scalar()
}

impl fmt::Display for SqlText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { select, ids, time, within, order_by } = self;
        let filtered = select
            .replace("{where_at_any_time}", &where_all(ids.iter()))
            .replace("{where}", &where_all(ids.iter().chain(time).chain(within)));
        write!(f, "{}\nORDER BY {order_by}", filtered.trim_end())
    }
}

fn where_all<'a>(conditions: impl Iterator<Item = &'a &'static str>) -> String {
    let conditions: Vec<_> = conditions.copied().collect();
    match conditions.is_empty() {
        true => String::new(),
        false => format!("WHERE {}", conditions.join(" AND ")),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray;
    use datafusion::datasource::ViewTable;
    use datafusion::prelude::SessionContext;

    use super::*;
    use crate::query::{Columns, TimeMatch};

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
        let statement = QuerySql::from_query(&Query::with_upper_limits(vec![7], Columns::All));
        let plan = statement.plan(&session.state()).await.unwrap();
        let values = statement.values.into_iter().map(|(name, value)| (name.to_string(), value));
        let plan = plan.with_param_values(values.collect::<Vec<_>>()).unwrap();
        let rows = session.execute_logical_plan(plan).await.unwrap();
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

    #[test]
    fn a_text_has_the_conditions_that_its_query_has_and_no_other() {
        let time = Some(TimeMatch::parse("61105").unwrap());
        let sources = |order, time: &Option<TimeMatch>| Rows::Sources { order, time: time.clone() };
        let limits = Rows::SourcesWithUpperLimits { time: time.clone(), fp_version: None };
        let every = ObjectIds::EVERY;
        for (rows, ids, parameters) in [
            (sources(Order::NewestFirst, &None), ObjectIds::Listed(vec![7]), &["ids"][..]),
            (sources(Order::ByObject, &time), every.clone(), &["time_from", "time_to"]),
            (limits, ObjectIds::Listed(vec![7]), &["ids", "time_from", "time_to"]),
            (Rows::Objects, every, &[]),
            (Rows::Objects, ObjectIds::Within(3..=5), &["first_id", "last_id"]),
            (Rows::Objects, ObjectIds::Within(3..=i64::MAX), &["first_id"]),
            (Rows::Objects, ObjectIds::Within(i64::MIN..=5), &["last_id"]),
        ] {
            let statement = QuerySql::new(&rows, &ids);
            let text = statement.text.to_string();
            let named: Vec<_> = statement.values.iter().map(|(name, _)| *name).collect();
            assert_eq!(named, parameters, "{text}");
            for name in ["ids", "first_id", "last_id", "time_from", "time_to"] {
                assert_eq!(text.contains(&format!("${name}")), named.contains(&name), "{text}");
            }
            assert!(!text.contains('{'), "{text}");
            assert_eq!(text.contains("IS NULL)"), named == ["first_id"], "{text}");
        }
    }
}
