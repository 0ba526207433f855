//! DoExchange: a client sends ids and gets the rows of these objects, or sends places and gets the objects near each. The first message has
//! the descriptor of a request without ids or places; all messages have batches of them. A last batch without rows has as `app_metadata`
//! a JSON object: of ids how many were `asked` for, `found` and `not_found` to have rows, of places how many were `asked` for, `matched`
//! and `unmatched`; the `snapshot`; and the `warning` if there is one.
//!
//! All ids or places are taken before the first row goes out: rows of ids come in key order, and a client may write everything before it
//! reads anything. A place among the bulk reads is taken when they have come: who sends none keeps nobody waiting.

use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use arrow::record_batch::RecordBatch;
use arrow_flight::FlightData;
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt, future, stream};
use serde_json::json;
use tokio::time::timeout;
use tonic::Streaming;

use super::answer::without_rows;
use super::crossmatch::{self, CrossmatchCommand};
use super::ids::Ids;
use super::info::metadata;
use super::matches;
use super::places::StreamedPlaces;
use super::request::EndpointRequest;
use crate::error::{Error, Result};
use crate::flight::checked_batches;
use crate::flight::status::status;
use crate::flight::wire::{self, Messages};
use crate::limits::{HeldMemory, Limits, Permit, too_slow};
use crate::query::{Engine, Query};
use crate::schema::KEY;
use crate::telemetry::{RowsSent, noted};
use crate::warehouse::AsOf;
use crate::workers::{Limit, Workers};

/// The most ids of one exchange.
const MAX_IDS: usize = 20_000_000;
/// The most places.
const MAX_PLACES: usize = 10_000_000;

/// What an exchange works with.
#[derive(Clone)]
pub(crate) struct Exchange {
    pub engine: Engine,
    pub workers: Workers,
    pub limits: Limits,
    pub sent: RowsSent,
}

/// What a client sends.
struct ExchangeInput {
    first: FlightData,
    messages: Streaming<FlightData>,
    /// Counts what is kept of it.
    memory: HeldMemory,
    /// The permit to send.
    _sending: Permit,
}

impl Exchange {
    /// Returns the answer at once, and takes what the client sends while it is read: some clients write only once they can read.
    pub(crate) fn answer(self, messages: Streaming<FlightData>) -> Messages {
        let answer = async move { self.answered(messages).await.map_err(status) };
        stream::once(answer).try_flatten().boxed()
    }

    async fn answered(self, mut messages: Streaming<FlightData>) -> Result<Messages> {
        let _sending = self.limits.exchanges.enter().await?;
        let first =
            in_time("the ids or places", self.limits.ids_idle_limit(), messages.message()).await?;
        let first = first
            .map_err(|status| Error::argument(format!("the first message: {}", status.message())))?
            .unwrap_or_default();
        let mut memory = self.limits.exchange_ids.hold();
        memory
            .resize(first.data_header.len() + first.data_body.len() + first.app_metadata.len())?;
        let descriptor = first.flight_descriptor.as_ref();
        let descriptor = descriptor.ok_or_else(|| {
            Error::argument("the first message of an exchange needs a descriptor")
        })?;
        let crossmatch = CrossmatchCommand::from_descriptor(descriptor)?;
        let request = match &crossmatch {
            Some(_) => None,
            None => Some(EndpointRequest::from_descriptor(descriptor)?),
        };
        let received = ExchangeInput { first, messages, memory, _sending };
        match (crossmatch, request) {
            (Some(command), _) => self.near_places(command, received).await,
            (None, Some(request)) => self.of_ids(request, received).await,
            (None, None) => Err(Error::internal("an exchange of neither ids nor places")),
        }
    }

    /// The rows of the objects whose ids come.
    async fn of_ids(self, request: EndpointRequest, received: ExchangeInput) -> Result<Messages> {
        noted(request.text.as_bytes());
        check(&request)?;
        let answer =
            without_rows(&self.engine, &request.query, &self.limits, &self.workers).await?;
        let (schema, snapshot) = (answer.schema, answer.versions.table);
        let warning = request.warning(&answer.unknown_columns);
        let as_of = AsOf::Exactly { version: snapshot, id: answer.versions.ids[0] };
        let query = Query { as_of: Some(as_of), ..request.query };
        let ids = self.received("the ids", received, |memory| Ids::new(MAX_IDS, memory), Ids::add);
        let ids = ids.await?.sorted();
        let asked = ids.as_slice().len() as u64;
        let (engine, workers) = (self.engine.clone(), self.workers.clone());
        let (rows, found) = matches::rows(engine, workers, query, ids, schema.clone());
        let last = move || {
            let found = found.load(Ordering::Relaxed);
            let counts =
                json!({"asked": asked, "found": found, "not_found": asked.saturating_sub(found)});
            metadata(counts, snapshot.into(), warning)
        };
        self.sent(rows, schema, request.compression, last).await
    }

    /// The objects near the places that come.
    async fn near_places(
        self,
        command: CrossmatchCommand,
        received: ExchangeInput,
    ) -> Result<Messages> {
        noted(command.text.as_bytes());
        let prepared = command.prepare(&self.engine).await?;
        let (compression, schema) = (command.compression, prepared.schema.clone());
        let (snapshot, warning) = (prepared.snapshot.clone(), prepared.warning.clone());
        let new = |memory| StreamedPlaces::new(MAX_PLACES, memory);
        let places = self.received("the places", received, new, StreamedPlaces::add).await?;
        let asked = places.as_slice().len() as u64;
        let (engine, workers) = (self.engine.clone(), self.workers.clone());
        let (rows, matched) = crossmatch::rows(engine, workers, prepared, places);
        let last = move || {
            let matched = matched.load(Ordering::Relaxed);
            let counts = json!({
                "asked": asked, "matched": matched, "unmatched": asked.saturating_sub(matched),
            });
            metadata(counts, snapshot.into(), warning)
        };
        self.sent(rows, schema, compression, last).await
    }

    /// All that a client sends, as `add` collects it on the workers.
    async fn received<T: Send + 'static>(
        &self,
        what: &'static str,
        received: ExchangeInput,
        new: impl FnOnce(HeldMemory) -> T,
        add: fn(&mut T, &RecordBatch) -> Result<()>,
    ) -> Result<T> {
        let ExchangeInput { first, messages, memory, _sending } = received;
        let (mut all, idle_limit) = (new(memory), self.limits.ids_idle_limit());
        let collected = async move {
            let messages = stream::iter([Ok(first)]).chain(messages);
            let mut batches = checked_batches::batches(what, messages);
            while let Some(batch) = in_time(what, idle_limit, batches.next()).await? {
                add(&mut all, &batch?)?;
            }
            Ok(all)
        };
        let time_limit = self.limits.options.time_limit;
        self.workers.run(async move { in_time(what, time_limit, collected).await? }).await
    }

    /// The messages of rows, and at the end what `last` says of them.
    async fn sent(
        self,
        rows: SendableRecordBatchStream,
        schema: SchemaRef,
        compression: Option<CompressionType>,
        last: impl FnOnce() -> String + Send + 'static,
    ) -> Result<Messages> {
        let place = self.limits.bulk_reads.enter().await?;
        let rows = future::ready(Ok(rows));
        let rows = self.workers.stream(schema.clone(), (), Limit::NONE, rows);
        let last = async move { wire::note(&schema, last()).map_err(status) };
        let (limit, rows) = (Limit::idle(self.limits.options.time_limit), self.sent.counted(rows));
        let messages = wire::limited_flight_data(&self.workers, rows, compression, place, limit);
        Ok(messages.chain(stream::once(last)).boxed())
    }
}

async fn in_time<T>(what: &str, limit: Duration, sent: impl Future<Output = T>) -> Result<T> {
    let sent = timeout(limit, sent).await;
    sent.map_err(|_| too_slow(limit, &format!("send {what} without pauses")))
}

/// Refuses what an exchange of ids cannot have. It must not name objects, since the ids follow.
fn check(request: &EndpointRequest) -> Result<()> {
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
    Ok(())
}
