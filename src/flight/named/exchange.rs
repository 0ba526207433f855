//! The rows of many objects. In: messages, the first with the descriptor of a request without ids, all with batches of
//! ids. Out: the rows in key order, and a last batch without rows whose `app_metadata` is a JSON object: how many ids were
//! `asked` for, `found` and `not_found` to have rows, the `snapshot`, and the `warning` if there is one.
//!
//! Rows come in key order, so all ids are taken before the first row goes out, and a client may write everything before it
//! reads anything.

use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use futures::{StreamExt, TryStreamExt, future, stream};
use serde_json::json;
use tokio::time::timeout;
use tonic::Streaming;

use super::answer::without_rows;
use super::ids::{Ids, SortedIds};
use super::info::metadata;
use super::matches;
use super::request::NamedRequest;
use crate::error::{Error, Result};
use crate::flight::status::status;
use crate::flight::wire::{self, Messages};
use crate::limits::{Limits, too_slow};
use crate::query::{Engine, Query};
use crate::schema::KEY;
use crate::warehouse::AsOf;
use crate::workers::{Limit, Workers};

/// Ids of one exchange.
const MAX_IDS: usize = 20_000_000;

/// Answers at once, and does everything while the answer is read: some clients write only when they can read.
pub fn exchange(
    engine: Engine,
    workers: Workers,
    limits: Limits,
    messages: Streaming<FlightData>,
) -> Messages {
    let answer = async { answered(engine, workers, limits, messages).await.map_err(status) };
    stream::once(answer).try_flatten().boxed()
}

async fn answered(
    engine: Engine,
    workers: Workers,
    limits: Limits,
    mut messages: Streaming<FlightData>,
) -> Result<Messages> {
    let idle_limit = limits.options.time_limit;
    let place = limits.bulk_reads.enter().await?;
    let first = in_time(idle_limit, messages.message()).await?;
    let first = first.map_err(|status| of_messages(status.into()))?.unwrap_or_default();
    let request = request_of(&first)?;
    let answer = without_rows(&engine, &request.query).await?;
    let (schema, snapshot) = (answer.schema, answer.versions.table);
    let warning = request.warning(&answer.unknown_columns);
    let query = Query { as_of: Some(AsOf::Version(snapshot)), ..request.query };

    let ids = Ids::new(MAX_IDS, engine.memory("the ids of an exchange"));
    let ids = workers.run(received(first, messages, ids, idle_limit)).await?;
    let asked = ids.ids.len() as u64;
    let (rows, found) = matches::rows(engine, workers.clone(), query, ids, schema.clone());
    let rows = future::ready(Ok(rows));
    let rows = workers.stream(schema.clone(), place, Limit::Idle(idle_limit), rows);
    let last = async move {
        let found = found.load(Ordering::Relaxed);
        let counts =
            json!({"asked": asked, "found": found, "not_found": asked.saturating_sub(found)});
        wire::note(&schema, metadata(counts, snapshot, warning)).map_err(status)
    };
    let messages = wire::flight_data(&workers, rows, request.compression);
    Ok(messages.chain(stream::once(last)).boxed())
}

/// The ids of all messages, of which the first has come.
async fn received(
    first: FlightData,
    messages: Streaming<FlightData>,
    mut ids: Ids,
    idle_limit: Duration,
) -> Result<SortedIds> {
    let batches = stream::iter([Ok(first)]).chain(messages).map_err(FlightError::from);
    // A message may have a descriptor or metadata alone.
    let batches = batches.try_filter(|message| future::ready(!message.data_header.is_empty()));
    let mut batches = FlightRecordBatchStream::new_from_flight_data(batches);
    while let Some(batch) = in_time(idle_limit, batches.next()).await? {
        ids.add(&batch.map_err(of_messages)?)?;
    }
    Ok(ids.sorted())
}

async fn in_time<T>(idle_limit: Duration, message: impl Future<Output = T>) -> Result<T> {
    let message = timeout(idle_limit, message).await;
    message.map_err(|_| too_slow(idle_limit, "send the ids as they come"))
}

/// A request for a whole table, as it is before the ids have come.
fn request_of(first: &FlightData) -> Result<NamedRequest> {
    let descriptor = first.flight_descriptor.as_ref();
    let descriptor = descriptor
        .ok_or_else(|| Error::argument("the first message of an exchange needs a descriptor"))?;
    let request = NamedRequest::of(descriptor)?;
    if !request.is_whole_table() {
        let text = format!(
            "{KEY} of an exchange is a column of its batches; leave it out of the descriptor"
        );
        return Err(Error::argument(text));
    }
    if request.query.limit.is_some() {
        return Err(Error::argument("an exchange has no limit; stop reading it instead"));
    }
    Ok(request)
}

fn of_messages(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => Error::argument(format!("the ids: {}", status.message())),
        error => Error::argument(format!("the ids: {error}")),
    }
}
