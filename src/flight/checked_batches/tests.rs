//! Messages that are what they declare, and those that are not.

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
    let texts: ArrayRef = Arc::new(StringViewArray::from(vec!["a text that is no prefix"; 100]));
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
        assert!(error.starts_with("the ids: a message is damaged"), "{error}");
    }
    for compression in [None, LZ4] {
        let sent = messages(ids(), compression).await;
        let error = refused(sent, |body| body.truncate(body.len() / 2)).await;
        assert!(error.starts_with("the ids: a message is damaged"), "{error}");
    }
}

#[tokio::test]
async fn rows_of_nothing_are_few() {
    let error = decoded(messages(Arc::new(NullArray::new(1 << 40)), None).await).await.unwrap_err();
    assert!(error.to_string().ends_with("rows; the limit is 10000"), "{error}");
}

#[tokio::test]
async fn dictionaries_and_nonsense_are_refused() {
    let coded: DictionaryArray<Int32Type> = ["g", "r"].into_iter().collect();
    let error = decoded(messages(Arc::new(coded), None).await).await.unwrap_err();
    assert!(error.to_string().contains("dictionary-encoded"), "{error}");
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
