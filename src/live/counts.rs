//! What `live` has done and how far it is behind, as metrics for Prometheus, and whether it works, at an address of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use tokio::net::TcpListener;

use crate::error::{Error, Result};
use crate::warehouse::Partition;

/// Another process reads.
pub(super) const WAITING: i64 = 0;
pub(super) const READING: i64 = 1;
/// What is tried again.
pub(super) const FAILING: i64 = -1;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfPartition {
    topic: String,
    partition: i32,
}

/// The metrics. Clones count together.
#[derive(Clone)]
pub struct Counts {
    registry: Arc<Registry>,
    /// [`READING`], [`WAITING`] or [`FAILING`].
    pub(super) state: Gauge,
    pub(super) messages: Counter,
    pub(super) bytes: Counter,
    pub(super) refused: Counter,
    pub(super) sources: Counter,
    pub(super) failures: Counter,
    commits: Histogram,
    age: Histogram,
    committed: Gauge,
    lag: Family<OfPartition, Gauge>,
}

impl Default for Counts {
    fn default() -> Self {
        let mut all = Registry::with_prefix("diaflight_live");
        let commits = Histogram::new(exponential_buckets(0.01, 2.0, 14));
        let age = Histogram::new(exponential_buckets(0.1, 2.0, 16));
        let mut counts = Self {
            registry: Arc::default(),
            state: Gauge::default(),
            messages: Counter::default(),
            bytes: Counter::default(),
            refused: Counter::default(),
            sources: Counter::default(),
            failures: Counter::default(),
            commits,
            age,
            committed: Gauge::default(),
            lag: Family::default(),
        };
        let seconds = Unit::Seconds;
        let help =
            "1: messages are read; 0: another process reads them; -1: it fails, and is tried again";
        all.register("state", help, counts.state.clone());
        all.register("messages", "Messages that were committed", counts.messages.clone());
        all.register_with_unit(
            "received",
            "Bytes of these messages",
            Unit::Bytes,
            counts.bytes.clone(),
        );
        all.register(
            "refused",
            "Messages that cannot be read, and are set aside",
            counts.refused.clone(),
        );
        all.register("sources", "Sources that were added", counts.sources.clone());
        all.register("failures", "Times that reading ended by a failure", counts.failures.clone());
        let help = "From the end of a batch to its last commit";
        all.register_with_unit("commit_duration", help, seconds.clone(), counts.commits.clone());
        let help = "From producing the oldest message of a batch to its last commit";
        all.register_with_unit("age", help, seconds.clone(), counts.age.clone());
        let help = "When the last batch was committed";
        all.register_with_unit("commit_timestamp", help, seconds, counts.committed.clone());
        all.register("lag", "Messages that are not read yet", counts.lag.clone());
        counts.registry = Arc::new(all);
        counts
    }
}

impl Counts {
    /// Counts a commit, and how old its oldest message was then.
    pub(super) fn committed(&self, took: Duration, age_ms: Option<i64>) {
        self.commits.observe(took.as_secs_f64());
        // The clock of a producer may be ahead.
        age_ms.into_iter().for_each(|age| self.age.observe(age.max(0) as f64 / 1e3));
        self.committed.set(chrono::Utc::now().timestamp());
        self.state.set(READING);
    }

    /// How many messages of each partition are not read, as far as it is known now.
    pub(super) fn lags(&self, lags: BTreeMap<Partition, u64>) {
        self.lag.clear();
        for (Partition { topic, number: partition }, lag) in lags {
            self.lag.get_or_create(&OfPartition { topic, partition }).set(lag as i64);
        }
    }

    fn text(&self) -> Result<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry)
            .map_err(|error| Error::internal(format!("writing the metrics: {error}")))?;
        Ok(text)
    }
}

/// Answers `/metrics` and `/health` until the end of the program.
pub async fn tell(counts: Counts, address: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).await;
    let listener =
        listener.map_err(|error| Error::argument(format!("--metrics {address}: {error}")))?;
    let bound = listener.local_addr()?;
    let router = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .with_state(counts);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are not told any more");
        }
    });
    Ok(bound)
}

async fn metrics(State(counts): State<Counts>) -> Response {
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match counts.text() {
        Ok(text) => ([(CONTENT_TYPE, content_type)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 while messages are read, or another process reads them; 503 while it fails.
async fn health(State(counts): State<Counts>) -> (StatusCode, &'static str) {
    match counts.state.get() {
        FAILING => (StatusCode::SERVICE_UNAVAILABLE, "failing\n"),
        WAITING => (StatusCode::OK, "waiting\n"),
        _ => (StatusCode::OK, "reading\n"),
    }
}
