//! The queries for the light curve of one object, which its page and its picture both ask.
//!
//! Tables of others may lack columns that the quality cuts or the upper limits are made of. Then `v:tag` is not among the columns that
//! the server computes: all detections are taken for good ones, and [`Detections::missing`] says what is not shown.

use crate::error::Result;
use crate::failure;
use crate::plot::WITHDRAWN;
use crate::query::{Columns, Engine, Query};
use crate::schema::{TAG, Table};

/// How to ask for the detections of an object.
pub(crate) struct Detections {
    /// The newest first.
    pub query: Query,
    /// Whether the rows have `v:tag`. Then forced photometry is among them: upper limits, and measurements without a detection.
    pub are_tagged: bool,
}

impl Detections {
    /// What the tables lack to tag them.
    pub(crate) fn missing(&self) -> Option<String> {
        (!self.are_tagged).then(|| "the columns of the quality cuts and upper limits".to_string())
    }
}

/// The query for the detections of an object: for `columns`, and for `of_tagged` where the rows can be tagged.
pub(crate) async fn detections(
    engine: &Engine,
    dia_object_id: i64,
    columns: &[&str],
    of_tagged: &[&str],
) -> Result<Detections> {
    let computed = engine.computed_schema(Table::Sources).await.map_err(failure::from_reading)?;
    let (are_tagged, ids) = (computed.field_with_name(TAG).is_ok(), vec![dia_object_id]);
    let query = match are_tagged {
        true => Query::with_upper_limits(ids, named(&[columns, of_tagged].concat())),
        false => Query::newest_first(Table::Sources, ids, named(columns)),
    };
    Ok(Detections { query, are_tagged })
}

/// The query for the forced photometry of an object: for `columns`, and for when Rubin withdrew it.
pub(crate) fn forced(dia_object_id: i64, columns: &[&str]) -> Query {
    let columns = named(&[columns, &[WITHDRAWN]].concat());
    Query::newest_first(Table::Fp, vec![dia_object_id], columns)
}

/// The columns that a query asked for and its table does not have, as they are told to people. A table without a time of withdrawal
/// has no withdrawn measurement: nothing is missing then.
pub(crate) fn missing(query: &Query, unknown: impl IntoIterator<Item = String>) -> Vec<String> {
    let table = query.table().name();
    let unknown = unknown.into_iter().filter(|column| column != WITHDRAWN);
    unknown.map(|column| format!("{table} {column}")).collect()
}

fn named(columns: &[&str]) -> Columns {
    Columns::Named(columns.iter().map(|name| name.to_string()).collect())
}
