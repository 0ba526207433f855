//! Limits on concurrency, memory and time. Work that exceeds one is refused with an error that names it: `Busy` over capacity, `Timeout`
//! over time.

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

pub use self::budget::{BLOCK_BYTES, Budget, BudgetUse, HeldMemory};
pub use self::caller::{Caller, Client};
pub use self::gate::{Gate, GateCounts, GateUse, Permit};
pub use self::open::UntilAnswered;
pub use self::share::share_of;
use crate::error::{Error, Kind};

/// Longer limits are cut to this, since `Instant + limit` could overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// As many bodies of the largest size may be in memory at the same time.
const BODIES_AT_ONCE: usize = 32;
/// The largest message of a Flight stream: ids of an exchange come in pyarrow's batches, which may be as large.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// The largest body with a map of the sky, or the limit of all bodies if that is larger.
pub const MAX_MAP_BYTES: usize = 32 << 20;
/// As many filters are planned, or regions of the sky read, at the same time. That cannot be interrupted, so the other workers stay free.
const PLANNED_AT_ONCE: usize = 4;
/// Memory of a large answer: 64 MiB for joining and sorting, and what is read and encoded ahead of its reader.
const LARGE_ANSWER_BYTES: usize = 96 << 20;
/// How long a large answer waits for a permit. The answers before it take seconds.
const LARGE_QUEUE_LIMIT: Duration = Duration::from_secs(30);
/// How long an exchange may pause between two messages with ids.
const IDS_IDLE_LIMIT: Duration = Duration::from_secs(30);
/// How long a client may go without reading anything of its answer.
const STALL_LIMIT: Duration = Duration::from_secs(60);

/// The limit, but no longer than the clock can add.
pub fn clocked(limit: Duration) -> Duration {
    limit.min(LONGEST)
}

/// When work that starts now must be done.
pub fn deadline(limit: Duration) -> Instant {
    Instant::now() + clocked(limit)
}

/// The error of work that took longer than `limit`; `instead` says what to ask for.
pub fn too_slow(limit: Duration, instead: &str) -> Error {
    let seconds = limit.as_secs_f64();
    Error::new(Kind::Timeout, format!("over the time limit of {seconds} s; {instead}"))
}

/// The limits of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Requests answered at the same time. Requests for health and metrics do not count.
    pub max_concurrent_requests: usize,
    /// Streams of whole tables and exchanges at the same time.
    pub max_concurrent_bulk_reads: usize,
    /// Streams of new sources at the same time.
    pub max_streams: usize,
    /// Connections at the same time, and open requests over all of them. A new connection above the limit ends one that waits for its
    /// client.
    pub max_connections: usize,
    /// The share of the requests, the connections and the memory for bodies that one client's address may have.
    pub max_share_percent: u8,
    /// How long a request waits for a permit before it is refused.
    pub queue_limit: Duration,
    /// How long a client may take for the TLS handshake and the first head of a request, and for a body before a minimum rate is asked of
    /// it.
    pub receive_limit: Duration,
    /// How long a connection may be without a request after its first one.
    pub idle_limit: Duration,
    /// How long a request may take from its permit to the last byte of its answer. For a bulk read it is the time until the client takes
    /// the next batch.
    pub time_limit: Duration,
    /// The largest body of a request.
    pub max_body_bytes: usize,
    /// Memory of all large answers together. In addition they may use half as much while it is free, the ids of exchanges and the
    /// regions of the sky a quarter as much each, and each bulk read of a table whose files are not sorted 64 MiB.
    pub memory_bytes: usize,
    /// A request that takes longer is logged as a warning.
    pub slow_limit: Duration,
    /// How long the server still accepts connections once it is told to stop.
    pub drain_delay: Duration,
    /// How long running answers may take to finish after that.
    pub drain_limit: Duration,
}

impl ServerOptions {
    /// The defaults of the flags.
    pub const DEFAULT: Self = Self {
        max_concurrent_requests: 128,
        max_concurrent_bulk_reads: 16,
        max_streams: 32,
        max_connections: 512,
        max_share_percent: 50,
        queue_limit: Duration::from_secs(1),
        receive_limit: Duration::from_secs(30),
        idle_limit: Duration::from_secs(120),
        time_limit: Duration::from_secs(300),
        max_body_bytes: 4 << 20,
        memory_bytes: 1 << 30,
        slow_limit: Duration::from_secs(10),
        drain_delay: Duration::ZERO,
        drain_limit: Duration::from_secs(8),
    };
}

/// The limits of a running server, shared by REST and Flight. Cheap to clone: layers of a router do so for each request.
#[derive(Clone, Debug)]
pub struct Limits(Arc<Gates>);

impl Deref for Limits {
    type Target = Gates;

    fn deref(&self) -> &Gates {
        &self.0
    }
}

/// The limits, as one caller meets them.
#[derive(Debug)]
pub struct Gates {
    /// What the limits were made of.
    pub options: Arc<ServerOptions>,
    /// Requests that are open, including those that wait for a permit.
    open_requests: Gate,
    /// Requests being answered.
    pub requests: Gate,
    /// Filters that are being planned, and regions of the sky that are being read.
    pub planning: Gate,
    /// Lookups of more than a few pages. They give their permit for `requests` back, so that small lookups always find one.
    pub large_answers: Gate,
    /// Streams of whole tables, and exchanges.
    pub bulk_reads: Gate,
    /// Streams of new sources. They have no time limit.
    pub streams: Gate,
    /// Exchanges whose ids have not all arrived. They become bulk reads then.
    pub exchanges: Gate,
    /// Memory for the ids of all exchanges.
    pub exchange_ids: Budget,
    /// Memory for the regions of the sky that requests bring.
    pub regions: Budget,
    /// Memory for the bodies of all requests.
    pub bodies: Budget,
}

impl Limits {
    /// The limits of these options, with nothing taken.
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
            open_requests: gate("open requests", options.max_connections, queue_limit)
                .with_setting("--max-connections"),
            requests: gate("requests", requests, queue_limit)
                .with_setting("--max-concurrent-requests"),
            planning: gate("filters and regions being read", PLANNED_AT_ONCE, queue_limit),
            large_answers: gate("large answers", large_answers, large_queue_limit)
                .with_setting("--memory-mib")
                .with_queue(requests),
            // A client that reads a table in parallel asks for all parts at once; the last ones wait.
            bulk_reads: gate("bulk reads", bulk_reads, options.time_limit)
                .with_setting("--max-concurrent-bulk-reads")
                .with_reserve(),
            streams: gate("streams of new sources", options.max_streams, queue_limit)
                .with_setting("--max-streams")
                .with_reserve(),
            exchanges: gate("exchanges that send ids", bulk_reads.saturating_mul(4), queue_limit)
                .with_reserve(),
            exchange_ids: budget(
                "ids of exchanges (a quarter of --memory-mib)",
                options.memory_bytes / 4,
            )
            .with_reserve(),
            // A single map may take most of it, so it is not shared out.
            regions: Budget::new(
                "regions of the sky (a quarter of --memory-mib)",
                options.memory_bytes / 4,
            ),
            // One client's share is at least one message.
            bodies: budget("bodies", body_bytes.max(message_bytes)),
            options: Arc::new(options),
        }))
    }

    /// The same limits, as a caller meets them.
    pub fn for_caller(&self, caller: impl Into<Caller>) -> Self {
        let caller = caller.into();
        Self(Arc::new(Gates {
            options: self.options.clone(),
            open_requests: self.open_requests.clone(),
            requests: self.requests.for_caller(caller),
            planning: self.planning.for_caller(caller),
            large_answers: self.large_answers.for_caller(caller),
            bulk_reads: self.bulk_reads.for_caller(caller),
            streams: self.streams.for_caller(caller),
            exchanges: self.exchanges.for_caller(caller),
            exchange_ids: self.exchange_ids.for_caller(caller),
            regions: self.regions.for_caller(caller),
            bodies: self.bodies.for_caller(caller),
        }))
    }

    /// How the gates are used.
    pub fn gates(&self) -> [GateUse; 7] {
        let gates = [
            &self.open_requests,
            &self.requests,
            &self.planning,
            &self.large_answers,
            &self.bulk_reads,
            &self.streams,
            &self.exchanges,
        ];
        gates.map(Gate::usage)
    }

    /// How the memory that is held for clients is used.
    pub fn budgets(&self) -> [BudgetUse; 3] {
        [self.exchange_ids.usage(), self.regions.usage(), self.bodies.usage()]
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
