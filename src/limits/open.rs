//! Requests that are open: from their first byte to the last one of their answer. In: a request. Out: a permit among those that are open, held by
//! the connection, or `Busy`.
//!
//! An answer that is made takes no permit to work in any more, and neither does a request that has not come; but both are in memory until
//! their client goes on, or its time is up.

use std::sync::{Arc, OnceLock};

use axum::http::Extensions;

use super::{Client, Limits, Permit};
use crate::error::Result;

/// What a request holds until the last byte of its answer is handed over. The connection puts it among the extensions of a request.
#[derive(Clone, Debug, Default)]
pub struct UntilAnswered(Arc<OnceLock<Permit>>);

impl Limits {
    /// Takes a permit for the request that has these extensions.
    pub async fn open(&self, extensions: &Extensions) -> Result<()> {
        let permit =
            self.open_requests.for_caller(Client::of_request(extensions).into()).enter().await?;
        // Without a connection, as in tests, there is nothing to wait for.
        if let Some(held) = extensions.get::<UntilAnswered>() {
            let _ = held.0.set(permit);
        }
        Ok(())
    }
}
