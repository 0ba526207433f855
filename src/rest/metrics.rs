//! `/metrics`: what the server did, for Prometheus.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

use super::App;
use crate::error::Result;

pub async fn answer(State(app): State<App>) -> Result<Response> {
    let text = app.metrics.text(app.engine.usage())?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, content_type)], text).into_response())
}
