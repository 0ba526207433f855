//! `/health/live` and `/health/ready`: for whoever starts, stops and balances servers.

use axum::extract::State;

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
