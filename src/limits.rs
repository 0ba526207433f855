//! How much at once, and how long. In: somebody who wants to work. Out: a place to work in, or a refusal that names the
//! limit: `Busy` over capacity, `Timeout` over time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::error::{Error, Kind, Result};

/// The clock does not go on for ever.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// When work that starts at this moment must be done.
pub fn deadline(limit: Duration) -> Instant {
    Instant::now() + limit.min(LONGEST)
}

/// The refusal of work that went on for longer than `limit`; `instead` says what to ask for.
pub fn too_slow(limit: Duration, instead: &str) -> Error {
    let seconds = limit.as_secs_f64();
    Error::new(Kind::Timeout, format!("over the time limit of {seconds} s; {instead}"))
}

/// A place to work in, free again when dropped.
pub type Place = OwnedSemaphorePermit;

/// A bounded number of places for one kind of work.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What the places are for, in the plural.
    work: &'static str,
    most: usize,
    queue_limit: Duration,
    places: Arc<Semaphore>,
}

impl Gate {
    /// `most` places; who comes when they are taken waits for `queue_limit`.
    pub fn new(work: &'static str, most: usize, queue_limit: Duration) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { work, most, queue_limit: queue_limit.min(LONGEST), places }
    }

    pub async fn enter(&self) -> Result<Place> {
        let place = timeout(self.queue_limit, self.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let Self { work, most, .. } = self;
            Error::new(
                Kind::Busy,
                format!("over capacity: {most} {work} at once is the limit; try again"),
            )
        })
    }

    /// Places that are free.
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }
}

/// Every number of the server that bounds something.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Requests answered at the same time; health and metrics do not count.
    pub max_concurrent_requests: usize,
    /// Streams of whole tables and exchanges at the same time.
    pub max_concurrent_bulk_reads: usize,
    /// How long a request over that number waits for a place before it is refused.
    pub queue_limit: Duration,
    /// From getting a place to the last byte of the answer; of a bulk read, until the client takes the next batch.
    pub time_limit: Duration,
    pub max_body_bytes: usize,
    /// How long running answers may take to finish once the server is told to stop.
    pub drain_limit: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 128,
            max_concurrent_bulk_reads: 16,
            queue_limit: Duration::from_secs(1),
            time_limit: Duration::from_secs(300),
            max_body_bytes: 100 << 20,
            drain_limit: Duration::from_secs(30),
        }
    }
}

/// The limits of a running server, shared by its doors.
#[derive(Clone, Debug)]
pub struct Limits {
    pub options: Arc<ServerOptions>,
    pub requests: Gate,
    pub bulk_reads: Gate,
}

impl Limits {
    pub fn new(options: ServerOptions) -> Self {
        let requests = Gate::new("requests", options.max_concurrent_requests, options.queue_limit);
        // A client that reads a table in parallel asks for all of its parts at once: the last ones wait.
        let bulk_reads =
            Gate::new("bulk reads", options.max_concurrent_bulk_reads, options.time_limit);
        Self { options: Arc::new(options), requests, bulk_reads }
    }
}
