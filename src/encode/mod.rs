//! Rows to bytes. In: a stream of batches. Out: a stream of chunks in one of five formats, with
//! nothing of HTTP. An error of the rows ends the bytes with that error, never with a clean end.
//!
//! A format is one file: a [`Definition`] (what it is called, what opens it) and an [`Encoder`].
//! Batches reach it with the few column types of [`columns`], a bounded slice at a time.

mod arrow;
mod chunks;
mod columns;
mod csv;
mod json;
mod parquet;
mod votable;

use ::arrow::array::RecordBatch;
use ::arrow::datatypes::SchemaRef;
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::BoxStream;

use crate::error::Result;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    Json,
    Csv,
    Votable,
    Parquet,
    Arrow,
}

impl Format {
    pub const ALL: [Format; 5] =
        [Format::Json, Format::Csv, Format::Votable, Format::Parquet, Format::Arrow];

    fn definition(self) -> &'static Definition {
        match self {
            Format::Json => &json::DEFINITION,
            Format::Csv => &csv::DEFINITION,
            Format::Votable => &votable::DEFINITION,
            Format::Parquet => &parquet::DEFINITION,
            Format::Arrow => &arrow::DEFINITION,
        }
    }

    /// The word of `output-format`.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The media type, with its charset where a client would otherwise have to guess it.
    pub fn content_type(self) -> &'static str {
        self.definition().content_type
    }

    /// The usual ending of a file name, without the dot.
    pub fn extension(self) -> &'static str {
        self.definition().extension
    }
}

/// What a format is.
struct Definition {
    name: &'static str,
    content_type: &'static str,
    extension: &'static str,
    open: Open,
}

/// Begins a document with what stands before the first row.
type Open = fn(&SchemaRef, &mut Vec<u8>) -> Result<Box<dyn Encoder>>;

/// One document being written: rows, in order, then the end. Bytes go to the end of `out`, at once
/// or later, but never more of them are held back than a constant.
trait Encoder: Send {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// Writes what was held back and what stands after the last row.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// Encodes rows as they come; memory does not grow with their number. Chunks hold 64 to 256 KiB,
/// but for the last. An error, of the rows or of a column type no format can hold, is the last item:
/// what was encoded comes before it, the end of the document does not. Dropping the stream drops the rows.
pub fn encode(
    format: Format,
    rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<Bytes>> {
    chunks::chunks(format.definition(), rows)
}
