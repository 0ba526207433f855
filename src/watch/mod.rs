//! What the server does, seen from outside: each request gets an id, a line in the log and its place in the counts, whatever door
//! it comes through. In: a router. Out: the same, watched; and the counts as OpenMetrics text, which Prometheus reads.
//!
//! Labels are bounded: an endpoint is a route of the router or a method of Flight, everything else is `unknown`.

mod visit;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

pub use visit::RowsSent;

use crate::error::{Error, Result};
use crate::query::CacheUse;

/// The layers around everything: each request has an id and is counted.
pub fn watched(router: Router, metrics: Arc<Metrics>) -> Router {
    router
        .layer(from_fn_with_state(metrics, visit::watch))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Endpoint {
    pub endpoint: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    pub endpoint: String,
    /// The HTTP status (499 where the client was gone before there was one) or, of Flight, the name of the gRPC code.
    pub status: String,
}

/// The counts of one server.
pub struct Metrics {
    registry: Registry,
    pub requests: Family<Outcome, Counter>,
    pub aborted: Family<Endpoint, Counter>,
    pub seconds: Family<Endpoint, Histogram, fn() -> Histogram>,
    pub rows: Family<Endpoint, Counter>,
    pub bytes: Family<Endpoint, Counter>,
    pub in_flight: Gauge,
    footers: Gauge,
    footer_bytes: Gauge,
    footer_hits: Gauge,
}

/// From half a millisecond to about a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.0005, 2.0, 18))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("diaflight"),
            requests: Family::default(),
            aborted: Family::default(),
            seconds: Family::new_with_constructor(seconds),
            rows: Family::default(),
            bytes: Family::default(),
            in_flight: Gauge::default(),
            footers: Gauge::default(),
            footer_bytes: Gauge::default(),
            footer_hits: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
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
        registry.register("footer_cache_entries", "Parquet footers held", self.footers.clone());
        let help = "Memory of the Parquet footers held";
        registry.register_with_unit("footer_cache", help, Unit::Bytes, self.footer_bytes.clone());
        let help = "Times that the Parquet footers held were used";
        registry.register("footer_cache_hits", help, self.footer_hits.clone());
    }

    /// All of it as OpenMetrics text, with the cache of footers as it is.
    pub fn text(&self, cache: CacheUse) -> Result<String> {
        self.footers.set(cache.entries as i64);
        self.footer_bytes.set(cache.bytes as i64);
        self.footer_hits.set(cache.hits as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| Error::internal(format!("writing the metrics: {error}")))?;
        Ok(text)
    }
}
