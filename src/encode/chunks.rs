//! The way from batches of any size to chunks of [`MIN_CHUNK_BYTES`] to [`MAX_CHUNK_BYTES`], which all formats share. Between two slices
//! that are encoded, other tasks get their turn.

use std::mem;

use arrow::array::RecordBatch;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::{self, BoxStream, StreamExt};

use super::column_types::EncodedColumns;
use super::{Encoder, FormatDefinition};
use crate::error::{Error, Result};

/// Fewer bytes wait for more, unless it is the end.
const MIN_CHUNK_BYTES: usize = 64 << 10;
/// More bytes are split evenly.
const MAX_CHUNK_BYTES: usize = 256 << 10;
/// Values encoded without a pause: less than a few milliseconds and about half a megabyte of text.
const SLICE_VALUES: usize = 16 << 10;

/// The document of some rows, or the error of columns that cannot be encoded.
pub(super) fn chunks(
    format: &FormatDefinition,
    columns: Result<EncodedColumns>,
    rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<Bytes>> {
    match columns.and_then(|columns| Encoding::open(format, columns, rows)) {
        Ok(encoding) => stream::unfold(encoding, Encoding::next).boxed(),
        Err(error) => stream::once(async { Err(error) }).boxed(),
    }
}

/// A document being encoded.
struct Encoding {
    rows: SendableRecordBatchStream,
    columns: EncodedColumns,
    encoder: Box<dyn Encoder>,
    /// Rows that are not encoded yet.
    batch: RecordBatch,
    /// Bytes that the encoder writes to.
    out: Vec<u8>,
    /// Bytes that are given out as chunks.
    ready: Bytes,
    end: Option<Result<(), Error>>,
    /// Whether a slice was encoded. There is a pause before each further one.
    begun: bool,
}

impl Encoding {
    fn open(
        format: &FormatDefinition,
        columns: EncodedColumns,
        rows: SendableRecordBatchStream,
    ) -> Result<Self> {
        let mut out = Vec::new();
        let encoder = (format.open)(columns.schema(), &mut out)?;
        let batch = RecordBatch::new_empty(columns.schema().clone());
        Ok(Self {
            rows,
            columns,
            encoder,
            batch,
            out,
            ready: Bytes::new(),
            end: None,
            begun: false,
        })
    }

    /// The next chunk, and what follows it.
    async fn next(mut self) -> Option<(Result<Bytes>, Self)> {
        if self.ready.is_empty() {
            while self.out.len() < MIN_CHUNK_BYTES && self.end.is_none() {
                self.end = self.step().await.transpose();
            }
            self.ready = mem::take(&mut self.out).into();
        }
        if !self.ready.is_empty() {
            let pieces = self.ready.len().div_ceil(MAX_CHUNK_BYTES);
            let chunk = self.ready.split_to(self.ready.len().div_ceil(pieces));
            return Some((Ok(chunk), self));
        }
        match self.end.replace(Ok(())) {
            Some(Err(error)) => Some((Err(error), self)),
            _ => None,
        }
    }

    /// Fetches a batch, encodes a slice of one, or writes the end; `Some` after the last.
    async fn step(&mut self) -> Result<Option<()>> {
        if self.batch.num_rows() > 0 {
            if mem::replace(&mut self.begun, true) {
                tokio::task::yield_now().await;
            }
            let rows = self.batch.num_rows().min(slice_rows(self.batch.num_columns()));
            self.encoder.write(&self.batch.slice(0, rows), &mut self.out)?;
            self.batch = self.batch.slice(rows, self.batch.num_rows() - rows);
            return Ok(None);
        }
        match self.rows.next().await {
            Some(batch) => {
                self.batch = self.columns.convert(&batch?)?;
                Ok(None)
            }
            None => self.encoder.finish(&mut self.out).map(Some),
        }
    }
}

/// The number of rows of so many columns that are encoded without a pause.
fn slice_rows(columns: usize) -> usize {
    (SLICE_VALUES / columns.max(1)).max(1)
}
