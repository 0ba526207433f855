//! What clients send, before it is decoded. In: the messages of a stream of batches. Out: the batches, or the error that says what is wrong
//! with a message.
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

/// Of the schema of a message.
const MOST_HEADER_BYTES: usize = 1 << 20;
/// What a header may refer to: a field of a schema may be referred to many times, and each of them is a field when it is decoded.
const HEADER: VerifierOptions = VerifierOptions {
    max_depth: 64,
    max_tables: 20_000,
    max_apparent_size: 4 << 20,
    ignore_missing_null_terminator: false,
};
/// Of the values of a message, once they are decompressed.
const MOST_VALUE_BYTES: u64 = 64 << 20;
/// Of a message, unless it has a byte for each of them: rows may be of nothing but nulls, which take no room.
const MOST_BARE_ROWS: u64 = 10_000;
/// Before a compressed buffer stands the length that it is to have, or -1 where it is not compressed after all.
const PREFIX_BYTES: usize = 8;

/// The batches of some messages, called `what` in errors, each of which is an `Argument` or `TooLarge`.
pub fn batches(
    what: &'static str,
    messages: impl Stream<Item = Result<FlightData, Status>> + Send + 'static,
) -> BoxStream<'static, Result<RecordBatch>> {
    // A message may have a descriptor or metadata alone.
    let messages = messages.try_filter(|message| future::ready(!message.data_header.is_empty()));
    let checked = messages.map_err(FlightError::from).and_then(|message| {
        let checked = future::ready(check(&message).map(|()| message));
        checked.map_err(|error| FlightError::ExternalError(Box::new(error)))
    });
    // It is not made for messages that nobody has checked, and panics at what is left: a type of 7 bits, say.
    let batches = AssertUnwindSafe(FlightRecordBatchStream::new_from_flight_data(checked));
    let batches = batches.catch_unwind().map(|batch| match batch {
        Ok(batch) => batch.map_err(error),
        Err(_) => Err(Error::argument("a message that is not Arrow's")),
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

/// Whether a message is within the limits, and what it declares is true.
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
            Err(Error::argument("dictionaries are not taken; send the values themselves"))
        }
        _ => Err(Error::argument("a message that is neither a schema nor a batch")),
    }
}

fn unverified(error: InvalidFlatbuffer) -> Error {
    let most = match error {
        InvalidFlatbuffer::ApparentSizeTooLarge => HEADER.max_apparent_size,
        InvalidFlatbuffer::TooManyTables => HEADER.max_tables,
        InvalidFlatbuffer::DepthLimitReached => HEADER.max_depth,
        _ => return Error::argument("a message that is not Arrow's"),
    };
    Error::new(
        Kind::TooLarge,
        format!("a message has too much in its header ({error}); the limit is {most}"),
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
    Error::argument("a damaged message: its bytes are not what its header says")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, DictionaryArray, Int64Array, NullArray, StringViewArray};
    use arrow::datatypes::Int32Type;
    use arrow::ipc::writer::IpcWriteOptions;
    use arrow_flight::encode::{DictionaryHandling, FlightDataEncoderBuilder};
    use bytes::Bytes;
    use flatbuffers::FlatBufferBuilder;
    use futures::stream;

    use super::*;

    const LZ4: Option<CompressionType> = Some(CompressionType::LZ4_FRAME);

    fn ids() -> ArrayRef {
        Arc::new(Int64Array::from(vec![7; 10_000]))
    }

    /// A schema and a batch.
    async fn messages(values: ArrayRef, compression: Option<CompressionType>) -> Vec<FlightData> {
        let batch = RecordBatch::try_from_iter([("x", values)]).unwrap();
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let encoder = FlightDataEncoderBuilder::new()
            .with_options(options)
            .with_max_flight_data_size(usize::MAX)
            .with_dictionary_handling(DictionaryHandling::Resend);
        encoder.build(stream::iter([Ok(batch)])).try_collect().await.unwrap()
    }

    async fn decoded(messages: Vec<FlightData>) -> Result<Vec<RecordBatch>> {
        batches("the ids", stream::iter(messages.into_iter().map(Ok))).try_collect().await
    }

    /// The error of messages whose last one has another body.
    async fn refused(mut messages: Vec<FlightData>, change: impl FnOnce(&mut Vec<u8>)) -> String {
        let last = messages.last_mut().unwrap();
        let mut body = last.data_body.to_vec();
        change(&mut body);
        last.data_body = Bytes::from(body);
        let error = decoded(messages).await.unwrap_err();
        assert!(matches!(error.kind(), Kind::Argument | Kind::TooLarge), "{error:?}");
        error.to_string()
    }

    fn declare(body: &mut [u8], bytes: i64) {
        let frame = body.windows(4).position(|window| window == [0x04, 0x22, 0x4d, 0x18]).unwrap();
        body[frame - PREFIX_BYTES..frame].copy_from_slice(&bytes.to_le_bytes());
    }

    #[tokio::test]
    async fn what_is_true_is_decoded() {
        let texts: ArrayRef =
            Arc::new(StringViewArray::from(vec!["a text that is no prefix"; 100]));
        for values in [ids(), texts, Arc::new(NullArray::new(10_000))] {
            for compression in [None, LZ4, Some(CompressionType::ZSTD)] {
                let batches = decoded(messages(values.clone(), compression).await).await.unwrap();
                assert_eq!(batches[0].column(0), &values, "{compression:?}");
            }
        }
    }

    #[tokio::test]
    async fn no_length_is_believed() {
        let sent = messages(ids(), LZ4).await;
        for declared in [1 << 62, i64::MAX, 65 << 20] {
            let error = refused(sent.clone(), |body| declare(body, declared)).await;
            assert!(error.ends_with("bytes of values; the limit is 67108864"), "{error}");
        }
        for declared in [79_999, 80_001, 1, i64::MIN] {
            let error = refused(sent.clone(), |body| declare(body, declared)).await;
            assert!(error.starts_with("the ids: a damaged message"), "{error}");
        }
        for compression in [None, LZ4] {
            let sent = messages(ids(), compression).await;
            let error = refused(sent, |body| body.truncate(body.len() / 2)).await;
            assert!(error.starts_with("the ids: a damaged message"), "{error}");
        }
    }

    #[tokio::test]
    async fn rows_of_nothing_are_few() {
        let error =
            decoded(messages(Arc::new(NullArray::new(1 << 40)), None).await).await.unwrap_err();
        assert!(error.to_string().ends_with("rows; the limit is 10000"), "{error}");
    }

    #[tokio::test]
    async fn dictionaries_and_nonsense_are_refused() {
        let coded: DictionaryArray<Int32Type> = ["g", "r"].into_iter().collect();
        let error = decoded(messages(Arc::new(coded), None).await).await.unwrap_err();
        assert!(error.to_string().contains("dictionaries"), "{error}");
        let sent = messages(ids(), None).await;
        for at in 0..sent[1].data_header.len() {
            let mut changed = sent.clone();
            let mut header = changed[1].data_header.to_vec();
            header[at] ^= 0x41;
            changed[1].data_header = Bytes::from(header);
            if let Err(error) = decoded(changed).await {
                assert!(matches!(error.kind(), Kind::Argument | Kind::TooLarge), "{at}: {error:?}");
            }
        }
    }

    /// The header of a schema that has one field many times.
    fn repeated(name: &str, times: usize) -> Bytes {
        let mut builder = FlatBufferBuilder::new();
        let name = builder.create_string(name);
        let null = ipc::Null::create(&mut builder, &ipc::NullArgs {}).as_union_value();
        let field = ipc::FieldArgs {
            name: Some(name),
            nullable: true,
            type_type: ipc::Type::Null,
            type_: Some(null),
            ..Default::default()
        };
        let field = ipc::Field::create(&mut builder, &field);
        let fields = builder.create_vector(&vec![field; times]);
        let schema = ipc::SchemaArgs { fields: Some(fields), ..Default::default() };
        let schema = ipc::Schema::create(&mut builder, &schema).as_union_value();
        let message = ipc::MessageArgs {
            version: ipc::MetadataVersion::V5,
            header_type: MessageHeader::Schema,
            header: Some(schema),
            ..Default::default()
        };
        let message = ipc::Message::create(&mut builder, &message);
        builder.finish(message, None);
        Bytes::copy_from_slice(builder.finished_data())
    }

    #[tokio::test]
    async fn a_field_that_is_referred_to_many_times_counts_each_time() {
        let schema = |name: &str, times| {
            let data_header = repeated(name, times);
            vec![FlightData { data_header, ..FlightData::default() }]
        };
        decoded(schema("ra", 1_000)).await.unwrap();
        for sent in [schema(&"a".repeat(900_000), 2_300), schema("ra", 15_000)] {
            let error = decoded(sent).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TooLarge, "{error:?}");
            assert!(error.to_string().contains("limit is"), "{error}");
        }
    }
}
