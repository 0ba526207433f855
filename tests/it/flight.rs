//! Flight as pyarrow and other clients see it: over a socket, held against the Parquet files behind it.

mod survey;
mod wire;

use std::path::Path;

use axum::middleware::from_fn_with_state;
use diaflight::access;
use diaflight::flight::{Flight, router};
use diaflight::limits::{Limits, ServerOptions};
use diaflight::query::{Engine, EngineOptions};
use diaflight::sql::{Sql, SqlOptions};
use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::token::Tokens;
use diaflight::warehouse::Warehouse;
use diaflight::workers::Workers;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::python;
use crate::server::Server;

const TOKEN: &str = "a-t0ken";

/// Runs `tests/python/NAME` against servers, off the threads that may serve them.
async fn run(script: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let arguments: Vec<_> = arguments.iter().map(ToString::to_string).collect();
    let run = move || {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        python::run(&script, &arguments, &[])
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

/// `grpc://` where `http://` was.
fn grpc(server: &Server) -> String {
    server.url.replacen("http", "grpc", 1)
}

/// A synthetic survey in a folder, with every column there is.
async fn synthetic(objects: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(&folder.path().to_string_lossy()).unwrap();
    generate(&warehouse, &SurveyOptions { objects, seed: 3, nights: Nights::ALL }, &|_| {})
        .await
        .unwrap();
    folder
}

/// A server of nothing but Flight, that ends with the test.
async fn flight_alone(
    warehouse: &Warehouse,
    options: ServerOptions,
    token: Option<&str>,
) -> String {
    let engine = Engine::open(EngineOptions::from_warehouse(warehouse)).await.unwrap();
    let (limits, workers) = (Limits::new(options), Workers::new().unwrap());
    let sql = Sql::new(engine.clone(), workers.clone(), &SqlOptions::DEFAULT).unwrap();
    let tokens = Tokens::open(token.map(|token| token.parse().unwrap()), None).unwrap();
    let flight = Flight::new(engine, sql, limits, workers, CancellationToken::new());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("grpc://{}", listener.local_addr().unwrap());
    let router = router(flight).layer(from_fn_with_state(tokens, access::recognise));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_are_the_rows_of_the_files() {
    let folder = synthetic(500).await;
    let warehouse = folder.path().to_string_lossy();
    let server = Server::serve(&warehouse, &[]).await;
    let other = Server::serve(&warehouse, &[]).await;
    let (url, other) = (grpc(&server), grpc(&other));
    run("tests/python/flight_lookups.py", &[&url, &warehouse, &other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_tables_and_exchanges_are_the_rows_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_string_lossy();
    survey::fill(&Warehouse::open(&url).unwrap()).await;
    let server = Server::serve(&url, &[]).await;
    run("tests/python/flight_bulk.py", &[&grpc(&server), &url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_near_streamed_places_are_those_of_astropy_and_of_rest() {
    let folder = synthetic(500).await;
    let server = Server::serve(&folder.path().to_string_lossy(), &[]).await;
    run("tests/python/flight_crossmatch.py", &[&grpc(&server), &server.url]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_tables_need_the_token_and_a_place() {
    let warehouse = Warehouse::open("memory://flight-access").unwrap();
    survey::fill(&warehouse).await;
    let options = ServerOptions { max_concurrent_bulk_reads: 1, ..ServerOptions::DEFAULT };
    let url = flight_alone(&warehouse, options, Some(TOKEN)).await;
    run("tests/python/flight_access.py", &[&url, TOKEN]).await;
}
