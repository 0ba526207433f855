//! Ingests alert packets, in Avro or Parquet: one commit per table, and a [`Summary`].
//!
//! ```text
//! inputs -> files -> nested batches -> columns' types -> flat rows -> staging on disk -> upsert: one commit per table
//! input     reader   avro, science     mapping, typed     packet       staging            upsert
//! ```
//! A thread reads and flattens while the caller stages. Memory is that of a few batches, whatever the
//! size of the files; nothing is committed until every file has been read.

mod avro;
mod codec;
mod columns;
mod container;
mod copy;
mod evolution;
mod extent;
mod extract;
mod filter;
mod gathered;
mod id_ranges;
mod input;
mod mapping;
mod listed;
mod merge;
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
mod science;
pub(crate) mod sections;
mod staged;
mod staging;
mod stored;
mod stored_copies;
mod summary;
mod times;
mod typed;
mod verdict;
mod winners;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use tokio::sync::mpsc;

pub use listed::Listed;
pub use summary::{ImplausibleTime, Refused, Summary};

use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::Warehouse;
use evolution::{KnownColumns, extend};
use input::InputFile;
use mapping::Mapping;
use packet::PacketRows;
use reader::PacketReader;
use staging::Staging;
use upsert::upsert;

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
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self { history: false, memory_bytes: 1 << 30, temp_dir: None, rewrite_bytes: 1 << 20 }
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
    let (mut summary, mut notes) = (Summary::default(), BTreeSet::new());
    let mut now = IngestProgress {
        files_total: files.len() as u64,
        bytes_total: files.iter().map(|file| file.size_bytes).sum(),
        ..Default::default()
    };
    progress(now);
    let mut staging = Staging::create(options)?;
    let stored = stored_columns(warehouse).await?;
    for file in &files {
        let before = now;
        let mut known = stored.clone();
        for (table, staged) in staging.columns() {
            let all = known.get(&table).map(|stored| extend(table, stored, &staged)).transpose()?;
            known.insert(table, all.unwrap_or(staged));
        }
        let staged = |rows: FlatRows| -> Result<()> {
            let PacketRows { packets, tables, solar_system, refused, implausible } = rows.rows;
            for (table, batch) in &tables {
                staging.push(*table, batch)?;
            }
            summary.refused.extend(refused, |(at, reason)| Refused {
                file: file.name.clone(),
                record: rows.first_record + at as u64,
                reason,
            });
            summary.implausible_times.extend(implausible, |(at, time)| {
                ImplausibleTime::new(&file.name, rows.first_record + at as u64, time)
            });
            summary.solar_system += solar_system;
            now.packets += packets;
            now.bytes = before.bytes + rows.bytes_read.min(file.size_bytes);
            notes.extend(rows.notes);
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
    for (table, merged) in upsert(warehouse, staging, options).await? {
        *summary.table_mut(table) = merged;
    }
    let IngestProgress { files, bytes, packets, .. } = now;
    Ok(Summary { files, bytes, packets, notes: notes.into_iter().collect(), ..summary })
}

/// The columns of the tables that exist.
async fn stored_columns(warehouse: &Warehouse) -> Result<KnownColumns> {
    let mut known = KnownColumns::new();
    for table in Table::ALL {
        if let Some(snapshot) = warehouse.snapshot(table, None).await? {
            known.insert(table, snapshot.schema.as_ref().clone());
        }
    }
    Ok(known)
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
    let (history, opened) = (options.history, file.open(options.temp_dir.as_deref()).await?);
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
