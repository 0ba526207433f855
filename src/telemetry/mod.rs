//! Watches what the server does. Each request, REST or Flight, gets an id, a line in the log and its place in the counts, which Prometheus
//! reads as OpenMetrics text.
//!
//! Labels are bounded: an endpoint is a route of the router or a method of Flight, everything else is `unknown`.

mod call;
mod lines;
mod observed;
mod own_process;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::{from_fn_with_state, map_request};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

pub use call::{Endless, RowsSent, noted, planned};
pub use observed::Observed;

use own_process::OwnProcess;

use crate::error::{Error, Result};
use crate::log;
use crate::warehouse::STORAGE_COUNTS;

/// The longest request id that is taken from a client.
const MOST_ID_BYTES: usize = 100;
const REQUEST_ID: &str = "x-request-id";
/// The label of what is no route.
const UNKNOWN: &str = "unknown";

/// The layers around everything: each request has an id and is counted, and logged as a warning if it takes longer than the limit.
pub fn watched(router: Router, metrics: Arc<Metrics>, slow_limit: Duration) -> Router {
    router
        .layer(from_fn_with_state((metrics, slow_limit), call::watch))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(map_request(without_long_id))
}

/// Drops an `x-request-id` that is too long for the log. The request then gets an id of ours.
async fn without_long_id(mut request: Request) -> Request {
    let is_long = |id: &HeaderValue| id.len() > MOST_ID_BYTES;
    if request.headers().get(REQUEST_ID).is_some_and(is_long) {
        request.headers_mut().remove(REQUEST_ID);
    }
    request
}

/// The endpoint of a request, as a label.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct EndpointLabel {
    /// A route, a Flight method, or `unknown`.
    pub endpoint: String,
}

/// The endpoint and the outcome of a request, as labels.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    /// A route, a Flight method, or `unknown`.
    pub endpoint: String,
    /// The HTTP status (499 if the client was gone before there was one), or for Flight the name of the gRPC code.
    pub status: String,
}

/// The metrics of one server.
pub struct Metrics {
    registry: Registry,
    /// Requests, by outcome.
    pub requests: Family<Outcome, Counter>,
    /// Answers that ended before their last byte.
    pub aborted: Family<EndpointLabel, Counter>,
    /// Durations of requests, to the last byte.
    pub seconds: Family<EndpointLabel, Histogram, fn() -> Histogram>,
    /// Rows sent.
    pub rows: Family<EndpointLabel, Counter>,
    /// Bytes of bodies sent.
    pub bytes: Family<EndpointLabel, Counter>,
    /// Requests that are open.
    pub in_flight: Gauge,
    /// Connections that are open.
    pub connections: Gauge,
    /// Connections that were closed, or not accepted, to make room for others.
    pub evicted: Counter,
    log_lines_dropped: Counter,
}

/// Bounds of the buckets for durations: from half a millisecond to about a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            aborted: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            rows: Family::default(),
            bytes: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            evicted: Counter::default(),
            log_lines_dropped: Counter::default(),
        };
        metrics.register();
        // A counter that appears with its first event has no rate of it.
        let _ = metrics.aborted.get_or_create(&EndpointLabel { endpoint: UNKNOWN.to_string() });
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        self.registry.register_collector(Box::new(OwnProcess::default()));
        let registry = self.registry.sub_registry_with_prefix("diaflight");
        registry.register("requests", "Requests answered", self.requests.clone());
        registry.register("aborted", "Answers begun and not completed", self.aborted.clone());
        let help = "From the request to the last byte of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, self.seconds.clone());
        registry.register("rows", "Rows sent", self.rows.clone());
        registry.register_with_unit(
            "sent",
            "Bytes of bodies sent",
            Unit::Bytes,
            self.bytes.clone(),
        );
        registry.register("in_flight", "Requests being answered", self.in_flight.clone());
        registry.register("connections", "Connections that are open", self.connections.clone());
        let help =
            "Idle connections closed and new connections refused because the limit was reached";
        registry.register("connections_evicted", help, self.evicted.clone());
        let help = "Lines of the log that were dropped because its reader was too slow";
        registry.register("log_lines_dropped", help, self.log_lines_dropped.clone());
        let storage = &STORAGE_COUNTS;
        let help = "Requests to the storage that read";
        registry.register("storage_requests", help, storage.requests.clone());
        let (help, seconds) = ("From such a request to its answer", storage.seconds.clone());
        registry.register_with_unit("storage_request_duration", help, Unit::Seconds, seconds);
        let (help, bytes) = ("Bytes read from the storage", storage.bytes.clone());
        registry.register_with_unit("storage_received", help, Unit::Bytes, bytes);
    }

    /// The metrics of a server of these parts.
    pub fn of(observed: Observed) -> Self {
        let mut metrics = Self::default();
        let registry = metrics.registry.sub_registry_with_prefix("diaflight");
        registry.register_collector(Box::new(observed));
        metrics
    }

    /// All metrics as OpenMetrics text.
    pub fn text(&self) -> Result<String> {
        let counted = self.log_lines_dropped.get();
        self.log_lines_dropped.inc_by(log::dropped_lines().saturating_sub(counted));
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| Error::internal(format!("writing the metrics: {error}")))?;
        Ok(text)
    }
}
