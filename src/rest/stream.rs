//! Answers a [`StreamRequest`] with server-sent events: the new sources of each version of the table, for as long as the client reads.
//!
//! | event | data |
//! |---|---|
//! | `sources` | some rows of the next version, as `/api/v1/sources` has them in JSON |
//! | `version` | all rows of a version are sent; its `id` is what `since` and `Last-Event-ID` take to go on after it. The first event is one, too |
//! | `missed` | versions whose rows cannot be told, and why |
//! | `failed` | the reason why the stream ends here |

use std::convert::Infallible;
use std::time::Duration;

use arrow::array::RecordBatch;
use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::BytesMut;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::answer::warned;
use super::endpoint::EndpointState;
use super::failure::request_id;
use crate::access::Access;
use crate::encode::{Format, encode};
use crate::error::{Error, Result};
use crate::failure;
use crate::limits::{Caller, Client};
use crate::query::{Arrival, Follower, ToldVersion};
use crate::request::{StreamRequest, resume_point};
use crate::telemetry::{Endless, RowsSent, planned};
use crate::workers::Limit;

/// Rows of an event.
const ROWS_AT_ONCE: usize = 200;
/// A comment is sent as often, so that proxies and clients see that the connection lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx to pass on what comes at once.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

async fn answer(State(served): State<EndpointState>, request: Request) -> Result<Response> {
    let (access, client) = of_caller(request.extensions());
    let (sent, id) = (RowsSent::from_extensions(request.extensions()), request_id(&request));
    let Some(request) = stream_request(&served, request).await? else { return Ok(served.about()) };
    if request.is_whole_table() {
        access.check()?;
    }
    let app = &served.app;
    let limits = app.limits.for_caller(Caller { client, has_token: access.check().is_ok() });
    let (query, stopping) = (request.query.clone(), app.stopping.clone());
    let begun = Follower::begin(&app.engine, query, (&limits, &app.workers), stopping);
    let (follower, place) = planned(begun).await.map_err(failure::from_reading)?;
    let warning = request.warning(&follower.unknown_columns);
    let arrivals = follower.arrivals().map_err(failure::from_reading);
    let events = arrivals.map_ok(move |arrival| events_of(arrival, sent.clone())).try_flatten();
    let limit = Limit::idle(limits.stall_limit());
    let events = app.workers.ahead(events.boxed(), place, limit, Err);
    let events = events.map(move |event| event.unwrap_or_else(|error| failed(&error, &id)));
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let answer = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(keep_alive);
    let mut response = answer.into_response();
    response.headers_mut().extend([UNBUFFERED]);
    response.headers_mut().extend(warned(warning));
    response.extensions_mut().insert(Endless);
    Ok(response)
}

fn of_caller(extensions: &Extensions) -> (Access, Option<Client>) {
    (Access::from_extensions(extensions), Client::from_extensions(extensions))
}

/// The parsed request; `None` for one without arguments by a client that does not say that it takes events.
async fn stream_request(served: &EndpointState, request: Request) -> Result<Option<StreamRequest>> {
    let takes_events = takes_events(request.headers());
    let last = request.headers().get(LAST_EVENT_ID).cloned();
    let parsed = served.parse(request, StreamRequest::parse).await?;
    let parsed = match parsed {
        None if takes_events => Some(StreamRequest::parse(Default::default())?),
        parsed => parsed,
    };
    match (parsed, last) {
        (Some(request), Some(last)) => {
            let last = String::from_utf8_lossy(last.as_bytes());
            request.after_event(&last).map(Some)
        }
        (parsed, _) => Ok(parsed),
    }
}

fn takes_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|one| one.split(';').next().is_some_and(|media| media.trim() == "text/event-stream"))
}

/// The events that tell of an arrival. Rows are encoded as their events are taken.
fn events_of(arrival: Arrival, sent: RowsSent) -> BoxStream<'static, Result<Event>> {
    let event = match arrival {
        Arrival::Rows(rows) => {
            let starts = stream::iter((0..rows.num_rows()).step_by(ROWS_AT_ONCE));
            let events = starts.then(move |start| {
                let some = rows.slice(start, ROWS_AT_ONCE.min(rows.num_rows() - start));
                sent.add(some.num_rows());
                async { Ok(Event::default().event("sources").data(json_of(some).await?)) }
            });
            return events.boxed();
        }
        Arrival::Version(ToldVersion { version, id, rows, newest }) => {
            let data = json!({"version": version, "rows": rows, "newest": newest});
            let event = Event::default().event("version").id(resume_point(version, id));
            event.data(data.to_string())
        }
        Arrival::Missed { versions, why } => {
            let data = json!({"from": versions.start(), "to": versions.end(), "why": why});
            Event::default().event("missed").data(data.to_string())
        }
    };
    stream::iter([Ok(event)]).boxed()
}

/// Rows as an array of JSON.
async fn json_of(rows: RecordBatch) -> Result<String> {
    let (schema, rows) = (rows.schema(), stream::iter([Ok(rows)]));
    let rows = Box::pin(RecordBatchStreamAdapter::new(schema, rows));
    let mut text = BytesMut::new();
    let mut chunks = encode(Format::Json, rows);
    while let Some(chunk) = chunks.try_next().await? {
        text.extend_from_slice(&chunk);
    }
    String::from_utf8(text.into()).map_err(|error| Error::internal(error.to_string()))
}

/// The last event of a stream that fails.
fn failed(error: &Error, request_id: &str) -> Event {
    let data = json!({"status": "error", "text": failure::text(error, request_id)});
    Event::default().event("failed").data(data.to_string())
}
