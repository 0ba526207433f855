//! The same query over every protocol: REST in each format, Flight and Flight SQL give equal rows.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::{FlightClient, FlightDescriptor, FlightInfo};
use bytes::Bytes;
use diaflight::encode::Format;
use diaflight::schema::Table;
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use serde_json::{Value, json};
use tonic::transport::{Channel, Endpoint};

use crate::formats::decode::{self, decode};
use crate::formats::rows::Cell;
use crate::server::Server;

/// The cells of each row, the rows in an order of their own: REST and Flight sort differently.
fn sorted(table: decode::Table) -> Vec<Vec<Cell>> {
    let mut rows = table.rows;
    rows.sort_by_cached_key(|row| format!("{row:?}"));
    rows
}

async fn rest(server: &Server, table: Table, arguments: &Value, format: Format) -> Bytes {
    let mut arguments = arguments.clone();
    arguments["output-format"] = format.name().into();
    let answer = server.post(&format!("/api/v1/{}", table.name()), &arguments).await;
    assert_eq!(answer.status(), 200, "{arguments}");
    answer.bytes().await.unwrap()
}

async fn over_flight(channel: &Channel, table: Table, arguments: &Value) -> decode::Table {
    let mut client = FlightClient::new(channel.clone());
    let mut command = arguments.clone();
    command["endpoint"] = table.name().into();
    let descriptor = FlightDescriptor::new_cmd(command.to_string());
    let info: FlightInfo = client.get_flight_info(descriptor).await.unwrap();
    let told = info.clone().try_decode_schema().unwrap();
    let [endpoint] = info.endpoint.as_slice() else { panic!("{info:?}") };
    let stream = client.do_get(endpoint.ticket.clone().unwrap()).await.unwrap();
    let batches: Vec<RecordBatch> = stream.try_collect().await.unwrap();
    let schema = Arc::new(told);
    assert!(batches.iter().all(|batch| batch.schema() == schema), "FlightInfo tells other columns");
    decode::Table::of(&schema, &batches)
}

async fn over_flight_sql(channel: &Channel, statement: String) -> decode::Table {
    let mut client = FlightSqlServiceClient::new(channel.clone());
    let info = client.execute(statement, None).await.unwrap();
    let told: SchemaRef = Arc::new(Schema::clone(&info.clone().try_decode_schema().unwrap()));
    let ticket = info.endpoint[0].ticket.clone().unwrap();
    let batches: Vec<RecordBatch> =
        client.do_get(ticket).await.unwrap().try_collect().await.unwrap();
    assert!(batches.iter().all(|batch| batch.schema() == told), "FlightInfo tells other columns");
    decode::Table::of(&told, &batches)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_gives_equal_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let warehouse = Warehouse::open(path).unwrap();
    let options = SurveyOptions { objects: 200, seed: 1, nights: Nights::ALL };
    let made = survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
    let ids: Vec<i64> = made.examples.iter().map(|example| example.dia_object_id).collect();
    let listed = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let server = Server::serve(path, &[]).await;
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    for table in Table::ALL {
        for columns in [json!(null), json!(["r:diaObjectId", format!("r:{}", table.id_column())])] {
            let arguments = json!({"diaObjectId": ids, "columns": columns});
            let exact = rest(&server, table, &arguments, Format::Arrow).await;
            let reader = StreamReader::try_new(exact.as_ref(), None).unwrap();
            let schema = reader.schema();
            let expected = sorted(decode(Format::Arrow, &exact, &schema));
            assert!(expected.len() >= ids.len(), "{} of {}", expected.len(), table.name());
            for format in Format::ALL {
                let rows = decode(format, &rest(&server, table, &arguments, format).await, &schema);
                let cells =
                    expected.iter().map(|row| row.iter().map(|cell| cell.in_format(format)));
                let rows_then = cells.map(Iterator::collect).collect();
                let expected = sorted(decode::Table { columns: None, rows: rows_then });
                assert!(sorted(rows) == expected, "{} as {}", table.name(), format.name());
            }

            let rows = sorted(over_flight(&channel, table, &arguments).await);
            assert!(rows == expected, "{} over Flight differs", table.name());

            let names = schema.fields().iter().map(|field| field.name().split_once(':').unwrap().1);
            let names = names.collect::<Vec<_>>().join(", ");
            let (name, key) = (table.name(), "diaObjectId");
            let statement = format!("SELECT {names} FROM {name} WHERE {key} IN ({listed})");
            let rows = sorted(over_flight_sql(&channel, statement).await);
            assert!(rows == expected, "{name} over Flight SQL differs");
        }
    }
}
