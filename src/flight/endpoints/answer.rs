//! The [`Answer`] to a query, in the column types that every format has.

use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::TryStreamExt;

use crate::encode;
use crate::error::Result;
use crate::failure;
use crate::limits::Limits;
use crate::query::{Answer, Engine, Query};
use crate::workers::Workers;

/// Plans and starts a query. Its rows fail in the words for a client: what a filter cannot compute is the client's to mend.
pub(crate) async fn answer(engine: &Engine, query: &Query) -> Result<Answer> {
    let answer = engine.run(query).await.map_err(failure::from_reading)?;
    let rows = encode::served(answer.rows).map_err(failure::from_reading)?;
    let (schema, query) = (rows.schema(), query.clone());
    let rows = rows.map_err(move |error| failure::from_reading(query.failed(error)).into());
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rows));
    Ok(Answer { schema, rows, ..answer })
}

/// The answer without rows: with a limit of 0 everything is planned and checked, and nothing is read. A filter is planned on the
/// workers. Its permit is held until it is planned, even if the caller has stopped waiting.
pub(crate) async fn without_rows(
    engine: &Engine,
    query: &Query,
    limits: &Limits,
    workers: &Workers,
) -> Result<Answer> {
    let query = Query { limit: Some(0), ..query.clone() };
    if query.filter.is_none() {
        return answer(engine, &query).await;
    }
    let (place, engine) = (limits.planning.enter().await?, engine.clone());
    let planned = async move {
        let _place = place;
        answer(&engine, &query).await
    };
    workers.run(planned).await
}
