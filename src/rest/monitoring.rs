//! `/health/live`, `/health/ready` and `/metrics`: for whoever starts, stops, balances and watches servers.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::error::{Error, Kind, Result};

/// Answers that the process is alive.
pub(crate) async fn live() -> &'static str {
    "live\n"
}

/// What a server that is ready answers.
pub const READY: &str = "ready\n";

/// Answers whether the server is ready: every table can be read, the storage answers, and the server is not about to stop.
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str> {
    if app.stopping.is_cancelled() {
        return Err(Error::new(Kind::NotReady, "the server is stopping"));
    }
    app.engine.ready()?;
    Ok(READY)
}

/// Answers with the metrics, for Prometheus.
pub(crate) async fn metrics(State(app): State<App>) -> Result<Response> {
    let text = app.metrics.text()?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
