//! Who asked what, and how it went: one log line and the counts of [`Metrics`] for each request,
//! written when the last byte of its answer is sent or the client is gone.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tower_http::request_id::RequestId;
use tracing::{Instrument, Span};

use super::metrics::{Endpoint, Metrics, Outcome};

/// Set by a handler on its answer: the rows that went into it, counted while it is sent.
#[derive(Clone)]
pub struct RowsSent(pub Arc<AtomicU64>);

/// Middleware around everything.
pub async fn watch(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let mut visit = Visit::begin(metrics, &request);
    let span = visit.span.clone();
    let mut response = next.run(request).instrument(span).await;
    visit.status = Some(response.status());
    visit.rows = response.extensions_mut().remove();
    response.map(|body| {
        visit.complete = body.is_end_stream();
        Body::new(Watched { body, visit })
    })
}

/// One request on its way. Dropping it writes it down.
struct Visit {
    metrics: Arc<Metrics>,
    began: Instant,
    span: Span,
    method: Method,
    path: String,
    endpoint: String,
    /// `None` until there is an answer.
    status: Option<StatusCode>,
    rows: Option<RowsSent>,
    bytes: u64,
    complete: bool,
}

impl Visit {
    fn begin(metrics: Arc<Metrics>, request: &Request) -> Self {
        metrics.in_flight.inc();
        let id = request.extensions().get::<RequestId>();
        let id = id.and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
        let route = request.extensions().get::<MatchedPath>();
        Self {
            metrics,
            began: Instant::now(),
            span: tracing::info_span!("request", id),
            method: request.method().clone(),
            path: request.uri().path().to_string(),
            endpoint: route.map_or("unknown", MatchedPath::as_str).to_string(),
            status: None,
            rows: None,
            bytes: 0,
            complete: false,
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let metrics = &self.metrics;
        let status = self.status.map_or(499, |status| status.as_u16());
        let rows = self.rows.as_ref().map_or(0, |rows| rows.0.load(Ordering::Relaxed));
        let seconds = self.began.elapsed().as_secs_f64();
        let endpoint = Endpoint { endpoint: std::mem::take(&mut self.endpoint) };
        metrics.in_flight.dec();
        metrics.seconds.get_or_create(&endpoint).observe(seconds);
        metrics.rows.get_or_create(&endpoint).inc_by(rows);
        metrics.bytes.get_or_create(&endpoint).inc_by(self.bytes);
        if !self.complete {
            metrics.aborted.get_or_create(&endpoint).inc();
        }
        metrics.requests.get_or_create(&Outcome { endpoint: endpoint.endpoint, status }).inc();
        let _entered = self.span.enter();
        let (method, path, bytes, complete) = (&self.method, &self.path, self.bytes, self.complete);
        tracing::info!(%method, path, status, seconds, rows, bytes, complete, "answered");
    }
}

/// A body that counts what goes out.
struct Watched {
    body: Body,
    visit: Visit,
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
