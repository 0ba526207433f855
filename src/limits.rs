//! How much at once, how much memory, and how long. In: somebody who wants to work. Out: a permit, or a refusal that names
//! the limit: `Busy` over capacity, `Timeout` over time.

mod budget;
mod caller;
mod gate;
mod open;
mod share;
mod supply;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::budget::{BLOCK_BYTES, Budget, HeldMemory};
pub use self::caller::{Caller, Client};
pub use self::gate::{Gate, Permit};
pub use self::open::UntilAnswered;
pub use self::share::share_of;
use crate::error::{Error, Kind};

/// The clock does not go on for ever.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Bodies that may be in memory at the same time, if each is as large as one may be.
const BODIES_AT_ONCE: usize = 32;
/// What a client may send in one message of a stream of Flight: ids of an exchange, as large as pyarrow's batches come.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// Filters that are planned at the same time, which nothing can stop: they leave workers to others.
const PLANNED_AT_ONCE: usize = 4;
/// What a large answer may take: 64 MiB in which it is joined and sorted, and what was read and encoded ahead of its reader.
const LARGE_ANSWER_BYTES: usize = 96 << 20;
/// How long a large answer waits for a permit: others of its kind take seconds.
const LARGE_QUEUE_LIMIT: Duration = Duration::from_secs(30);
/// How long an exchange may pause between two messages with ids.
const IDS_IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a reader of an answer may take nothing of it.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// The limit as far as there is a clock for it.
pub fn clocked(limit: Duration) -> Duration {
    limit.min(LONGEST)
}

/// When work that starts at this moment must be done.
pub fn deadline(limit: Duration) -> Instant {
    Instant::now() + clocked(limit)
}

/// The refusal of work that went on for longer than `limit`; `instead` says what to ask for.
pub fn too_slow(limit: Duration, instead: &str) -> Error {
    let seconds = limit.as_secs_f64();
    Error::new(Kind::Timeout, format!("over the time limit of {seconds} s; {instead}"))
}

/// Every number of the server that bounds something.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Requests answered at the same time; health and metrics do not count.
    pub max_concurrent_requests: usize,
    /// Streams of whole tables and exchanges at the same time.
    pub max_concurrent_bulk_reads: usize,
    /// Connections at the same time, one more of which ends one that waits for its client; and requests over all of them.
    pub max_connections: usize,
    /// What one client's address may have of the requests, of the connections and of the memory for bodies.
    pub max_share_percent: u8,
    /// How long a request over those numbers waits for a permit before it is refused.
    pub queue_limit: Duration,
    /// How long a client may take to send a request: the handshake of TLS and the first head; of a body, before it must
    /// have come at a rate.
    pub receive_limit: Duration,
    /// How long a connection may be without a request after its first one.
    pub idle_limit: Duration,
    /// From getting a permit to the last byte of the answer; of a bulk read, until the client takes the next batch.
    pub time_limit: Duration,
    pub max_body_bytes: usize,
    /// Of all large answers together; half as much is theirs while it is free, and a quarter is for the ids of exchanges. Beside it, each bulk read of a table whose
    /// files are in no order sorts them in 64 MiB.
    pub memory_bytes: usize,
    /// How long running answers may take to finish once the server is told to stop.
    pub drain_limit: Duration,
}

impl ServerOptions {
    pub const DEFAULT: Self = Self {
        max_concurrent_requests: 128,
        max_concurrent_bulk_reads: 16,
        max_connections: 512,
        max_share_percent: 50,
        queue_limit: Duration::from_secs(1),
        receive_limit: Duration::from_secs(30),
        idle_limit: Duration::from_secs(120),
        time_limit: Duration::from_secs(300),
        max_body_bytes: 4 << 20,
        memory_bytes: 1 << 30,
        drain_limit: Duration::from_secs(30),
    };
}

/// The limits of a running server, shared by its doors. Cheap to clone: layers of a router do so for each request.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Gates>);

impl Deref for Limits {
    type Target = Gates;

    fn deref(&self) -> &Gates {
        &self.0
    }
}

/// Each limit, for the work of a caller.
#[derive(Debug)]
pub struct Gates {
    pub options: Arc<ServerOptions>,
    /// Requests that are there, whatever is done for them.
    open_requests: Gate,
    pub requests: Gate,
    /// Filters that are planned.
    pub planning: Gate,
    /// Lookups of more than a few pages. They give up their permit among the requests, so that small ones always find one.
    pub large_answers: Gate,
    pub bulk_reads: Gate,
    /// Exchanges whose ids have not all come. They are no bulk reads yet.
    pub exchanges: Gate,
    /// Memory of the ids of all exchanges.
    pub exchange_ids: Budget,
    /// Memory of the bodies of all requests.
    pub bodies: Budget,
}

impl Limits {
    pub fn new(options: ServerOptions) -> Self {
        let requests = options.max_concurrent_requests;
        let bulk_reads = options.max_concurrent_bulk_reads;
        let large_answers = (options.memory_bytes / LARGE_ANSWER_BYTES).max(1);
        let large_queue_limit = LARGE_QUEUE_LIMIT.min(options.time_limit / 2);
        let body_bytes = options.max_body_bytes.saturating_mul(BODIES_AT_ONCE);
        let message_bytes = MAX_MESSAGE_BYTES * 100 / usize::from(options.max_share_percent.max(1));
        let (percent, queue_limit) = (options.max_share_percent, options.queue_limit);
        let gate = |work, most, limit| Gate::new(work, most, limit).with_share(percent);
        let budget = |what, bytes| Budget::new(what, bytes).with_share(percent);
        Self(Arc::new(Gates {
            open_requests: gate("open requests", options.max_connections, queue_limit),
            requests: gate("requests", requests, queue_limit),
            planning: gate("filters being planned", PLANNED_AT_ONCE, queue_limit),
            large_answers: gate("large answers", large_answers, large_queue_limit)
                .with_queue(requests),
            // A client that reads a table in parallel asks for all of its parts at once: the last ones wait.
            bulk_reads: gate("bulk reads", bulk_reads, options.time_limit).with_reserve(),
            exchanges: gate("exchanges that send ids", bulk_reads.saturating_mul(4), queue_limit)
                .with_reserve(),
            exchange_ids: budget("ids of exchanges", options.memory_bytes / 4).with_reserve(),
            // The share of a client is one message at least.
            bodies: budget("bodies", body_bytes.max(message_bytes)),
            options: Arc::new(options),
        }))
    }

    /// The same limits, for the work of a caller.
    pub fn for_caller(&self, caller: impl Into<Caller>) -> Self {
        let caller = caller.into();
        Self(Arc::new(Gates {
            options: self.options.clone(),
            open_requests: self.open_requests.clone(),
            requests: self.requests.for_caller(caller),
            planning: self.planning.for_caller(caller),
            large_answers: self.large_answers.for_caller(caller),
            bulk_reads: self.bulk_reads.for_caller(caller),
            exchanges: self.exchanges.for_caller(caller),
            exchange_ids: self.exchange_ids.for_caller(caller),
            bodies: self.bodies.for_caller(caller),
        }))
    }

    /// How long an exchange may pause between two messages with ids.
    pub fn ids_idle_limit(&self) -> Duration {
        IDS_IDLE_LIMIT.min(self.options.time_limit)
    }

    /// How long a reader of an answer may take nothing of it.
    pub fn stall_limit(&self) -> Duration {
        STALL_LIMIT.min(self.options.time_limit)
    }
}
