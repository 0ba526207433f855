//! A query as Flight answers it. In: a [`Query`]. Out: its [`Answer`] in the column types that every format has.

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::encode;
use crate::error::{Error, Result};
use crate::failure;
use crate::query::{Answer, Engine, Query};

/// Plans and starts a query. Its rows fail in the words for a client: what a filter cannot compute is the client's to mend.
pub async fn answer(engine: &Engine, query: &Query) -> Result<Answer> {
    let answer = engine.run(query).await.map_err(failure::of_reading)?;
    let of_rows = match query.filter {
        Some(_) => Error::of_statement,
        None => Error::from,
    };
    let rows = encode::served(answer.rows).map_err(failure::of_reading)?;
    let schema = rows.schema();
    let rows = rows.map_err(move |error| failure::of_reading(of_rows(error)).into());
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rows));
    Ok(Answer { schema, rows, ..answer })
}

/// The answer without a row of it: with a limit of 0 everything is planned and checked, and nothing is read.
pub async fn without_rows(engine: &Engine, query: &Query) -> Result<Answer> {
    answer(engine, &Query { limit: Some(0), ..query.clone() }).await
}
