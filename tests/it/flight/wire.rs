//! What goes over the wire, which pyarrow does not show: compression, sizes, and what is not served.

use arrow::ipc::{CompressionType, root_as_message};
use arrow_flight::flight_service_client::FlightServiceClient;
use arrow_flight::{Action, Criteria, FlightData, FlightDescriptor, FlightInfo};
use diaflight::limits::ServerOptions;
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request};

use super::{flight_alone, survey};

async fn client(warehouse: &str) -> FlightServiceClient<Channel> {
    let warehouse = Warehouse::open(warehouse).unwrap();
    survey::fill(&warehouse).await;
    let url = flight_alone(&warehouse, ServerOptions::DEFAULT, None).await;
    let channel = Endpoint::new(url.replacen("grpc", "http", 1)).unwrap().connect().await;
    FlightServiceClient::new(channel.unwrap())
}

async fn info(client: &mut FlightServiceClient<Channel>, command: String) -> FlightInfo {
    let info = client.get_flight_info(FlightDescriptor::new_cmd(command)).await;
    info.unwrap().into_inner()
}

/// The compression of a message's values; panics where it has none to compress.
fn compression(message: &FlightData) -> Option<CompressionType> {
    let header = root_as_message(&message.data_header).unwrap();
    let batch = header.header_as_record_batch().unwrap();
    batch.compression().map(|compression| compression.codec())
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_compressed_as_asked_and_messages_small() {
    let mut client = client("memory://flight-wire").await;
    for (command, header, expected) in [
        ("", None, None),
        (r#", "compression": "lz4""#, None, Some(CompressionType::LZ4_FRAME)),
        (r#", "compression": "zstd""#, Some("lz4"), Some(CompressionType::ZSTD)),
        ("", Some("zstd"), Some(CompressionType::ZSTD)),
    ] {
        let info = info(&mut client, format!(r#"{{"endpoint": "sources"{command}}}"#)).await;
        let ticket = info.endpoint[0].ticket.clone().unwrap();
        let mut request = Request::new(ticket);
        if let Some(name) = header {
            request.metadata_mut().insert("x-diaflight-compression", name.parse().unwrap());
        }
        let messages = client.do_get(request).await.unwrap().into_inner();
        let messages: Vec<FlightData> = messages.try_collect().await.unwrap();
        assert!(messages.len() > 10, "{} messages", messages.len());
        for message in &messages[1..] {
            assert_eq!(compression(message), expected);
            assert!(message.data_body.len() < 4 << 20);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_says_so() {
    let mut client = client("memory://flight-refusals").await;
    let descriptor = || FlightDescriptor::new_path(vec!["sources".to_string()]);
    let nothing = futures::stream::iter([FlightData::default()]);
    let refusals = [
        client.poll_flight_info(descriptor()).await.err().unwrap(),
        client.do_action(Action::new("drop", "")).await.err().unwrap(),
        client.do_put(nothing).await.err().unwrap(),
    ];
    for status in refusals {
        assert_eq!(status.code(), Code::Unimplemented);
        assert!(status.message().contains(' '), "{status}");
    }
    let criteria = Criteria { expression: "sources".into() };
    let status = client.list_flights(criteria).await.err().unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
}
