//! Rows for a page. In: a query. Out: its rows as values of a type that names the columns it knows, and what they are from.
//!
//! They go through the JSON that clients get, so that a page shows the digits that an answer has.

use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use futures::TryStreamExt;
use serde::de::DeserializeOwned;

use crate::encode::{Format, encode};
use crate::error::{Error, Result};
use crate::failure;
use crate::query::{Engine, Query};
use crate::rest::bounded::Placement;

/// All rows of an answer: for queries that are bounded.
pub struct Read<T> {
    pub rows: Vec<T>,
    /// Served names, described.
    pub schema: SchemaRef,
    /// Of the table.
    pub version: u64,
}

pub async fn read<T: DeserializeOwned + Send + 'static>(
    engine: &Engine,
    placement: &Placement,
    query: &Query,
) -> Result<Read<T>> {
    let answer = engine.run(query).await.map_err(failure::of_reading)?;
    let (schema, version) = (answer.schema, answer.versions.table);
    let (table, chunks) = (query.table.name(), encode(Format::Json, answer.rows));
    let rows = async move {
        let json = chunks.try_collect::<Vec<Bytes>>().await.map_err(failure::of_reading)?.concat();
        serde_json::from_slice(&json).map_err(|error| {
            Error::internal(format!("a column of {table} has not the type it is known by: {error}"))
        })
    };
    let rows = placement.work(answer.is_large, rows).await?;
    Ok(Read { rows, schema, version })
}
