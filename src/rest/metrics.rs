//! `/metrics`: what the server did, in OpenMetrics text, which Prometheus reads.
//! Labels are bounded: an endpoint is a route of the router, everything else is `unknown`.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::App;
use crate::error::{Error, Result};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Endpoint {
    pub endpoint: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Outcome {
    pub endpoint: String,
    /// The HTTP status; 499 where the client was gone before there was one.
    pub status: u16,
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

impl Metrics {
    pub fn new() -> Self {
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

    /// All of it as OpenMetrics text.
    pub fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| Error::internal(format!("writing the metrics: {error}")))?;
        Ok(text)
    }
}

pub async fn answer(State(app): State<App>) -> Result<Response> {
    let (metrics, cache) = (&app.metrics, app.engine.footer_cache());
    metrics.footers.set(cache.entries as i64);
    metrics.footer_bytes.set(cache.bytes as i64);
    metrics.footer_hits.set(cache.hits as i64);
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], metrics.text()?).into_response())
}
