//! Reads the rows of a query into a type that names the columns it knows.
//!
//! They go through the JSON that clients get, so that a page shows the digits that an answer has; batch after batch, so that memory is
//! what is made of them.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{TryStreamExt, stream};
use serde::de::DeserializeOwned;

use crate::encode::{Format, encode};
use crate::error::{Error, Result};
use crate::failure;
use crate::query::{Answer, Engine, FoundObjects, Query};
use crate::rest::bounded::Placement;
use crate::schema::Table;
use crate::telemetry::planned;

/// The rows of an answer, and what they are from.
pub(crate) struct Read<T> {
    pub rows: T,
    /// The served columns with their descriptions.
    pub schema: SchemaRef,
    /// The version of the table.
    pub version: u64,
    /// Columns that were asked for and that the table does not have.
    pub missing: Vec<String>,
}

/// Reads all rows. For queries with a bounded number of rows.
pub(crate) async fn read<T: DeserializeOwned + Send + 'static>(
    engine: &Engine,
    placement: &Placement,
    query: &Query,
) -> Result<Read<Vec<T>>> {
    fold(engine, placement, query, Vec::new(), Vec::push).await
}

/// Gives each row to `take`, in order.
pub(crate) async fn fold<S: Send + 'static, T: DeserializeOwned + Send + 'static>(
    engine: &Engine,
    placement: &Placement,
    query: &Query,
    state: S,
    take: fn(&mut S, T),
) -> Result<Read<S>> {
    let answer = engine.run(query).await.map_err(failure::from_reading)?;
    fold_answer(placement, answer, query.table(), state, take).await
}

/// The newest sources of what a search found, in its order.
pub(crate) async fn read_found<T: DeserializeOwned + Send + 'static>(
    engine: &Engine,
    placement: &Placement,
    found: FoundObjects,
) -> Result<Read<Vec<T>>> {
    let answer = planned(engine.newest_sources(found)).await.map_err(failure::from_reading)?;
    fold_answer(placement, answer, Table::Sources, Vec::new(), Vec::push).await
}

async fn fold_answer<S: Send + 'static, T: DeserializeOwned + Send + 'static>(
    placement: &Placement,
    answer: Answer,
    table: Table,
    mut state: S,
    take: fn(&mut S, T),
) -> Result<Read<S>> {
    let (schema, version) = (answer.schema, answer.versions.table);
    let (mut batches, table) = (answer.rows, table.name());
    let rows = async move {
        while let Some(batch) = batches.try_next().await.map_err(Error::from)? {
            for row in values(batch, table).await? {
                take(&mut state, row);
            }
        }
        Ok(state)
    };
    let rows = placement.work(answer.is_large, rows).await.map_err(failure::from_reading)?;
    Ok(Read {
        rows,
        schema,
        version,
        missing: answer.unknown_columns.into_iter().map(|column| column.name).collect(),
    })
}

async fn values<T: DeserializeOwned>(batch: RecordBatch, table: &str) -> Result<Vec<T>> {
    let (schema, one) = (batch.schema(), stream::iter([Ok(batch)]));
    let json = encode(Format::Json, Box::pin(RecordBatchStreamAdapter::new(schema, one)));
    let json = json.try_collect::<Vec<Bytes>>().await?.concat();
    serde_json::from_slice(&json).map_err(|error| {
        Error::internal(format!("a column of {table} does not have the expected type: {error}"))
    })
}
