//! `/health/live`, `/health/ready` and `/metrics`: for whoever starts, stops, balances and watches servers.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::error::{Error, Kind, Result};

/// The process answers.
pub async fn live() -> &'static str {
    "live\n"
}

/// Every table can be read, the storage answers, and the server is not about to stop.
pub async fn ready(State(app): State<App>) -> Result<&'static str> {
    if app.draining.is_cancelled() {
        return Err(Error::new(Kind::NotReady, "the server is stopping"));
    }
    app.engine.ready()?;
    Ok("ready\n")
}

/// What the server did, for Prometheus.
pub async fn metrics(State(app): State<App>) -> Result<Response> {
    let text = app.metrics.text(app.engine.usage())?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
