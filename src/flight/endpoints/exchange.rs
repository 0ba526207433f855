//! DoExchange: a client sends ids and gets the rows of these objects. The first message has the descriptor of a request without ids; all
//! messages have batches of ids. The rows come in key order. A last batch without rows has as `app_metadata` a JSON object that says how
//! many ids were `asked` for, how many were `found` and `not_found` to have rows, the `snapshot`, and the `warning` if there is one.
//!
//! Rows come in key order, so all ids are taken before the first row goes out, and a client may write everything before it
//! reads anything. A place among the bulk reads is taken when the ids have come: who sends none keeps nobody waiting.

use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow_flight::FlightData;
use futures::{StreamExt, TryStreamExt, future, stream};
use serde_json::json;
use tokio::time::timeout;
use tonic::Streaming;

use super::answer::without_rows;
use super::ids::{Ids, SortedIds};
use super::info::metadata;
use super::matches;
use super::request::EndpointRequest;
use crate::error::{Error, Result};
use crate::flight::checked_batches;
use crate::flight::status::status;
use crate::flight::wire::{self, Messages};
use crate::limits::{HeldMemory, Limits, too_slow};
use crate::query::{Engine, Query};
use crate::schema::KEY;
use crate::telemetry::{RowsSent, noted};
use crate::warehouse::AsOf;
use crate::workers::{Limit, Workers};

/// The most ids of one exchange.
const MAX_IDS: usize = 20_000_000;

/// Returns the answer at once, and takes the ids while it is read: some clients write only once they can read.
pub(crate) fn exchange(
    engine: Engine,
    workers: Workers,
    limits: Limits,
    sent: RowsSent,
    messages: Streaming<FlightData>,
) -> Messages {
    let answer = async { answered(engine, workers, limits, sent, messages).await.map_err(status) };
    stream::once(answer).try_flatten().boxed()
}

async fn answered(
    engine: Engine,
    workers: Workers,
    limits: Limits,
    sent: RowsSent,
    mut messages: Streaming<FlightData>,
) -> Result<Messages> {
    let (time_limit, idle_limit) = (limits.options.time_limit, limits.ids_idle_limit());
    let sending = limits.exchanges.enter().await?;
    let first = in_time(idle_limit, messages.message()).await?;
    let first =
        first.map_err(|status| Error::argument(format!("the ids: {}", status.message())))?;
    let first = first.unwrap_or_default();
    let mut memory = limits.exchange_ids.hold();
    memory.resize(first.data_header.len() + first.data_body.len() + first.app_metadata.len())?;
    let request = request_of(&first)?;
    noted(request.text.as_bytes());
    let answer = without_rows(&engine, &request.query, &limits, &workers).await?;
    let (schema, snapshot) = (answer.schema, answer.versions.table);
    let warning = request.warning(&answer.unknown_columns);
    let as_of = AsOf::Exactly { version: snapshot, id: answer.versions.ids[0] };
    let query = Query { as_of: Some(as_of), ..request.query };

    let ids = received(first, messages, memory, idle_limit);
    let ids = workers.run(async move { in_time(time_limit, ids).await? }).await?;
    let place = limits.bulk_reads.enter().await?;
    drop(sending);
    let asked = ids.as_slice().len() as u64;
    let (rows, found) = matches::rows(engine, workers.clone(), query, ids, schema.clone());
    let rows = workers.stream(schema.clone(), (), Limit::NONE, future::ready(Ok(rows)));
    let last = async move {
        let found = found.load(Ordering::Relaxed);
        let counts =
            json!({"asked": asked, "found": found, "not_found": asked.saturating_sub(found)});
        wire::note(&schema, metadata(counts, snapshot, warning)).map_err(status)
    };
    let (limit, rows) = (Limit::idle(time_limit), sent.counted(rows));
    let messages = wire::limited_flight_data(&workers, rows, request.compression, place, limit);
    Ok(messages.chain(stream::once(last)).boxed())
}

/// The ids of all messages, of which the first has come.
async fn received(
    first: FlightData,
    messages: Streaming<FlightData>,
    memory: HeldMemory,
    idle_limit: Duration,
) -> Result<SortedIds> {
    let mut ids = Ids::new(MAX_IDS, memory);
    let mut batches =
        checked_batches::batches("the ids", stream::iter([Ok(first)]).chain(messages));
    while let Some(batch) = in_time(idle_limit, batches.next()).await? {
        ids.add(&batch?)?;
    }
    Ok(ids.sorted())
}

async fn in_time<T>(idle_limit: Duration, message: impl Future<Output = T>) -> Result<T> {
    let message = timeout(idle_limit, message).await;
    message.map_err(|_| too_slow(idle_limit, "send the ids without pauses"))
}

/// The request of an exchange, from the descriptor of its first message. It must not name objects, since the ids follow.
fn request_of(first: &FlightData) -> Result<EndpointRequest> {
    let descriptor = first.flight_descriptor.as_ref();
    let descriptor = descriptor
        .ok_or_else(|| Error::argument("the first message of an exchange needs a descriptor"))?;
    let request = EndpointRequest::from_descriptor(descriptor)?;
    if !request.is_whole_table() {
        let text = format!(
            "{KEY} of an exchange is a column of its batches; leave it out of the descriptor"
        );
        return Err(Error::argument(text));
    }
    if request.follows {
        let text = "an exchange has an end: ask for a stream by a ticket";
        return Err(Error::argument(text));
    }
    if request.query.limit.is_some() {
        return Err(Error::argument("an exchange has no limit; stop reading it instead"));
    }
    Ok(request)
}
