//! A stream of batches as Flight messages: the schema, then the rows in messages of at most [`MESSAGE_BYTES`], well below the 4 MiB that
//! many gRPC clients take. An error of the rows ends the messages as a status.

use std::sync::Arc;

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use arrow::error::ArrowError;
use arrow::ipc::CompressionType;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::FlightData;
use arrow_flight::encode::FlightDataEncoderBuilder;
use arrow_flight::error::FlightError;
use arrow_flight::utils::batches_to_flight_data;
use datafusion::execution::SendableRecordBatchStream;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::status::status;
use crate::error::{Error, Result};
use crate::workers::{Limit, Workers};

/// Bytes of values in a message, before compression; a single row that has more goes alone.
const MESSAGE_BYTES: usize = 2 << 20;

/// Messages to a client.
pub(crate) type Messages = BoxStream<'static, Result<FlightData, Status>>;

/// The header with which a call asks for compressed values.
const COMPRESSION: &str = "x-diaflight-compression";

/// The compression that a call asks for in its header.
pub(crate) fn compression(metadata: &MetadataMap) -> Result<Option<CompressionType>> {
    let Some(value) = metadata.get(COMPRESSION) else { return Ok(None) };
    let known = value.to_str().ok().and_then(compression_named);
    let wrong = || Error::argument(format!("the header {COMPRESSION} must be lz4 or zstd"));
    known.ok_or_else(wrong).map(Some)
}

/// `lz4` or `zstd`.
pub(crate) fn compression_named(name: &str) -> Option<CompressionType> {
    match name {
        "lz4" => Some(CompressionType::LZ4_FRAME),
        "zstd" => Some(CompressionType::ZSTD),
        _ => None,
    }
}

/// Encodes rows on `workers` as they come, with their values compressed if asked. The schema is sent even where no row is.
/// Dropping the stream drops the rows.
pub(crate) fn flight_data(
    workers: &Workers,
    rows: SendableRecordBatchStream,
    compression: Option<CompressionType>,
) -> Messages {
    limited_flight_data(workers, rows, compression, (), Limit::NONE)
}

/// The same within a time limit. The permit is held until the last message is taken.
pub(crate) fn limited_flight_data(
    workers: &Workers,
    rows: SendableRecordBatchStream,
    compression: Option<CompressionType>,
    place: impl Send + 'static,
    limit: Limit,
) -> Messages {
    workers.ahead(encoded(rows, compression), place, limit, |failure| Err(status(failure)))
}

/// The messages of rows, first that of their schema.
pub(crate) fn encoded(
    rows: SendableRecordBatchStream,
    compression: Option<CompressionType>,
) -> Messages {
    let options = match IpcWriteOptions::default().try_with_compression(compression) {
        Ok(options) => options,
        Err(error) => return stream::once(async { Err(status(error.into())) }).boxed(),
    };
    let encoder = FlightDataEncoderBuilder::new()
        .with_schema(rows.schema())
        .with_options(options)
        // The encoder would count the bytes of the whole batch for a slice of it.
        .with_max_flight_data_size(usize::MAX);
    let messages = rows
        .map(|batch| pieces(batch.map_err(Error::from)?).map_err(Error::from))
        .map_ok(|pieces| stream::iter(pieces.into_iter().map(Ok)))
        .try_flatten()
        .map_err(|error: Error| FlightError::ExternalError(Box::new(error)));
    encoder.build(messages).map_err(|error| status(error.into())).boxed()
}

/// The batch in slices of at most [`MESSAGE_BYTES`].
fn pieces(batch: RecordBatch) -> Result<Vec<RecordBatch>, ArrowError> {
    let sizes = batch.columns().iter().map(|column| column.to_data().get_slice_memory_size());
    let bytes = sizes.sum::<Result<usize, _>>()?;
    let rows = batch.num_rows();
    let count = bytes.div_ceil(MESSAGE_BYTES).min(rows);
    if count <= 1 {
        return Ok(vec![batch]);
    }
    let rows_each = rows.div_ceil(count);
    let starts = (0..rows).step_by(rows_each);
    let slices = starts.map(|start| pieces(batch.slice(start, rows_each.min(rows - start))));
    Ok(slices.collect::<Result<Vec<_>, _>>()?.concat())
}

/// A message for metadata, between or after the rows. It has a batch without rows, since not every client takes a message without a batch.
pub(crate) fn note(schema: &Schema, app_metadata: String) -> Result<FlightData> {
    let nothing = RecordBatch::new_empty(Arc::new(schema.clone()));
    let last = batches_to_flight_data(schema, vec![nothing])?.pop().unwrap_or_default();
    Ok(last.with_app_metadata(app_metadata))
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{DataType, Field, SchemaRef};
    use arrow_flight::decode::FlightRecordBatchStream;
    use datafusion::error::DataFusionError;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
    use tonic::Code;

    use super::*;

    const CLIENT_LIMIT: usize = 4 << 20;

    fn schema() -> SchemaRef {
        let fields =
            [Field::new("id", DataType::Int64, false), Field::new("text", DataType::Utf8, true)];
        Arc::new(Schema::new(fields.to_vec()))
    }

    /// Mostly short texts, and some very long ones side by side.
    fn uneven() -> RecordBatch {
        let text = |row: i64| "x".repeat(if (500..520).contains(&row) { 1 << 20 } else { 10 });
        let ids = Int64Array::from_iter_values(0..20_000);
        let texts = StringArray::from_iter_values((0..20_000).map(text));
        RecordBatch::try_new(schema(), vec![Arc::new(ids), Arc::new(texts)]).unwrap()
    }

    async fn messages(
        batches: Vec<Result<RecordBatch, DataFusionError>>,
        compression: Option<CompressionType>,
    ) -> Vec<Result<FlightData, Status>> {
        let rows = RecordBatchStreamAdapter::new(schema(), stream::iter(batches));
        flight_data(&Workers::current(), Box::pin(rows), compression).collect().await
    }

    #[tokio::test]
    async fn messages_are_small_and_give_the_rows_back() {
        let batch = uneven();
        let bytes = batch.get_array_memory_size();
        for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
            let messages = messages(vec![Ok(batch.slice(3, 19_000))], compression).await;
            let sizes = messages.iter().map(|message| message.as_ref().unwrap().data_body.len());
            let sizes: Vec<_> = sizes.collect();
            assert!(sizes.iter().all(|&size| size < CLIENT_LIMIT), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>() < bytes / 10, compression.is_some());
            let messages = stream::iter(messages).map_err(FlightError::from);
            let rows = FlightRecordBatchStream::new_from_flight_data(messages);
            let rows: Vec<_> = rows.try_collect().await.unwrap();
            let rows = arrow::compute::concat_batches(&schema(), &rows).unwrap();
            assert_eq!(rows, batch.slice(3, 19_000));
        }
    }

    #[tokio::test]
    async fn no_rows_still_have_a_schema() {
        let messages = messages(vec![], None).await;
        let [Ok(message)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(&Schema::try_from(message).unwrap(), schema().as_ref());
    }

    #[tokio::test]
    async fn an_error_of_the_rows_is_the_last_message() {
        let failure = DataFusionError::from(Error::argument("a row is too many"));
        let mut messages = messages(vec![Ok(uneven()), Err(failure), Ok(uneven())], None).await;
        let status = messages.pop().unwrap().unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "a row is too many"));
        assert!(messages.len() > 10 && messages.iter().all(Result::is_ok));
    }
}
