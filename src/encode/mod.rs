//! Rows to bytes. In: a stream of batches. Out: a stream of chunks in one of five formats, with
//! nothing of HTTP. An error of the rows ends the bytes with that error, never with a clean end.

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

    /// The word of `output-format`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Votable => "votable",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        }
    }

    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Encodes rows as they come; memory does not grow with their number.
pub fn encode(
    _format: Format,
    _rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<Bytes>> {
    todo!()
}
