//! Who asked what, and how it went: one log line and the counts of [`Metrics`] for each request,
//! written when the last byte of its answer is sent or the client is gone.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;
use http_body::{Frame, SizeHint};
use tonic::Code;
use tower_http::request_id::RequestId;
use tracing::field::{Empty, display};
use tracing::{Instrument, Span};

use super::{EndpointLabel, Metrics, Outcome, UNKNOWN};
use crate::origin::ClientAddress;

/// The longest text of a client that is logged.
const LOGGED_CHARS: usize = 500;

/// Routes that are asked every few seconds by what watches the server. Their lines are for debugging, unless they fail.
const WATCHED: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];

const FLIGHT: &str = "/arrow.flight.protocol.FlightService/";
const FLIGHT_METHODS: [&str; 10] = [
    "Handshake",
    "ListFlights",
    "GetFlightInfo",
    "PollFlightInfo",
    "GetSchema",
    "DoGet",
    "DoPut",
    "DoExchange",
    "DoAction",
    "ListActions",
];

/// The number of rows of an answer that were sent so far. It is among the extensions of each request.
#[derive(Clone, Debug, Default)]
pub struct RowsSent(Arc<AtomicU64>);

impl RowsSent {
    /// The counter of a request.
    pub fn from_extensions(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_default()
    }

    /// Counts some more.
    pub fn add(&self, rows: usize) {
        self.0.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// The same rows, counted as they pass.
    pub fn counted(self, rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
        let schema = rows.schema();
        let rows = rows.inspect(move |batch| {
            self.add(batch.as_ref().map_or(0, |batch| batch.num_rows()));
        });
        Box::pin(RecordBatchStreamAdapter::new(schema, rows))
    }
}

impl<S: Sync> FromRequestParts<S> for RowsSent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::from_extensions(&parts.extensions))
    }
}

/// Marks an answer that goes on until its client has enough: then it was neither slow nor aborted.
#[derive(Clone, Copy)]
pub struct Endless;

/// Adds to the log line of the current request what its client asks for: a body, a ticket, a statement.
pub fn noted(asked: &[u8]) {
    if !asked.is_empty() {
        // A character has at most four bytes.
        let start = &asked[..asked.len().min(4 * LOGGED_CHARS)];
        Span::current().record("asked", logged(&String::from_utf8_lossy(start)));
    }
}

/// Does what comes before the first row of an answer, and adds its time to the log line of the current request.
pub fn planned<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    // Planning has a large state. Handlers must not hold it within their own, which are moved from stack to stack.
    let work = Box::pin(work);
    async move {
        let began = Instant::now();
        let done = work.await;
        Span::current().record("planned_s", began.elapsed().as_secs_f64());
        done
    }
}

fn logged(text: &str) -> &str {
    text.char_indices().nth(LOGGED_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// Middleware around everything.
pub(crate) async fn watch(
    State((metrics, slow_limit)): State<(Arc<Metrics>, Duration)>,
    mut request: Request,
    next: Next,
) -> Response {
    let mut call = Call::begin(metrics, slow_limit, &request);
    request.extensions_mut().insert(call.rows.clone());
    let (span, is_head) = (call.span.clone(), request.method() == Method::HEAD);
    let response = next.run(request).instrument(span).await;
    call.status = Some(response.status());
    call.first = Some(call.began.elapsed());
    call.grpc_code = grpc_code(response.headers());
    call.endless = response.extensions().get::<Endless>().is_some();
    response.map(|body| {
        // The answer to HEAD has no body: it is complete.
        call.complete = is_head || call.endless || body.is_end_stream();
        Body::new(Watched { body, call })
    })
}

/// One request. When it is dropped, it is logged and counted.
struct Call {
    metrics: Arc<Metrics>,
    slow_limit: Duration,
    began: Instant,
    /// How long the first part of the answer took.
    first: Option<Duration>,
    span: Span,
    client: Option<IpAddr>,
    method: String,
    path: String,
    endpoint: String,
    /// The HTTP status; `None` until there is an answer. That of a gRPC call is always 200.
    status: Option<StatusCode>,
    /// The gRPC code, from the trailers of a call, or from its headers if it has no body.
    grpc_code: Option<Code>,
    rows: RowsSent,
    bytes: u64,
    complete: bool,
    endless: bool,
}

impl Call {
    fn begin(metrics: Arc<Metrics>, slow_limit: Duration, request: &Request) -> Self {
        metrics.in_flight.inc();
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
        // Whatever lines are logged, they have it.
        let span = tracing::error_span!(
            "request",
            id,
            user = Empty,
            asked = request.uri().query().map(logged),
            waited_s = Empty,
            planned_s = Empty
        );
        let client = request.extensions().get::<ClientAddress>();
        Self {
            metrics,
            slow_limit,
            began: Instant::now(),
            first: None,
            span,
            client: client.map(|ClientAddress(address)| *address),
            method: logged(request.method().as_str()).to_string(),
            path: logged(request.uri().path()).to_string(),
            endpoint: endpoint(request),
            status: None,
            grpc_code: None,
            rows: RowsSent::default(),
            bytes: 0,
            complete: false,
            endless: false,
        }
    }

    /// How long the client waited for the answer: of one without an end, for its beginning.
    fn answered(&self, took: Duration) -> Duration {
        if self.endless { self.first.unwrap_or(took) } else { took }
    }

    /// One line for the log, as a warning where the request took long.
    fn log(&self, endpoint: &str, status: &str, rows: u64, took: Duration) {
        let _entered = self.span.enter();
        let Self { method, path, bytes, complete, .. } = self;
        let (seconds, first_s) = (took.as_secs_f64(), self.first.map(|first| first.as_secs_f64()));
        let client = self.client.map(display);
        let is_fine = self.status.is_some_and(|status| status.is_success());
        if self.answered(took) > self.slow_limit {
            tracing::warn!(client, %method, path, status, seconds, first_s, rows, bytes, complete, "answered slowly");
        } else if WATCHED.contains(&endpoint) && is_fine {
            tracing::debug!(client, %method, path, status, seconds, first_s, rows, bytes, complete, "answered");
        } else {
            tracing::info!(client, %method, path, status, seconds, first_s, rows, bytes, complete, "answered");
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let metrics = &self.metrics;
        let status = match (self.grpc_code, self.status) {
            (Some(code), _) => format!("{code:?}"),
            (None, status) => status.map_or(499, |status| status.as_u16()).to_string(),
        };
        let rows = self.rows.0.load(Ordering::Relaxed);
        let took = self.began.elapsed();
        let endpoint = EndpointLabel { endpoint: std::mem::take(&mut self.endpoint) };
        metrics.in_flight.dec();
        metrics.seconds.get_or_create(&endpoint).observe(self.answered(took).as_secs_f64());
        metrics.rows.get_or_create(&endpoint).inc_by(rows);
        metrics.bytes.get_or_create(&endpoint).inc_by(self.bytes);
        if !self.complete {
            metrics.aborted.get_or_create(&endpoint).inc();
        }
        self.log(&endpoint.endpoint, &status, rows, took);
        let outcome = Outcome { endpoint: endpoint.endpoint, status };
        metrics.requests.get_or_create(&outcome).inc();
    }
}

/// The label of a request: its route, or its Flight method.
fn endpoint(request: &Request) -> String {
    let method = request.uri().path().strip_prefix(FLIGHT);
    match (method, request.extensions().get::<MatchedPath>()) {
        (Some(method), _) if FLIGHT_METHODS.contains(&method) => format!("Flight/{method}"),
        (None, Some(route)) => route.as_str().to_string(),
        _ => UNKNOWN.to_string(),
    }
}

fn grpc_code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// A body that counts the bytes sent.
struct Watched {
    body: Body,
    call: Call,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                self.call.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.call.complete = self.call.endless || self.body.is_end_stream();
                if let Some(code) = frame.trailers_ref().and_then(grpc_code) {
                    self.call.grpc_code = Some(code);
                }
            }
            Poll::Ready(None) => self.call.complete = true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
