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
pub(crate) use self::young::Merging;

use std::collections::BTreeMap;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::counts::FAILING;
use self::lease::Lease;
use self::session::session;
use crate::error::{Error, Kind, Result};
use crate::ingest::IngestOptions;
use crate::warehouse::{Partition, Warehouse};

/// The folder of a warehouse for what is not in its tables.
const LIVE: &str = "_live";
/// How long it waits before it connects again: at first, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LAST_WAIT: Duration = Duration::from_secs(30);
/// So often it begins again where the same messages cannot be read or committed.
const MOST_HOPELESS: u32 = 4;

/// How to read streams.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The brokers and the topics.
    pub kafka: KafkaOptions,
    /// How messages are framed.
    pub framing: Framing,
    /// Where partitions begin that were never read.
    pub from: From,
    /// Whether all partitions begin there, whatever was read before.
    pub reread: bool,
    /// How long alerts are gathered before they are committed.
    pub commit: Duration,
    /// How many alerts are committed together at most.
    pub most_alerts: u64,
    /// What to do where a broker does not have the next message any more.
    pub on_gap: OnGap,
    /// After so many messages in a row that cannot be read it stops.
    pub most_refused: u64,
    /// Where schemas are, and how rows are staged.
    pub ingest: IngestOptions,
}

/// Why it ended.
pub enum LiveEnd {
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
) -> Result<LiveEnd> {
    let (mut wait, mut before, mut hopeless) = (FIRST_WAIT, FirstOffsets::default(), 0);
    loop {
        let messages = counts.messages.get();
        let failed = match turn(warehouse, options, (counts, &mut before), stop).await {
            Ok(Some(ended)) => return Ok(ended),
            Ok(None) => continue,
            Err(error) => error,
        };
        if counts.messages.get() > messages {
            (wait, hopeless) = (FIRST_WAIT, 0);
        }
        match failed.kind() {
            // A broker that is being started again may refuse a login that it accepted before.
            Kind::Unauthenticated if before.has_begun => {}
            Kind::Argument | Kind::Unauthenticated | Kind::Internal => return Err(failed),
            Kind::Input if hopeless == MOST_HOPELESS => return Ok(LiveEnd::Unreadable(failed)),
            Kind::Input => hopeless += 1,
            _ => {}
        }
        counts.failures.inc();
        counts.state.set(FAILING);
        counts.lags(BTreeMap::new());
        tracing::warn!(error = %failed, again_s = wait.as_secs_f64(), "reading stopped, and begins again");
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = (wait * 2).min(LAST_WAIT),
            () = stop.cancelled() => return Ok(LiveEnd::Stopped),
        }
    }
}

/// Where this process began to read.
#[derive(Default)]
struct FirstOffsets {
    /// Whether it has read before.
    has_begun: bool,
    /// The first offsets of partitions, until the warehouse has positions of them: whoever fails before the first commit begins there again.
    offsets: BTreeMap<Partition, FirstOffset>,
}

/// Where a partition begins.
struct FirstOffset {
    /// The position that the warehouse had then.
    in_log: Option<i64>,
    next: i64,
}

/// Waits for the lease, and reads as long as it is held: `None` if reading can begin again at once.
async fn turn(
    warehouse: &Warehouse,
    options: &LiveOptions,
    (counts, before): (&Counts, &mut FirstOffsets),
    stop: &CancellationToken,
) -> Result<Option<LiveEnd>> {
    let lease = tokio::select! {
        lease = Lease::take(warehouse, &options.kafka.topics, counts) => lease?,
        () = stop.cancelled() => return Ok(Some(LiveEnd::Stopped)),
    };
    let until = stop.child_token();
    let (lost, told) = (lease.lost.clone(), until.clone());
    let _watch = AbortOnDropHandle::new(tokio::spawn(async move {
        lost.cancelled().await;
        told.cancel();
    }));
    let ended = session(warehouse, options, (counts, before), &until).await;
    if lease.lost.is_cancelled() && !stop.is_cancelled() {
        tracing::warn!("another process reads these topics now");
        return ended.map(|_| None);
    }
    lease.end().await;
    ended
}
