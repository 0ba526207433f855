//! A survey that goes on: its alerts are committed visit by visit, as `live` commits those of a stream. They go through the ingest as packets,
//! and how far the survey has come is in the log of the warehouse, as the position of a stream: begun again, it goes on from there.
//!
//! Nights end. After the last visit the tables go back to what they began with, which is kept by name, and the same nights are observed again.
//! So the tables never have more rows than the whole survey, however long it goes on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::packets::VisitPackets;
use super::{Generated, Nights, SurveyOptions, generate};
use crate::error::{Error, Result};
use crate::ingest::{AlertBatch, Datum, IngestOptions, WriterSchema};
use crate::live::Merging;
use crate::schema::Table;
use crate::warehouse::{AsOf, Partition, Positions, VacuumOptions, Warehouse};

/// What the tables began with is kept by this name.
const BEGIN: &str = "begin";
/// The name of the stream, which no topic of Kafka can have.
const STREAM: &str = "a survey that goes on";
/// After so many visits, files are deleted that no version needs that is younger than [`GRACE`].
const CLEANED_EVERY: i64 = 100;
const GRACE: Duration = Duration::from_secs(300);
const MEMORY_BYTES: usize = 64 << 20;

/// A survey that goes on.
pub struct OngoingSurvey {
    warehouse: Warehouse,
    packets: VisitPackets,
    schema: WriterSchema,
    ingest: IngestOptions,
}

impl OngoingSurvey {
    /// Makes the tables of the nights before those of the survey, of which there has to be one. The warehouse has to be empty.
    pub async fn begin(warehouse: &Warehouse, options: &SurveyOptions) -> Result<Generated> {
        let nights = Nights { first: 0, last: options.nights.first.saturating_sub(1) };
        let made =
            generate(warehouse, &SurveyOptions { nights, ..options.clone() }, &|_| {}).await?;
        for table in Table::ALL {
            warehouse.keep(table, BEGIN).await?;
        }
        let batch = AlertBatch::begin(warehouse, &ingest_options()).await?;
        let (stream, since) = (stream(), warehouse.positions(&[]).await?.since);
        let begun = Positions { since, next: [(stream, 0)].into(), ..Positions::default() };
        batch.commit(warehouse, &begun).await?;
        Ok(made)
    }

    /// Whether the tables are those of a survey that was [begun](Self::begin).
    pub async fn has_begun(warehouse: &Warehouse) -> Result<bool> {
        Ok(!warehouse.positions(&[stream()]).await?.next.is_empty())
    }

    /// Takes up a survey that was begun. It takes some seconds; `Busy` once it is told to `stop`.
    pub fn open(
        warehouse: &Warehouse,
        options: &SurveyOptions,
        stop: &CancellationToken,
    ) -> Result<Self> {
        let packets = VisitPackets::new(&std::env::temp_dir(), options, stop)?;
        let schema = WriterSchema::new(&packets.schema, false)?;
        Ok(Self { warehouse: warehouse.clone(), packets, schema, ingest: ingest_options() })
    }

    /// How many visits have alerts. Others are passed over.
    pub fn visits(&self) -> usize {
        self.packets.visits()
    }

    /// Observes a visit each time that a pause has passed, until it is told to stop, and merges the small files that this leaves. What fails
    /// is tried again. It takes the thread that it runs on.
    pub async fn go_on(mut self, every: Duration, stop: &CancellationToken) {
        let committed = Arc::new(Notify::new());
        let merging = Merging::begin(&self.warehouse, committed.clone());
        let mut pace = interval(every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while stop.run_until_cancelled(pace.tick()).await.is_some() {
            match self.observe().await {
                Ok(()) => committed.notify_one(),
                Err(error) => tracing::warn!(%error, "a visit is observed again"),
            }
        }
        merging.end().await;
    }

    /// Observes the next visit: commits its alerts.
    pub async fn observe(&mut self) -> Result<()> {
        let (warehouse, stream) = (self.warehouse.for_one_run(), stream());
        let mut read = warehouse.positions(std::slice::from_ref(&stream)).await?;
        let observed = read.next.get(&stream).copied().unwrap_or_default();
        let visit = observed.unsigned_abs() as usize % self.packets.visits();
        if visit == 0 {
            // At the first time, nothing is to be changed.
            warehouse.restore(&Table::ALL, &AsOf::Name(BEGIN.to_string()), false).await?;
        }
        let batch = self.gathered(visit).await?;
        read.next.insert(stream, observed + 1);
        let done = batch.commit(&warehouse, &read).await;
        if done.is_err() {
            warehouse.discard_run().await;
        }
        let (summary, _) = done?;
        tracing::info!(visit, alerts = summary.packets, "observed");
        if observed % CLEANED_EVERY == CLEANED_EVERY - 1
            && let Err(error) = self.clean().await
        {
            tracing::warn!(%error, "not all unused files were deleted");
        }
        Ok(())
    }

    /// The alerts of a visit.
    async fn gathered(&mut self, visit: usize) -> Result<AlertBatch> {
        let source: Arc<str> = format!("visit {visit} of the survey").into();
        let datum =
            |(offset, packet)| Datum { source: source.clone(), offset, bytes: Bytes::from(packet) };
        let datums: Vec<_> = (0..).zip(self.packets.of_visit(visit)?).map(datum).collect();
        let mut left: Vec<_> = datums.iter().collect();
        let mut batch = AlertBatch::begin(&self.warehouse, &self.ingest).await?;
        while !left.is_empty() {
            let pushed = batch.push(&mut self.schema, &left)?;
            if let Some((at, why)) = pushed.refused.first() {
                return Err(Error::internal(format!("{source}, packet {at}: {why}")));
            }
            left.drain(..pushed.taken);
        }
        Ok(batch)
    }

    /// Keeps the log and the files from growing without end.
    async fn clean(&self) -> Result<()> {
        let options = VacuumOptions { grace: GRACE };
        for table in Table::ALL {
            self.warehouse.tidy_log(table, &options).await?;
            self.warehouse.vacuum(table, &options).await?;
        }
        Ok(())
    }
}

fn stream() -> Partition {
    Partition { topic: STREAM.to_string(), number: 0 }
}

fn ingest_options() -> IngestOptions {
    IngestOptions { memory_bytes: MEMORY_BYTES, ..IngestOptions::default() }
}
