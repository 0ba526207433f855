//! Gathers the rows of small batches into full ones, in the same order: of [`BATCH_ROWS`] rows, or of [`BATCH_BYTES`] where rows are long.
//! Sorting and writing cost by the batch, memory by the byte.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array};
use arrow::compute::{BatchCoalescer, concat, filter_record_batch, take};
use arrow::datatypes::SchemaRef;

use crate::error::Result;

/// Rows of a full batch: about 1 MB of 120 columns.
pub const BATCH_ROWS: usize = 1024;
/// The most bytes of a batch, unless a single row has more. A sort with the least memory that can be given holds a few such batches.
const BATCH_BYTES: usize = 4 << 20;

/// Rows that wait to become a full batch.
pub struct Gatherer {
    full: BatchCoalescer,
    /// An upper bound of the bytes of the waiting rows.
    bytes: usize,
    /// The most bytes of a batch.
    most_bytes: usize,
}

impl Gatherer {
    /// A gatherer of rows of this schema.
    pub fn new(schema: SchemaRef) -> Self {
        Self::of_batches(schema, BATCH_ROWS, BATCH_BYTES)
    }

    /// A gatherer of rows into batches of at most so many rows and bytes.
    pub fn of_batches(schema: SchemaRef, rows: usize, most_bytes: usize) -> Self {
        // Batches that are more than half full are passed on as they are: to copy their rows costs more than to handle more of them.
        let full =
            BatchCoalescer::new(schema, rows).with_biggest_coalesce_batch_size(Some(rows / 2));
        Self { full, bytes: 0, most_bytes }
    }

    /// Adds rows.
    pub fn push(&mut self, batch: RecordBatch) -> Result<()> {
        let bytes = bytes_of(&batch)?;
        let rows = batch.num_rows();
        if bytes > self.most_bytes && rows > 1 {
            self.push(batch.slice(0, rows / 2))?;
            return self.push(batch.slice(rows / 2, rows - rows / 2));
        }
        if self.bytes + bytes > self.most_bytes {
            self.full.finish_buffered_batch()?;
            self.bytes = 0;
        }
        let waiting = self.full.get_buffered_rows();
        self.full.push_batch(batch)?;
        let completed = self.full.get_buffered_rows() < waiting + rows;
        self.bytes = if completed { bytes } else { self.bytes + bytes };
        Ok(())
    }

    /// Adds the rows whose bit is set.
    pub fn push_passing(&mut self, batch: RecordBatch, passes: &BooleanArray) -> Result<()> {
        match passes.has_false() {
            true => self.push(filter_record_batch(&batch, passes)?),
            false => self.push(batch),
        }
    }

    /// The next batch that is full.
    pub fn next_batch(&mut self) -> Option<RecordBatch> {
        self.full.next_completed_batch()
    }

    /// Makes a batch of the rows that are left.
    pub fn finish(&mut self) -> Result<()> {
        Ok(self.full.finish_buffered_batch()?)
    }
}

/// The bytes of the rows of a batch, which may be a slice of larger arrays.
pub fn bytes_of(batch: &RecordBatch) -> Result<usize> {
    let mut bytes = 0;
    for column in batch.columns() {
        bytes += column.to_data().get_slice_memory_size()?;
    }
    Ok(bytes)
}

/// Joins batches column by column, so that no more than one column is in memory twice.
pub fn joined(schema: &SchemaRef, batches: Vec<RecordBatch>) -> Result<RecordBatch> {
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    by_column(schema, batches, rows, Ok)
}

/// The rows of batches in an order, made like [`joined`] ones.
pub fn taken(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    order: &UInt32Array,
) -> Result<RecordBatch> {
    by_column(schema, batches, order.len(), |column| Ok(take(&column, order, None)?))
}

/// A batch of so many rows, of which each column is made from that of all batches.
fn by_column(
    schema: &SchemaRef,
    batches: Vec<RecordBatch>,
    rows: usize,
    made: impl Fn(ArrayRef) -> Result<ArrayRef>,
) -> Result<RecordBatch> {
    if batches.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let columns = batches.into_iter().map(|batch| batch.into_parts().1.into_iter());
    let mut columns: Vec<_> = columns.collect();
    let next = |columns: &mut Vec<std::vec::IntoIter<ArrayRef>>| {
        let mut pieces: Vec<_> = columns.iter_mut().filter_map(Iterator::next).collect();
        let joined = match pieces.len() {
            1 => pieces.remove(0),
            _ => concat(&pieces.iter().map(|piece| &**piece).collect::<Vec<_>>())?,
        };
        drop(pieces);
        made(joined)
    };
    let all = schema.fields().iter().map(|_| next(&mut columns)).collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema.clone(), all, &options)?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{AsArray, StringArray};
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;

    /// The rows and bytes of the batches made of rows of these lengths, pushed so many at once.
    fn gathered(lengths: &[usize], at_once: usize) -> Vec<(usize, usize)> {
        let schema = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, true)]));
        let mut gatherer = Gatherer::new(schema.clone());
        let (mut batches, mut read) = (Vec::new(), Vec::new());
        for lengths in lengths.chunks(at_once) {
            let texts = lengths.iter().map(|length| Some("x".repeat(*length)));
            let texts = Arc::new(texts.collect::<StringArray>());
            gatherer.push(RecordBatch::try_new(schema.clone(), vec![texts]).unwrap()).unwrap();
            batches.extend(std::iter::from_fn(|| gatherer.next_batch()));
        }
        gatherer.finish().unwrap();
        batches.extend(gatherer.next_batch());
        for batch in &batches {
            let texts = batch.column(0).as_string::<i32>();
            read.extend(texts.iter().map(|text| text.unwrap().len()));
        }
        assert_eq!(read, lengths);
        batches.iter().map(|batch| (batch.num_rows(), bytes_of(batch).unwrap())).collect()
    }

    #[test]
    fn short_rows_are_gathered_by_number() {
        let batches = gathered(&[10; 3000], 7);
        let rows: Vec<_> = batches.into_iter().map(|(rows, _)| rows).collect();
        assert_eq!(rows, [1024, 1024, 952]);
    }

    #[test]
    fn batches_that_are_more_than_half_full_stay_as_they_are() {
        let batches = gathered(&[10; 3000], 600);
        assert!(batches.iter().all(|(rows, _)| *rows == 600), "{batches:?}");
        assert_eq!(gathered(&[10; 3000], 500)[0].0, 1024);
    }

    #[test]
    fn long_rows_are_gathered_by_bytes() {
        let long = 1 << 20;
        for at_once in [1, 3, 40] {
            let batches = gathered(&[long; 40], at_once);
            assert!(batches.iter().all(|(_, bytes)| *bytes <= BATCH_BYTES), "{batches:?}");
            assert!(batches.len() <= 40, "{batches:?}");
        }
        let batches = gathered(&[1, BATCH_BYTES + 1, 1], 3);
        assert_eq!(batches.iter().map(|(rows, _)| *rows).sum::<usize>(), 3);
    }
}
