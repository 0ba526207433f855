//! Reads and commits, from the positions in the warehouse on, until something ends it.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

use super::counts::{Counts, READING};
use super::gap::begin;
use super::kafka::Stream;
use super::reader::{Gathered, Reader, unreadable};
use super::schemas::Schemas;
use super::set_aside::set_aside;
use super::young::merging;
use super::{Ended, LiveOptions};
use crate::error::{Error, Result};
use crate::ingest::AlertBatch;
use crate::warehouse::{Positions, Warehouse};

/// How often it looks whether topics have more partitions.
const LOOK: Duration = Duration::from_secs(60);

/// Reads until it is told to stop, or can go on only by connecting again: then `None`.
pub(super) async fn session(
    warehouse: &Warehouse,
    options: &LiveOptions,
    counts: &Counts,
    stop: &CancellationToken,
) -> Result<Option<Ended>> {
    let stream = Stream::connect(&options.kafka).await?;
    let partitions = stream.partitions().await?;
    let read = warehouse.positions(&partitions).await?;
    let where_to = (options.from, options.on_gap);
    let offsets = match begin(warehouse, &stream, &read, &partitions, where_to).await? {
        Ok(offsets) => offsets,
        Err(gap) => return Ok(Some(Ended::Gap(gap))),
    };
    stream.seek(&offsets).await?;
    tracing::info!(topics = ?options.kafka.topics, partitions = partitions.len(), "reading");
    counts.state.set(READING);
    let mut reader = Reader {
        stream,
        schemas: Schemas::new(options.ingest.schemas.clone(), options.ingest.history),
        framing: options.framing,
        pending: VecDeque::new(),
        refused_in_a_row: 0,
        most_refused: options.most_refused,
    };
    let mut since = read.since;
    let is_committed = Arc::new(Notify::new());
    let _merging = merging(warehouse.clone(), is_committed.clone());
    let mut committing: Option<JoinHandle<Result<Option<u64>>>> = None;
    let mut look_at = Instant::now() + LOOK;
    loop {
        let batch = AlertBatch::begin(warehouse, &options.ingest).await;
        let mut gathered = Gathered::new(match batch {
            Ok(batch) => batch,
            Err(error) => return Err(after(committing, error).await),
        });
        let is_busy = || committing.as_ref().is_some_and(|task| !task.is_finished());
        let more = reader.gather(&mut gathered, options.commit, is_busy, stop).await;
        if let Some(task) = committing.take() {
            since = committed(task).await?.or(since);
        }
        more?;
        if reader.refused_in_a_row >= options.most_refused
            && let Some(error) = unreadable(&gathered, reader.refused_in_a_row)
        {
            return Ok(Some(Ended::Unreadable(error)));
        }
        if !gathered.next.is_empty() {
            let (warehouse, told) = (warehouse.for_one_run(), counts.clone());
            let is_committed = is_committed.clone();
            let runtime = Handle::current();
            committing = Some(tokio::task::spawn_blocking(move || {
                let done = runtime.block_on(commit(&warehouse, gathered, since, &told));
                is_committed.notify_one();
                done
            }));
            counts.lags(reader.stream.lag().await);
        }
        if stop.is_cancelled() {
            if let Some(task) = committing {
                committed(task).await?;
            }
            return Ok(Some(Ended::Stopped));
        }
        if Instant::now() >= look_at {
            look_at = Instant::now() + LOOK;
            if reader.stream.partitions().await? != partitions {
                if let Some(task) = committing {
                    committed(task).await?;
                }
                return Ok(None);
            }
        }
    }
}

/// Keeps what is refused, then commits the rows and the offsets; gives the version that has them.
async fn commit(
    warehouse: &Warehouse,
    gathered: Gathered,
    since: Option<u64>,
    counts: &Counts,
) -> Result<Option<u64>> {
    let begun = Instant::now();
    let Gathered { batch, messages, next, refused, oldest_ms, bytes, .. } = gathered;
    set_aside(warehouse, &refused).await?;
    let read = Positions { since, next };
    let done = batch.commit(warehouse, &read).await;
    if done.is_err() {
        warehouse.discard_run().await;
    }
    let (summary, version) = done?;
    let age_ms = oldest_ms.map(|oldest| chrono::Utc::now().timestamp_millis() - oldest);
    counts.committed(begun.elapsed(), age_ms);
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

async fn committed(task: JoinHandle<Result<Option<u64>>>) -> Result<Option<u64>> {
    task.await.map_err(|error| Error::internal(format!("the commit ended: {error}")))?
}

/// An error, once the commit before it has come to its end.
async fn after(committing: Option<JoinHandle<Result<Option<u64>>>>, error: Error) -> Error {
    match committing {
        Some(task) => committed(task).await.err().unwrap_or(error),
        None => error,
    }
}
