//! The endpoints of REST over Flight, and whole tables. Rows have the names that REST gives and the order (`diaObjectId`, `midpointMjdTai`
//! descending).
//!
//! Lookups by id run where REST's do and within the same limits, the large ones on the workers; whole tables, exchanges and whatever
//! has a filter run on the workers, as long as the client goes on taking rows.

mod answer;
mod crossmatch;
mod exchange;
mod ids;
mod info;
mod matches;
mod places;
mod request;
mod stream;
mod ticket;

use std::ops::RangeInclusive;
use std::time::Duration;

use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::{FlightData, FlightDescriptor, FlightInfo, SchemaAsIpc, SchemaResult};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Streaming;

use self::answer::{answer, without_rows};
use self::exchange::Exchange;
use self::info::Heading;
pub(crate) use self::request::EndpointRequest;
use self::ticket::Ticket;
use super::wire::{self, Messages};
use crate::error::{Kind, Result};
use crate::limits::{Caller, Limits, Permit, too_slow};
use crate::plan::SnapshotTable;
use crate::query::{Answer, Engine, Query, Split};
use crate::schema::Table;
use crate::telemetry::{RowsSent, noted, planned};
use crate::workers::{Limit, Workers};

const EVERY_KEY: RangeInclusive<i64> = i64::MIN..=i64::MAX;

/// The endpoints. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EndpointService {
    engine: Engine,
    limits: Limits,
    /// The runtime that answers REST, too.
    serving: Workers,
    workers: Workers,
    /// Cancelled when the server is to stop.
    stopping: CancellationToken,
    /// Counts the rows of the call.
    sent: RowsSent,
}

impl EndpointService {
    /// Lookups run on the threads of the caller.
    pub(crate) fn new(
        engine: Engine,
        limits: Limits,
        workers: Workers,
        stopping: CancellationToken,
    ) -> Self {
        let (serving, sent) = (Workers::current(), RowsSent::default());
        Self { engine, limits, serving, workers, stopping, sent }
    }

    /// The limits that the calls share with REST.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The same endpoints within the limits of one client, whose rows are counted.
    pub(crate) fn for_caller(&self, caller: Caller, sent: RowsSent) -> Self {
        Self { limits: self.limits.for_caller(caller), sent, ..self.clone() }
    }

    /// Each table that exists, without a way to read it: that is for `info` to give.
    pub(crate) async fn list(&self) -> Result<Vec<FlightInfo>> {
        let mut infos = Vec::new();
        for table in Table::ALL {
            let descriptor = FlightDescriptor::new_path(vec![table.name().to_string()]);
            let request = EndpointRequest::from_descriptor(&descriptor)?;
            match self.info(descriptor, &request).await {
                Ok(info) => infos.push(FlightInfo { endpoint: Vec::new(), ..info }),
                Err(error) if error.kind() == Kind::NotReady => {}
                Err(error) => return Err(error),
            }
        }
        Ok(infos)
    }

    /// The info of a request. A whole table has several parts, to be read in parallel; with a limit it has one.
    pub(crate) async fn info(
        &self,
        descriptor: FlightDescriptor,
        request: &EndpointRequest,
    ) -> Result<FlightInfo> {
        noted(request.text.as_bytes());
        let query = &request.query;
        if request.follows {
            return self.info_of_stream(descriptor, request).await;
        }
        let Answer { schema, versions, table, unknown_columns, .. } = self.planned(query).await?;
        let split = match request.is_whole_table() {
            true => Some(self.split(query, &table).await?),
            false => None,
        };
        let all = query.filter.is_none() && query.rows.time().is_none() && query.limit.is_none();
        let heading = Heading {
            schema: &schema,
            snapshot: versions.table,
            rows: split.as_ref().and_then(|split| split.rows).filter(|_| all),
            warning: request.warning(&unknown_columns),
        };
        let parts = split.map(|split| split.keys);
        let endpoints = info::endpoints(&request.text, versions, parts)?;
        Ok(heading.info(descriptor)?.with_endpoints(endpoints))
    }

    /// The info of a request whose rows go on: its ticket names the version since which they do.
    async fn info_of_stream(
        &self,
        descriptor: FlightDescriptor,
        request: &EndpointRequest,
    ) -> Result<FlightInfo> {
        let query = Query { as_of: None, ..request.query.clone() };
        let Answer { schema, unknown_columns, .. } = self.planned(&query).await?;
        let since = self.within_limits(self.engine.since(&request.query)).await?;
        let warning = request.warning(&unknown_columns);
        let heading = Heading { schema: &schema, snapshot: since.table, rows: None, warning };
        let endpoints = info::endpoints(&request.text, since, None)?;
        Ok(heading.info(descriptor)?.with_endpoints(endpoints))
    }

    /// The schema of the rows of a request.
    pub(crate) async fn schema(&self, request: &EndpointRequest) -> Result<SchemaResult> {
        let as_of = request.query.as_of.clone().filter(|_| !request.follows);
        let schema = self.planned(&Query { as_of, ..request.query.clone() }).await?.schema;
        Ok(SchemaAsIpc::new(&schema, &IpcWriteOptions::default()).try_into()?)
    }

    /// The request that a ticket answers.
    pub(crate) fn request_of(ticket: &[u8]) -> Result<EndpointRequest> {
        Ticket::decode(ticket)?.request()
    }

    /// The rows of a request, compressed as it says or, if it says nothing, as `compression` does.
    pub(crate) async fn read(
        &self,
        request: EndpointRequest,
        compression: Option<CompressionType>,
    ) -> Result<Messages> {
        let compression = request.compression.or(compression);
        if request.follows {
            noted(request.text.as_bytes());
            return self.followed(request, compression).await;
        }
        let (engine, query) = (self.engine.clone(), request.query.clone());
        let (limits, total) = (&self.limits, self.limits.options.time_limit);
        noted(request.text.as_bytes());
        let sent = self.sent.clone();
        let answer = planned(in_time(total, async move {
            let answer = answer(&engine, &query).await?;
            Ok(Answer { rows: sent.counted(answer.rows), ..answer })
        }));
        if request.is_whole_table() {
            let place = limits.bulk_reads.enter().await?;
            let (place, answer) = self.workers.run(begun(place, answer)).await?;
            return Ok(messages(&self.workers, answer, compression, place, Limit::idle(total)));
        }
        let limit = Limit { total, idle: limits.stall_limit() };
        if request.query.filter.is_some() {
            let place = limits.large_answers.enter().await?;
            let (place, answer) = self.workers.run(begun(place, answer)).await?;
            return Ok(messages(&self.workers, answer, compression, place, limit));
        }
        let place = limits.requests.enter().await?;
        let answer = answer.await?;
        if !answer.is_large {
            return Ok(messages(&self.serving, answer, compression, place, limit));
        }
        drop(place);
        let place = limits.large_answers.enter().await?;
        Ok(messages(&self.workers, answer, compression, place, limit))
    }

    /// The rows of the objects whose ids the client streams, or of those near the places that it streams.
    pub(crate) fn exchange(&self, messages: Streaming<FlightData>) -> Messages {
        let (engine, workers) = (self.engine.clone(), self.workers.clone());
        let (limits, sent) = (self.limits.clone(), self.sent.clone());
        Exchange { engine, workers, limits, sent }.answer(messages)
    }

    async fn planned(&self, query: &Query) -> Result<Answer> {
        self.within_limits(without_rows(&self.engine, query, &self.limits, &self.workers)).await
    }

    async fn split(&self, query: &Query, table: &SnapshotTable) -> Result<Split> {
        let split = self.within_limits(self.engine.split(table)).await?;
        let keys = if query.limit.is_some() { vec![EVERY_KEY] } else { split.keys };
        Ok(Split { keys, ..split })
    }

    async fn within_limits<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let _place = self.limits.requests.enter().await?;
        in_time(self.limits.options.time_limit, work).await
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(too_slow(limit, "try again")))
}

/// Plans an answer. Its permit is held until it is planned, even if the caller has stopped waiting.
async fn begun(
    place: Permit,
    answer: impl Future<Output = Result<Answer>>,
) -> Result<(Permit, Answer)> {
    Ok((place, answer.await?))
}

/// The rows of an answer, made on one task of `threads` and encoded on another.
fn messages(
    threads: &Workers,
    answer: Answer,
    compression: Option<CompressionType>,
    place: Permit,
    limit: Limit,
) -> Messages {
    let rows = threads.stream(answer.schema, (), Limit::NONE, async { Ok(answer.rows) });
    wire::limited_flight_data(threads, rows, compression, place, limit)
}
