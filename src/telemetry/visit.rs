//! Who asked what, and how it went: one log line and the counts of [`Metrics`] for each request,
//! written when the last byte of its answer is sent or the client is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tonic::Code;
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span};

use super::{EndpointLabel, Metrics, Outcome};

/// The longest path that is logged.
const LOGGED_CHARS: usize = 200;

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

/// The number of rows sent so far. A handler puts it among the extensions of its answer and counts while it is sent.
#[derive(Clone)]
pub struct RowsSent(pub Arc<AtomicU64>);

/// Middleware around everything.
pub(crate) async fn watch(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let mut visit = Call::begin(metrics, &request);
    let (span, is_head) = (visit.span.clone(), request.method() == Method::HEAD);
    let mut response = next.run(request).instrument(span).await;
    visit.status = Some(response.status());
    visit.grpc_code = grpc_code(response.headers());
    visit.rows = response.extensions_mut().remove();
    response.map(|body| {
        // The answer to HEAD has no body: it is complete.
        visit.complete = is_head || body.is_end_stream();
        Body::new(Watched { body, visit })
    })
}

/// One request. When it is dropped, it is logged and counted.
struct Call {
    metrics: Arc<Metrics>,
    began: Instant,
    span: Span,
    method: String,
    path: String,
    endpoint: String,
    /// The HTTP status; `None` until there is an answer. That of a gRPC call is always 200.
    status: Option<StatusCode>,
    /// The gRPC code, from the trailers of a call, or from its headers if it has no body.
    grpc_code: Option<Code>,
    rows: Option<RowsSent>,
    bytes: u64,
    complete: bool,
}

impl Call {
    fn begin(metrics: Arc<Metrics>, request: &Request) -> Self {
        metrics.in_flight.inc();
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
        Self {
            metrics,
            began: Instant::now(),
            span: tracing::info_span!("request", id),
            method: request.method().as_str().chars().take(LOGGED_CHARS).collect(),
            path: request.uri().path().chars().take(LOGGED_CHARS).collect(),
            endpoint: endpoint(request),
            status: None,
            grpc_code: None,
            rows: None,
            bytes: 0,
            complete: false,
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
        let rows = self.rows.as_ref().map_or(0, |rows| rows.0.load(Ordering::Relaxed));
        let seconds = self.began.elapsed().as_secs_f64();
        let endpoint = EndpointLabel { endpoint: std::mem::take(&mut self.endpoint) };
        metrics.in_flight.dec();
        metrics.seconds.get_or_create(&endpoint).observe(seconds);
        metrics.rows.get_or_create(&endpoint).inc_by(rows);
        metrics.bytes.get_or_create(&endpoint).inc_by(self.bytes);
        if !self.complete {
            metrics.aborted.get_or_create(&endpoint).inc();
        }
        let outcome = Outcome { endpoint: endpoint.endpoint, status: status.clone() };
        metrics.requests.get_or_create(&outcome).inc();
        let _entered = self.span.enter();
        let (method, path, bytes, complete) = (&self.method, &self.path, self.bytes, self.complete);
        tracing::info!(%method, path, status, seconds, rows, bytes, complete, "answered");
    }
}

/// The label of a request: its route, or its Flight method.
fn endpoint(request: &Request) -> String {
    let method = request.uri().path().strip_prefix(FLIGHT);
    match (method, request.extensions().get::<MatchedPath>()) {
        (Some(method), _) if FLIGHT_METHODS.contains(&method) => format!("Flight/{method}"),
        (None, Some(route)) => route.as_str().to_string(),
        _ => "unknown".to_string(),
    }
}

fn grpc_code(headers: &HeaderMap) -> Option<Code> {
    headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()))
}

/// A body that counts the bytes sent.
struct Watched {
    body: Body,
    visit: Call,
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
                self.visit.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                self.visit.complete = self.body.is_end_stream();
                if let Some(code) = frame.trailers_ref().and_then(grpc_code) {
                    self.visit.grpc_code = Some(code);
                }
            }
            Poll::Ready(None) => self.visit.complete = true,
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
