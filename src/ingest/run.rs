//! Rows of one schema that were put aside, to be read as often as needed in one order: in memory, with the numbers of the rows in their
//! order, or in an Arrow IPC file. That is not compressed: it would take more time than writing the bytes.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use arrow::array::{BooleanArray, RecordBatch, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{filter_record_batch, take_record_batch};
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::FileReader;
use arrow::ipc::writer::FileWriter;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;

use super::evolution::conform;
use crate::error::{Error, Result};
use crate::warehouse::{BATCH_ROWS, Gatherer, batch_rows};

/// A batch of a run takes this part of the memory for gathered rows, at most: some of each run are in memory when [`MERGED_AT_ONCE`] are
/// merged.
const BATCH_PART: usize = 4 * MERGED_AT_ONCE;

/// How large batches of runs are, at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimit {
    pub rows: usize,
    pub bytes: usize,
}

impl BatchLimit {
    /// For rows of ids and numbers.
    pub(super) const OF_IDS: Self = Self { rows: BATCH_ROWS, bytes: 4 << 20 };

    /// For rows of up to about `row_bytes`, in a memory for gathered rows.
    pub(super) fn new(row_bytes: usize, memory_bytes: usize) -> Self {
        let bytes = memory_bytes / BATCH_PART;
        let rows = batch_rows(row_bytes).min(bytes / row_bytes.max(1)).max(1);
        Self { rows, bytes }
    }

    fn gatherer(self, schema: SchemaRef) -> Gatherer {
        Gatherer::of_batches(schema, self.rows, self.bytes)
    }
}
/// How many runs are merged at once.
pub(super) const MERGED_AT_ONCE: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Run {
    schema: SchemaRef,
    pub rows: usize,
    place: PlaceOfRun,
}

#[derive(Clone, Debug)]
enum PlaceOfRun {
    Memory { rows: RecordBatch, order: UInt32Array },
    Disk(PathBuf),
}

type BatchesOfRun = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

impl Run {
    /// The rows with these numbers, in this order.
    pub(super) fn in_memory(rows: RecordBatch, order: UInt32Array) -> Self {
        let (schema, count) = (rows.schema(), order.len());
        Self { schema, rows: count, place: PlaceOfRun::Memory { rows, order } }
    }

    /// The same rows in a new file.
    pub(super) fn on_disk(&self, path: &Path, limit: BatchLimit) -> Result<Self> {
        let written = || -> Result<Self> {
            let mut file = RunWriter::create(path.to_owned(), self.schema.clone(), limit)?;
            for batch in self.batches(&self.schema, limit)? {
                file.write(batch?)?;
            }
            file.finish()
        };
        written().map_err(|error| error.context(path.display()))
    }

    /// The rows with those of the asked columns that there are. The limit is for rows in memory: those on disk are in batches.
    fn batches(&self, schema: &SchemaRef, limit: BatchLimit) -> Result<BatchesOfRun> {
        let own = self.schema.fields().iter().enumerate();
        let asked = own.filter(|(_, field)| schema.column_with_name(field.name()).is_some());
        let asked: Vec<_> = asked.map(|(index, _)| index).collect();
        Ok(match &self.place {
            PlaceOfRun::Memory { rows, order } => {
                let (rows, order) = (rows.project(&asked)?, order.clone());
                Box::new((0..order.len()).step_by(limit.rows).map(move |start| {
                    let next = order.slice(start, limit.rows.min(order.len() - start));
                    Ok(take_record_batch(&rows, &next)?)
                }))
            }
            PlaceOfRun::Disk(path) => {
                let file = FileReader::try_new_buffered(File::open(path)?, Some(asked))?;
                Box::new(file.map(|batch| batch.map_err(Error::from)))
            }
        })
    }

    /// The rows with exactly the columns of `schema`; only those with a bit, if there are bits. Other columns are not decoded.
    pub(super) fn rows(
        &self,
        schema: &SchemaRef,
        limit: BatchLimit,
        stays: Option<BooleanBuffer>,
    ) -> Result<impl Iterator<Item = Result<RecordBatch>> + Send + use<>> {
        let stays = stays.filter(|stays| stays.count_set_bits() < stays.len());
        let batches = self.batches(schema, limit).map_err(|error| self.place.of(error))?;
        let (schema, place, mut at) = (schema.clone(), self.place.clone(), 0);
        let rows = batches.map(move |batch| {
            let batch = conform(&batch?, &schema)?;
            let Some(stays) = &stays else { return Ok(batch) };
            let bits = stays.slice(at, batch.num_rows());
            at += batch.num_rows();
            Ok(filter_record_batch(&batch, &BooleanArray::new(bits, None))?)
        });
        Ok(rows.map(move |batch: Result<_>| batch.map_err(|error| place.of(error))))
    }

    /// Reads all rows on a thread of its own.
    pub(super) fn read(&self, schema: &SchemaRef, limit: BatchLimit) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(schema.clone(), 1);
        let (run, schema, out) = (self.clone(), schema.clone(), stream.tx());
        stream.spawn_blocking(move || {
            for batch in run.rows(&schema, limit, None)? {
                // The reader has stopped, which is no error.
                if out.blocking_send(Ok(batch?)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        stream.build()
    }
}

impl PlaceOfRun {
    /// An error in reading it.
    fn of(&self, error: Error) -> Error {
        match self {
            Self::Memory { .. } => error,
            Self::Disk(path) => error.context(path.display()),
        }
    }
}

/// A run on disk that is being written, in full batches.
pub(super) struct RunWriter {
    path: PathBuf,
    schema: SchemaRef,
    rows: usize,
    gathered: Gatherer,
    writer: FileWriter<BufWriter<File>>,
}

impl RunWriter {
    pub(super) fn create(path: PathBuf, schema: SchemaRef, limit: BatchLimit) -> Result<Self> {
        let out = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let writer = FileWriter::try_new(out, &schema)?;
        Ok(Self { path, rows: 0, gathered: limit.gatherer(schema.clone()), schema, writer })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, rows: RecordBatch) -> Result<()> {
        self.rows += rows.num_rows();
        self.gathered.push(rows)?;
        self.write_full()
    }

    /// Completes the file.
    pub(super) fn finish(mut self) -> Result<Run> {
        self.gathered.finish()?;
        self.write_full()?;
        self.writer.finish()?;
        Ok(Run { schema: self.schema, rows: self.rows, place: PlaceOfRun::Disk(self.path) })
    }

    fn write_full(&mut self) -> Result<()> {
        while let Some(full) = self.gathered.next_batch() {
            let written = self.writer.write(&full);
            written.map_err(|error| Error::from(error).context(self.path.display()))?;
        }
        Ok(())
    }
}
