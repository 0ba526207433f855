//! Rows of one schema that were put aside, to be read as often as needed in one order: in memory, as one batch, or in Arrow IPC files.
//! These are not compressed: it would take more time than writing the bytes.

mod on_disk;

use std::path::Path;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;

use super::evolution::conform;
use super::merge::SortedBatches;
use crate::error::{Error, Result};
use crate::warehouse::{BATCH_ROWS, Gatherer};
use on_disk::RunFiles;
pub(super) use on_disk::RunWriter;

/// How many runs are merged at once.
pub(super) const MERGED_AT_ONCE: usize = 64;
/// A batch of a run takes this part of the memory for staged rows, at most. Of each run that is merged there is a batch in memory, and up to
/// as much again that is sorted: nothing else is, by then.
const BATCH_PART: usize = MERGED_AT_ONCE;
/// The most rows and bytes of a batch.
const MOST_ROWS: usize = 8192;
const MOST_BYTES: usize = 4 << 20;

/// How large batches of runs are, at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimit {
    pub rows: usize,
    pub bytes: usize,
}

impl BatchLimit {
    /// For rows of ids and numbers.
    pub(super) const OF_IDS: Self = Self { rows: BATCH_ROWS, bytes: 4 << 20 };

    /// For rows of up to about `row_bytes`, in a memory for staged rows.
    pub(super) fn new(row_bytes: usize, memory_bytes: usize) -> Self {
        let bytes = (memory_bytes / BATCH_PART).min(MOST_BYTES);
        let rows = (bytes / row_bytes.max(1)).clamp(1, MOST_ROWS);
        Self { rows, bytes }
    }

    fn gatherer(self, schema: SchemaRef) -> Gatherer {
        Gatherer::of_batches(schema, self.rows, self.bytes)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Run {
    schema: SchemaRef,
    pub rows: usize,
    place: PlaceOfRun,
}

#[derive(Clone, Debug)]
enum PlaceOfRun {
    Memory(RecordBatch),
    Disk(RunFiles),
}

impl Run {
    /// Rows that stay in memory.
    pub(super) fn in_memory(rows: RecordBatch) -> Self {
        Self { schema: rows.schema(), rows: rows.num_rows(), place: PlaceOfRun::Memory(rows) }
    }

    /// The same rows in new files, in which these columns are apart from the others.
    pub(super) fn on_disk(&self, path: &Path, apart: &Schema, limit: BatchLimit) -> Result<Self> {
        let columns = 0..self.schema.fields().len();
        let is_apart = |at: &usize| apart.index_of(self.schema.field(*at).name()).is_ok();
        let (apart, others) = columns.partition(is_apart);
        let written = || -> Result<Self> {
            let mut files = RunWriter::in_parts(path, &self.schema, &[apart, others], limit)?;
            for batch in self.batches(&self.schema, limit)? {
                files.write(batch?)?;
            }
            files.finish()
        };
        written().map_err(|error| error.context(path.display()))
    }

    /// The rows with those of the asked columns that there are. The limit is for rows in memory: those on disk are in batches.
    fn batches(&self, schema: &SchemaRef, limit: BatchLimit) -> Result<SortedBatches> {
        let asked = |own: &Schema| -> Vec<usize> {
            let own = own.fields().iter().enumerate();
            let asked = own.filter(|(_, field)| schema.column_with_name(field.name()).is_some());
            asked.map(|(index, _)| index).collect()
        };
        Ok(match &self.place {
            PlaceOfRun::Memory(rows) => {
                let rows = rows.project(&asked(&self.schema))?;
                let starts = (0..rows.num_rows()).step_by(limit.rows);
                Box::new(starts.map(move |start| {
                    Ok(rows.slice(start, limit.rows.min(rows.num_rows() - start)))
                }))
            }
            PlaceOfRun::Disk(parts) => parts.batches(asked)?,
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
        let (run, schema) = (self.clone(), schema.clone());
        on_a_thread(schema.clone(), move || run.rows(&schema, limit, None))
    }
}

/// Reads rows on a thread of their own, until they end or their reader stops.
pub(super) fn on_a_thread<Rows: Iterator<Item = Result<RecordBatch>>>(
    schema: SchemaRef,
    rows: impl FnOnce() -> Result<Rows> + Send + 'static,
) -> SendableRecordBatchStream {
    let mut stream = RecordBatchReceiverStream::builder(schema, 1);
    let out = stream.tx();
    stream.spawn_blocking(move || {
        for batch in rows()? {
            if out.blocking_send(Ok(batch?)).is_err() {
                break;
            }
        }
        Ok(())
    });
    stream.build()
}

impl PlaceOfRun {
    /// An error in reading it.
    fn of(&self, error: Error) -> Error {
        match self {
            Self::Memory(_) => error,
            Self::Disk(parts) => parts.of(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field};

    use super::*;

    const LIMIT: BatchLimit = BatchLimit { rows: 100, bytes: 1 << 20 };

    fn schema() -> SchemaRef {
        let long = |name| Field::new(name, DataType::Int64, true);
        Arc::new(Schema::new(vec![long("a"), Field::new("text", DataType::Utf8, true), long("b")]))
    }

    fn rows() -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..1050));
        let texts: ArrayRef =
            Arc::new(StringArray::from_iter_values((0..1050).map(|n| n.to_string())));
        RecordBatch::try_new(schema(), vec![numbers.clone(), texts, numbers]).unwrap()
    }

    fn read(run: &Run, columns: &[usize]) -> Result<Vec<RecordBatch>> {
        run.rows(&Arc::new(schema().project(columns).unwrap()), LIMIT, None)?.collect()
    }

    #[test]
    fn columns_that_are_apart_are_read_with_the_others_or_alone() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), rows());
        let path = dir.path().join("run.arrow");
        for apart in [vec![], vec![1], vec![0, 2], vec![0, 1, 2]] {
            let apart = schema().project(&apart).unwrap();
            let run = Run::in_memory(rows.clone()).on_disk(&path, &apart, LIMIT).unwrap();
            for columns in [vec![0, 1, 2], vec![2], vec![1], vec![1, 2]] {
                let read = read(&run, &columns).unwrap();
                assert!(read.iter().all(|batch| batch.num_rows() <= LIMIT.rows));
                let all = arrow::compute::concat_batches(&read[0].schema(), &read).unwrap();
                assert_eq!(all, rows.project(&columns).unwrap());
            }
        }
    }

    #[test]
    fn a_part_that_is_shorter_than_another_is_an_error() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), rows());
        let on_disk = |name: &str, rows: RecordBatch| {
            let apart = schema().project(&[0]).unwrap();
            Run::in_memory(rows).on_disk(&dir.path().join(name), &apart, LIMIT).unwrap()
        };
        let whole = on_disk("whole", rows.clone());
        on_disk("shorter", rows.slice(0, 500));
        std::fs::rename(dir.path().join("shorter.1.arrow"), dir.path().join("whole.1.arrow"))
            .unwrap();
        assert!(read(&whole, &[0]).is_ok());
        let error = read(&whole, &[0, 1]).unwrap_err();
        assert!(error.to_string().contains("less rows"), "{error}");
    }
}
