//! The batches that clients send, checked before Arrow's decoder reads them. A message that is not right ends the stream with an error that
//! says what is wrong with it.
//!
//! The decoder makes room for what a message declares, and decompresses LZ4 to its end. So no length is believed before it is checked
//! against the bytes that came: rows, places of buffers, and what they are to be once they are decompressed.

use std::io::{self, Read};
use std::panic::AssertUnwindSafe;

use arrow::array::RecordBatch;
use arrow::ipc::{self, CompressionType, MessageHeader, root_as_message_with_opts};
use arrow_flight::FlightData;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use flatbuffers::{InvalidFlatbuffer, VerifierOptions};
use futures::stream::{BoxStream, Stream, StreamExt, TryStreamExt};
use futures::{TryFutureExt, future};
use lz4_flex::frame::FrameDecoder;
use tonic::Status;

use crate::error::{Error, Kind, Result};

/// Bytes of the schema of a message.
const MOST_HEADER_BYTES: usize = 1 << 20;
/// Limits on what a header may refer to. A field of a schema may be referred to many times, and is decoded each time.
const HEADER: VerifierOptions = VerifierOptions {
    max_depth: 64,
    max_tables: 20_000,
    max_apparent_size: 4 << 20,
    ignore_missing_null_terminator: false,
};
/// Bytes of the values of a message, once they are decompressed.
const MOST_VALUE_BYTES: u64 = 64 << 20;
/// Rows of a message with fewer bytes than rows. Rows may have nothing but nulls, which take no bytes.
const MOST_BARE_ROWS: u64 = 10_000;
/// Bytes before a compressed buffer. They have its length once it is decompressed, or -1 if it is not compressed after all.
const PREFIX_BYTES: usize = 8;

/// The batches of some messages. Errors are `Argument` or `TooLarge`, and call the messages `what`.
pub(crate) fn batches(
    what: &'static str,
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch>> {
    // A message may have only a descriptor or metadata.
    let messages = messages.try_filter(|message| future::ready(!message.data_header.is_empty()));
    let checked = messages.map_err(FlightError::from).and_then(|message| {
        let checked = future::ready(check(&message).map(|()| message));
        checked.map_err(|error| FlightError::ExternalError(Box::new(error)))
    });
    // The decoder expects valid messages. It panics on errors that the checks do not find, such as an integer of 7 bits.
    let batches = AssertUnwindSafe(FlightRecordBatchStream::new_from_flight_data(checked));
    let batches = batches.catch_unwind().map(|batch| match batch {
        Ok(batch) => batch.map_err(error),
        Err(_) => Err(Error::argument("a message is not valid Arrow IPC")),
    });
    batches.map_err(move |error| error.context(what)).boxed()
}

fn error(error: FlightError) -> Error {
    match error {
        FlightError::Tonic(status) => Error::argument(status.message()),
        FlightError::ExternalError(error) => match error.downcast::<Error>() {
            Ok(error) => *error,
            Err(error) => Error::argument(error.to_string()),
        },
        error => Error::argument(error.to_string()),
    }
}

/// Checks that a message is within the limits, and that its buffers are as long as it declares.
fn check(message: &FlightData) -> Result<()> {
    let (header, body) = (&message.data_header, &message.data_body);
    if header.len() > MOST_HEADER_BYTES {
        return Err(too_large(header.len() as u64, "bytes in a header", MOST_HEADER_BYTES as u64));
    }
    let header = root_as_message_with_opts(&HEADER, header).map_err(unverified)?;
    match (header.header_type(), header.header_as_record_batch()) {
        (MessageHeader::RecordBatch, Some(batch)) => check_batch(&batch, body),
        (MessageHeader::NONE | MessageHeader::Schema, _) => Ok(()),
        (MessageHeader::DictionaryBatch, _) => {
            Err(Error::argument("dictionary-encoded columns are not supported; send plain columns"))
        }
        _ => Err(Error::argument("a message is neither a schema nor a batch")),
    }
}

fn unverified(error: InvalidFlatbuffer) -> Error {
    let most = match error {
        InvalidFlatbuffer::ApparentSizeTooLarge => HEADER.max_apparent_size,
        InvalidFlatbuffer::TooManyTables => HEADER.max_tables,
        InvalidFlatbuffer::DepthLimitReached => HEADER.max_depth,
        _ => return Error::argument("a message is not valid Arrow IPC"),
    };
    Error::new(
        Kind::TooLarge,
        format!("the header of a message is too large ({error}); the limit is {most}"),
    )
}

fn check_batch(batch: &ipc::RecordBatch, body: &[u8]) -> Result<()> {
    let compression = batch.compression().map(|compression| compression.codec());
    let mut value_bytes = 0_u64;
    for buffer in batch.buffers().iter().flatten() {
        let bytes = slice(body, buffer.offset(), buffer.length()).ok_or_else(damaged)?;
        let declared = match compression {
            Some(compression) if !bytes.is_empty() => decompressed(bytes, compression)?,
            _ => bytes.len() as u64,
        };
        value_bytes = value_bytes.saturating_add(declared);
        at_most(value_bytes, "bytes of values", MOST_VALUE_BYTES)?;
    }
    let most_rows = MOST_BARE_ROWS.max(value_bytes);
    let rows = |count: i64| u64::try_from(count).map_err(|_| damaged());
    at_most(rows(batch.length())?, "rows", most_rows)?;
    for node in batch.nodes().iter().flatten() {
        at_most(rows(node.length())?, "rows", most_rows)?;
        at_most(rows(node.null_count())?, "nulls", most_rows)?;
    }
    let buffers = batch.buffers().map_or(0, |buffers| buffers.len() as u64);
    for count in batch.variadicBufferCounts().iter().flatten() {
        at_most(rows(count)?, "buffers of a column", buffers)?;
    }
    Ok(())
}

fn slice(body: &[u8], offset: i64, length: i64) -> Option<&[u8]> {
    let start = usize::try_from(offset).ok()?;
    body.get(start..start.checked_add(usize::try_from(length).ok()?)?)
}

/// How many bytes a compressed buffer is, once it is decompressed: as many as it declares. Zstandard is decompressed into no more room
/// than that, so that LZ4 alone is tried.
fn decompressed(buffer: &[u8], compression: CompressionType) -> Result<u64> {
    let (prefix, compressed) = buffer.split_first_chunk::<PREFIX_BYTES>().ok_or_else(damaged)?;
    let declared = match i64::from_le_bytes(*prefix) {
        -1 => return Ok(compressed.len() as u64),
        declared => u64::try_from(declared).map_err(|_| damaged())?,
    };
    at_most(declared, "bytes of values", MOST_VALUE_BYTES)?;
    if compression == CompressionType::LZ4_FRAME {
        let mut bytes = FrameDecoder::new(compressed).take(declared + 1);
        let actual = io::copy(&mut bytes, &mut io::sink()).map_err(|_| damaged())?;
        if actual != declared {
            return Err(damaged());
        }
    }
    Ok(declared)
}

fn at_most(count: u64, of: &str, most: u64) -> Result<()> {
    if count > most { Err(too_large(count, of, most)) } else { Ok(()) }
}

fn too_large(count: u64, of: &str, most: u64) -> Error {
    Error::new(Kind::TooLarge, format!("a message has {count} {of}; the limit is {most}"))
}

fn damaged() -> Error {
    Error::argument("a message is damaged: its header does not match its bytes")
}

#[cfg(test)]
mod tests;
