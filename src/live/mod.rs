//! Reads streams of alerts from Kafka, and commits them every few seconds, as `ingest` would: exactly once, however it ends.
//!
//! ```text
//! brokers -> messages -> packets -> staged rows -> one commit per table, the last one with the offsets
//! kafka      frame       schemas    ingest         warehouse
//! ```
//! What is read and what is committed overlap: while one batch is committed, the next is gathered, so a slow storage stops the reading and
//! nothing piles up. The offsets are in the log of the warehouse and nowhere else. Who was killed between two commits reads the same
//! messages again, and finds those rows present that were committed.

mod counts;
mod frame;
mod gap;
mod kafka;
mod lease;
mod reader;
mod schemas;
mod session;
mod set_aside;
mod young;

pub use self::counts::{Counts, tell};
pub use self::frame::Framing;
pub use self::gap::OnGap;
pub use self::kafka::{From, KafkaOptions};

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::counts::{FAILING, WAITING};
use self::lease::Lease;
use self::session::session;
use crate::error::{Error, Kind, Result};
use crate::ingest::IngestOptions;
use crate::warehouse::Warehouse;

/// The folder of a warehouse for what is not in its tables.
const LIVE: &str = "_live";
/// How long it waits before it connects again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);

/// How to read streams.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The brokers and the topics.
    pub kafka: KafkaOptions,
    /// How messages are framed.
    pub framing: Framing,
    /// Where partitions begin that were never read.
    pub from: From,
    /// How long alerts are gathered before they are committed.
    pub commit: Duration,
    /// What to do where a broker does not have the next message any more.
    pub on_gap: OnGap,
    /// After so many messages in a row that cannot be read it stops.
    pub most_refused: u64,
    /// Where schemas are, and how rows are staged.
    pub ingest: IngestOptions,
}

/// Why it ended.
pub enum Ended {
    /// It was told to.
    Stopped,
    /// Messages are lost.
    Gap(Error),
    /// No message can be read.
    Unreadable(Error),
}

/// Reads until it is told to stop. What fails is tried again, unless nobody but a person can mend it. Of several processes on one
/// warehouse and the same topics one reads, and the others wait until it has ended.
pub async fn live(
    warehouse: &Warehouse,
    options: &LiveOptions,
    counts: &Counts,
    stop: &CancellationToken,
) -> Result<Ended> {
    let mut wait = FIRST_WAIT;
    loop {
        let failed = match turn(warehouse, options, counts, stop).await {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => {
                wait = FIRST_WAIT;
                continue;
            }
            Err(error) if is_for_people(error.kind()) => return Err(error),
            Err(error) => error,
        };
        counts.failures.inc();
        counts.state.set(FAILING);
        tracing::warn!(error = %failed, again_s = wait.as_secs_f64(), "reading stopped, and begins again");
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(LAST_WAIT),
            () = stop.cancelled() => return Ok(Ended::Stopped),
        }
    }
}

/// Waits for the lease, and reads as long as it is held: `None` if reading can begin again at once.
async fn turn(
    warehouse: &Warehouse,
    options: &LiveOptions,
    counts: &Counts,
    stop: &CancellationToken,
) -> Result<Option<Ended>> {
    counts.state.set(WAITING);
    let lease = tokio::select! {
        lease = Lease::take(warehouse, &options.kafka.topics) => lease?,
        () = stop.cancelled() => return Ok(Some(Ended::Stopped)),
    };
    let until = stop.child_token();
    let ends = until.clone().drop_guard();
    let (lost, told) = (lease.lost.clone(), until.clone());
    tokio::spawn(until.clone().run_until_cancelled_owned(async move {
        lost.cancelled().await;
        told.cancel();
    }));
    let ended = session(warehouse, options, counts, &until).await;
    drop(ends);
    if lease.lost.is_cancelled() && !stop.is_cancelled() {
        tracing::warn!("another process reads these topics now");
        return ended.map(|_| None);
    }
    lease.end().await;
    ended
}

/// Whether trying again is of no use.
fn is_for_people(kind: Kind) -> bool {
    matches!(kind, Kind::Argument | Kind::Unauthenticated | Kind::Internal)
}
