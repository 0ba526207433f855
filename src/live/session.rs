//! Reads and commits, from the positions in the warehouse on, until something ends it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::counts::{Counts, READING};
use super::gap::begin;
use super::kafka::{FoundTopics, Topics};
use super::reader::{MicroBatch, Reader};
use super::schemas::Schemas;
use super::set_aside::set_aside;
use super::young::Merging;
use super::{FirstOffsets, LiveEnd, LiveOptions};
use crate::error::{Error, Result};
use crate::ingest::AlertBatch;
use crate::warehouse::{Positions, Warehouse};

/// How often the brokers are asked what they have, also when nothing comes.
const LOOK: Duration = Duration::from_secs(15);

/// What is committed beside the reading: the version that has the positions.
type Commit = JoinHandle<Result<Option<u64>>>;

struct Reading<'a> {
    warehouse: &'a Warehouse,
    options: &'a LiveOptions,
    counts: &'a Counts,
    reader: Reader,
    found: FoundTopics,
    /// The version in which the positions were found or written.
    since: Option<u64>,
    /// Where partitions begin whose position the warehouse does not have yet: the first commit has them, with messages or without.
    before: &'a mut FirstOffsets,
    committing: Option<Commit>,
    is_committed: Arc<Notify>,
    look_at: Instant,
    /// Whether topics have other partitions now, or are others.
    is_changed: bool,
}

/// Reads until it is told to stop, or can go on only by connecting again: then `None`. Nothing of it goes on when it has ended.
pub(super) async fn session(
    warehouse: &Warehouse,
    options: &LiveOptions,
    (counts, before): (&Counts, &mut FirstOffsets),
    stop: &CancellationToken,
) -> Result<Option<LiveEnd>> {
    let begun = stop.run_until_cancelled(async {
        let topics = Topics::connect(&options.kafka).await?;
        let found = topics.found().await?;
        let read = warehouse.positions(&found.partitions).await?;
        let offsets = begin(warehouse, &topics, &read, &found, (options, before)).await?;
        if let Ok(offsets) = &offsets {
            topics.seek(offsets).await?;
        }
        Ok::<_, Error>((topics, found, read, offsets.err()))
    });
    let (topics, found, read) = match begun.await.transpose()? {
        None => return Ok(Some(LiveEnd::Stopped)),
        Some((.., Some(gap))) => return Ok(Some(LiveEnd::Gap(gap))),
        Some((topics, found, read, None)) => (topics, found, read),
    };
    tracing::info!(topics = ?options.kafka.topics, partitions = found.partitions.len(), "reading");
    let reader = Reader {
        topics,
        schemas: Schemas::new(options.ingest.schemas.clone(), options.ingest.history),
        framing: options.framing,
        pending: VecDeque::new(),
        refused_in_a_row: 0,
        most_refused: options.most_refused,
    };
    let is_committed = Arc::new(Notify::new());
    let merging = Merging::begin(warehouse, is_committed.clone());
    let mut session = Reading {
        warehouse,
        options,
        counts,
        reader,
        found,
        since: read.since,
        before,
        committing: None,
        is_committed,
        look_at: Instant::now(),
        is_changed: false,
    };
    let ended = session.run(stop).await;
    let committed = session.settle().await;
    merging.end().await;
    let ended = ended?;
    committed?;
    Ok(ended)
}

impl Reading<'_> {
    async fn run(&mut self, stop: &CancellationToken) -> Result<Option<LiveEnd>> {
        loop {
            let batch = AlertBatch::begin(self.warehouse, &self.options.ingest).await?;
            let mut gathered = MicroBatch::new(batch, self.options.most_alerts);
            self.fill(&mut gathered, stop).await?;
            self.settle().await?;
            if let Some(error) = self.reader.hopeless(&gathered) {
                return Ok(Some(LiveEnd::Unreadable(error)));
            }
            for (partition, first) in &self.before.offsets {
                gathered.next.entry(partition.clone()).or_insert(first.next);
            }
            if gathered.messages > 0 || self.has_first_offsets() {
                self.commit(gathered);
            }
            if stop.is_cancelled() {
                return Ok(Some(LiveEnd::Stopped));
            }
            if self.is_changed {
                return Ok(None);
            }
        }
    }

    /// Whether there are first offsets, and a table to keep them.
    fn has_first_offsets(&self) -> bool {
        self.since.is_some() && !self.before.offsets.is_empty()
    }

    /// Gathers for a time from the first message on, and longer while the batch before is being committed; once it is full, it waits for that
    /// without reading. Ends at once when it is told to stop. What was gathered before an error of the brokers is committed first.
    async fn fill(&mut self, gathered: &mut MicroBatch, stop: &CancellationToken) -> Result<()> {
        let mut until = self.has_first_offsets().then(Instant::now);
        loop {
            if self.committing.as_ref().is_some_and(JoinHandle::is_finished) {
                self.settle().await?;
            }
            let due = until.is_some_and(|until| Instant::now() >= until);
            let ends = stop.is_cancelled() || self.is_changed;
            let is_full = gathered.is_full() || self.reader.is_hopeless();
            if ((due || is_full) && self.committing.is_none()) || ends {
                return Ok(());
            }
            let more = if Instant::now() >= self.look_at {
                stop.run_until_cancelled(self.look()).await.unwrap_or(Ok(()))
            } else if is_full {
                // The brokers keep the rest until the batch before is committed.
                let settled = timeout_at(self.look_at, self.settle());
                stop.run_until_cancelled(settled).await.unwrap_or(Ok(Ok(()))).unwrap_or(Ok(()))?;
                continue;
            } else {
                self.reader.some(gathered, stop).await
            };
            match more {
                Err(error) if gathered.messages == 0 || gathered.is_broken => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "what was gathered before is committed first");
                    return Ok(());
                }
                Ok(()) => {}
            }
            if gathered.messages > 0 && until.is_none() {
                until = Some(Instant::now() + self.options.commit);
            }
        }
    }

    /// Asks the brokers what they have: so it is seen that they are away, or that there are new partitions, though nothing comes.
    async fn look(&mut self) -> Result<()> {
        let topics = &self.reader.topics;
        self.is_changed = topics.found().await? != self.found;
        let lags = topics.lag(&self.found.partitions).await?;
        // Else it is not known to work before something is committed.
        if self.committing.is_none() && lags.values().all(|lag| *lag == 0) {
            self.counts.state.set(READING);
        }
        self.counts.lags(lags);
        self.look_at = Instant::now() + LOOK;
        Ok(())
    }

    fn commit(&mut self, gathered: MicroBatch) {
        let (warehouse, counts) = (self.warehouse.for_one_run(), self.counts.clone());
        let (is_committed, runtime) = (self.is_committed.clone(), Handle::current());
        let read = Positions {
            since: self.since,
            next: gathered.next.clone(),
            topics: self.found.ids.clone(),
        };
        self.committing = Some(tokio::task::spawn_blocking(move || {
            let done = runtime.block_on(commit(&warehouse, gathered, &read, &counts));
            is_committed.notify_one();
            done
        }));
    }

    /// Waits for the commit that goes on, if one does. If the future is dropped, it goes on.
    async fn settle(&mut self) -> Result<()> {
        let Some(task) = &mut self.committing else { return Ok(()) };
        let done = task.await;
        self.committing = None;
        let broken = |error| Error::internal(format!("the commit ended: {error}"));
        if let Some(version) = done.map_err(broken)?? {
            self.since = Some(version);
            self.before.offsets.clear();
        }
        Ok(())
    }
}

/// Keeps what is refused, then commits the rows and the offsets; gives the version that has them.
async fn commit(
    warehouse: &Warehouse,
    gathered: MicroBatch,
    read: &Positions,
    counts: &Counts,
) -> Result<Option<u64>> {
    let begun = Instant::now();
    let MicroBatch { batch, messages, refused, oldest_ms, bytes, .. } = gathered;
    set_aside(warehouse, &refused).await?;
    let done = batch.commit(warehouse, read).await;
    if done.is_err() {
        warehouse.discard_run().await;
    }
    let (summary, version) = done?;
    let age_ms = oldest_ms.map(|oldest| chrono::Utc::now().timestamp_millis() - oldest);
    if version.is_some() {
        counts.committed(begun.elapsed(), age_ms);
    }
    counts.messages.inc_by(messages);
    counts.bytes.inc_by(bytes);
    counts.refused.inc_by(refused.len() as u64);
    counts.sources.inc_by(summary.sources.added);
    tracing::info!(
        alerts = summary.packets,
        bytes,
        refused = refused.len(),
        added = summary.sources.added,
        age_ms,
        took_ms = begun.elapsed().as_millis() as u64,
        "committed"
    );
    Ok(version)
}
