//! Flight SQL as its clients see it: ADBC and what builds on it in Python, and arrow-flight's own client in Rust.

mod metadata;
mod refusals;
mod statements;

use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow_flight::FlightInfo;
use arrow_flight::error::FlightError;
use arrow_flight::sql::client::FlightSqlServiceClient;
use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use futures::TryStreamExt;
use tempfile::TempDir;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::python;
use crate::server::Server;

type Client = FlightSqlServiceClient<Channel>;

const OBJECTS: u64 = 300;

/// A synthetic survey in a folder, and a server of it.
async fn served() -> (TempDir, Server) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let warehouse = Warehouse::open(path).unwrap();
    let options = SurveyOptions { objects: OBJECTS, seed: 3, nights: Nights::ALL };
    generate(&warehouse, &options, &|_| {}).await.unwrap();
    let server = Server::serve(path, &[]).await;
    (folder, server)
}

async fn client(server: &Server) -> Client {
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await;
    FlightSqlServiceClient::new(channel.unwrap())
}

/// All rows of a FlightInfo, whose schema is that of the stream and of each batch, field for field.
async fn read(client: &mut Client, info: FlightInfo) -> Result<RecordBatch, FlightError> {
    let told = info.clone().try_decode_schema().unwrap();
    let [endpoint] = info.endpoint.as_slice() else { panic!("{info}") };
    assert_eq!(info.total_records, -1);
    let mut rows = client.do_get(endpoint.ticket.clone().unwrap()).await?;
    let batches: Vec<RecordBatch> = (&mut rows).try_collect().await?;
    let schema = rows.schema().unwrap();
    assert_eq!(schema.as_ref(), &told);
    assert!(batches.iter().all(|batch| batch.schema() == *schema));
    Ok(concat_batches(schema, &batches)?)
}

async fn rows(client: &mut Client, statement: &str) -> RecordBatch {
    let info = client.execute(statement.to_string(), None).await.unwrap();
    read(client, info).await.unwrap()
}

/// The status that a call was refused with.
fn status<T>(refused: Result<T, FlightError>) -> Status {
    match refused.err().expect("nothing was refused") {
        FlightError::Tonic(status) => *status,
        other => panic!("no status: {other}"),
    }
}

fn assert_refused<T>(refused: Result<T, FlightError>, code: Code, says: &str) {
    let status = status(refused);
    assert_eq!(status.code(), code, "{status}");
    assert!(status.message().contains(says), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn adbc_polars_and_pandas_read_the_rows_of_the_files() {
    let (folder, server) = served().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/adbc.py");
    let address = server.url.strip_prefix("http://").unwrap();
    python::run(&script, &[folder.path().to_str().unwrap(), address], &[]);
}
