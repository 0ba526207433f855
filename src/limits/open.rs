//! Open requests, each from its first byte to the last byte of its answer. A connection holds a permit for each; without a free one the
//! request is refused as `Busy`.
//!
//! An answer that is made takes no permit to work in any more, and neither does a request that has not come; but both are in memory until
//! their client goes on, or its time is up.

use std::sync::{Arc, OnceLock};

use axum::http::Extensions;

use super::{Client, Limits, Permit};
use crate::error::Result;

/// What a request holds until the last byte of its answer has been handed over. The connection puts it among the extensions of a request.
#[derive(Clone, Debug, Default)]
pub struct UntilAnswered(Arc<OnceLock<Permit>>);

impl Limits {
    /// Takes a permit for the request that has these extensions.
    pub async fn open(&self, extensions: &Extensions) -> Result<()> {
        let permit = self
            .open_requests
            .for_caller(Client::from_extensions(extensions).into())
            .enter()
            .await?;
        // A request without a connection, as in tests, takes no permit.
        if let Some(held) = extensions.get::<UntilAnswered>() {
            let _ = held.0.set(permit);
        }
        Ok(())
    }
}
