//! Ingests alert packets, in Avro or Parquet: one commit per table, and a [`Summary`].
//!
//! ```text
//! inputs -> files -> nested batches -> columns' types -> flat rows -> staging on disk -> upsert: one commit per table
//! input     reader   avro, science     mapping, typed     packet       staging            upsert
//! ```
//! A thread reads and flattens while the caller stages. Memory is that of a few batches, whatever the
//! size of the files; nothing is committed until every file has been read.

mod alert_batch;
mod avro;
mod codec;
mod columns;
mod container;
mod copy;
mod datum;
mod equal_copies;
mod evolution;
mod extent;
mod extract;
mod filter;
mod gathered;
mod id_ranges;
mod input;
mod intake;
mod mapping;
mod listed;
mod merge;
mod message;
mod neighbours;
mod order;
mod upsert;
mod packet;
mod pages;
mod precedence;
mod reader;
mod repeats;
mod run;
mod scalar;
mod schema_source;
mod science;
pub(crate) mod sections;
mod staged;
mod staging;
mod staged_ranks;
mod stored;
mod stored_copies;
mod summary;
mod times;
mod typed;
mod verdict;
mod winners;

use std::fs::File;
use std::path::PathBuf;

use tokio::sync::mpsc;

pub use alert_batch::{AlertBatch, Datum, Pushed, WriterSchema};
pub use container::{of_one_packet, only_packet};
pub use listed::Listed;
pub use message::framed;
pub use schema_source::SchemaSource;
pub use summary::{ImplausibleTime, Refused, Summary};

use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::{Positions, Warehouse};
use evolution::KnownColumns;
use input::InputFile;
use intake::Intake;
use mapping::Mapping;
use packet::PacketRows;
use reader::PacketReader;

/// How many batches are read ahead of staging.
const BATCHES_AHEAD: usize = 2;

/// How to ingest.
#[derive(Clone, Debug)]
pub struct IngestOptions {
    /// Whether to take `prvDiaSources` as sources, too.
    pub history: bool,
    /// The memory that the ingest may use.
    pub memory_bytes: usize,
    /// The folder for staged rows and sorted runs; by default the system's temporary folder.
    pub temp_dir: Option<PathBuf>,
    /// Where objects are replaced in files of up to so many bytes, these are written again at once. In more they wait as updates, unless
    /// there are so many that it is worth it.
    pub rewrite_bytes: u64,
    /// Where the schemas are of messages of streams, which are read as files.
    pub schemas: Option<SchemaSource>,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            history: false,
            memory_bytes: 1 << 30,
            temp_dir: None,
            rewrite_bytes: 1 << 20,
            schemas: None,
        }
    }
}

/// The progress of reading the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IngestProgress {
    /// Files read to their end.
    pub files: u64,
    /// Files to read.
    pub files_total: u64,
    /// Bytes of the files read.
    pub bytes: u64,
    /// Their size in all.
    pub bytes_total: u64,
    /// Packets read so far.
    pub packets: u64,
}

/// Ingests files, folders and object-store prefixes of alerts, given as paths or URLs: all of them or, on an error, none. A packet that is
/// refused is no error; the summary lists it.
pub async fn ingest(
    warehouse: &Warehouse,
    inputs: &[String],
    options: &IngestOptions,
    progress: &(dyn Fn(IngestProgress) + Send + Sync),
) -> Result<Summary> {
    let files = input::list(inputs).await?;
    warehouse.check_writable(Table::ALL[0]).await?;
    let mut now = IngestProgress {
        files_total: files.len() as u64,
        bytes_total: files.iter().map(|file| file.size_bytes).sum(),
        ..Default::default()
    };
    progress(now);
    let mut intake = Intake::begin(warehouse, options).await?;
    for file in &files {
        let before = now;
        let known = intake.known_columns()?;
        let staged = |rows: FlatRows| -> Result<()> {
            intake.note(rows.notes);
            intake.take(rows.rows, |at| (file.name.clone(), rows.first_record + at as u64))?;
            now.packets = intake.summary.packets;
            now.bytes = before.bytes + rows.bytes_read.min(file.size_bytes);
            progress(now);
            Ok(())
        };
        read(file, options, known, staged).await.map_err(|error| error.context(&file.name))?;
        now = IngestProgress {
            files: before.files + 1,
            bytes: before.bytes + file.size_bytes,
            ..now
        };
        progress(now);
    }
    (intake.summary.files, intake.summary.bytes) = (now.files, now.bytes);
    let (summary, _) = intake.commit(warehouse, &Positions::default()).await?;
    Ok(summary)
}

/// The rows of one batch of packets, and its place in the file.
struct FlatRows {
    rows: PacketRows,
    /// The number of its first packet.
    first_record: u64,
    bytes_read: u64,
    /// Notes on fields that are left out. Only the first batch has them.
    notes: Vec<String>,
}

/// Reads one file on a thread of its own and passes its rows on, batch by batch.
async fn read(
    file: &InputFile,
    options: &IngestOptions,
    known: KnownColumns,
    mut stage: impl FnMut(FlatRows) -> Result<()>,
) -> Result<()> {
    let opened = message::resolved(file.open(options.temp_dir.as_deref()).await?, options).await?;
    let history = options.history;
    let (sender, mut receiver) = mpsc::channel(BATCHES_AHEAD);
    let reader = tokio::task::spawn_blocking(move || flatten(opened, history, &known, &sender));
    while let Some(rows) = receiver.recv().await {
        stage(rows)?;
    }
    reader.await.map_err(|error| Error::internal(format!("the reader stopped: {error}")))??;
    file.is_unchanged()
}

/// Sends the rows of a file until its end, or until the receiver stops.
fn flatten(
    file: File,
    history: bool,
    known: &KnownColumns,
    sender: &mpsc::Sender<FlatRows>,
) -> Result<()> {
    let mut reader = PacketReader::open(file, history)?;
    let mut mapping = Mapping::new(&reader.schema(), history, known)?;
    let mut first_record = 0;
    while let Some(packets) = reader.next_batch()? {
        let packets = typed::typed(&packets, &mapping.packet, first_record)?;
        let rows = packet::rows(&mapping, &packets)
            .map_err(|error| error.context(format!("after record {first_record}")))?;
        let notes = std::mem::take(&mut mapping.notes);
        let read = rows.packets;
        let rows = FlatRows { rows, first_record, bytes_read: reader.bytes_read(), notes };
        if sender.blocking_send(rows).is_err() {
            break;
        }
        first_record += read;
    }
    Ok(())
}
