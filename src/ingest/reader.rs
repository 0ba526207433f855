//! Reads a file of packets of either format as nested batches. The first bytes of a file tell its format, never its name.

use std::fs::File;
use std::io::{Read, Seek};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::avro::AvroPackets;
use super::science::SciencePackets;
use crate::error::{Error, Result};

pub(crate) enum PacketReader {
    Avro(Box<AvroPackets>),
    Science(Box<SciencePackets>),
}

impl PacketReader {
    /// Opens a file; one that is not of alerts is an `Input` error. The history is read if asked for.
    pub(crate) fn open(mut file: File, history: bool) -> Result<Self> {
        let mut magic = Vec::new();
        (&mut file).take(4).read_to_end(&mut magic)?;
        file.rewind()?;
        match magic.as_slice() {
            b"Obj\x01" => Ok(Self::Avro(Box::new(AvroPackets::open(file, history)?))),
            b"PAR1" => Ok(Self::Science(Box::new(SciencePackets::open(file, history)?))),
            [] => Err(Error::input("empty; an Avro or Parquet file of alerts is expected")),
            other => Err(Error::input(format!(
                "neither Avro (first bytes `Obj` and 1) nor Parquet (`PAR1`), for it begins with `{}`",
                other.escape_ascii()
            ))),
        }
    }

    pub(crate) fn schema(&self) -> SchemaRef {
        match self {
            Self::Avro(packets) => packets.schema(),
            Self::Science(packets) => packets.schema(),
        }
    }

    /// The next packets, in the order of the file; `None` after the last.
    pub(crate) fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        match self {
            Self::Avro(packets) => packets.next_batch(),
            Self::Science(packets) => packets.next_batch(),
        }
    }

    /// How many bytes of the file have been read.
    pub(crate) fn bytes_read(&self) -> u64 {
        match self {
            Self::Avro(packets) => packets.bytes_read(),
            Self::Science(packets) => packets.bytes_read(),
        }
    }
}
