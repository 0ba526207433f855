//! Every function that SQL has, as a statement may call it: it answers or says what is wrong with the call. None fails as a bug.

use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use arrow_flight::{FlightClient, FlightDescriptor};
use diaflight::error::{Error, Kind, Result};
use diaflight::query::{Engine, EngineOptions};
use diaflight::sql::{Sql, SqlOptions};
use diaflight::survey::{self, Nights, SurveyOptions};
use diaflight::warehouse::Warehouse;
use diaflight::workers::Workers;
use futures::TryStreamExt;
use serde_json::json;
use tonic::transport::Endpoint;

use crate::program::run;
use crate::server::Server;

async fn sql(name: &str) -> Sql {
    let warehouse = Warehouse::open(&format!("memory://functions-{name}")).unwrap();
    let options = SurveyOptions { objects: 20, seed: 3, nights: Nights::ALL };
    survey::generate(&warehouse, &options, &|_| {}).await.unwrap();
    let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
    Sql::new(engine, Workers::new().unwrap(), &SqlOptions::DEFAULT).unwrap()
}

async fn ask(sql: &Sql, text: &str) -> Result<RecordBatch> {
    let statement = sql.prepare(text, None).await?;
    let batches: Vec<_> = statement.run().await?.try_collect().await?;
    Ok(concat_batches(&statement.schema(), &batches)?)
}

/// The names of all functions, with how each is called.
async fn functions(sql: &Sql) -> Vec<(String, bool)> {
    let text = "SELECT DISTINCT routine_name, function_type = 'WINDOW' FROM information_schema.routines \
                ORDER BY routine_name";
    let rows = ask(sql, text).await.unwrap();
    let (names, windows) = (rows.column(0).as_string::<i32>(), rows.column(1).as_boolean());
    names.iter().flatten().map(String::from).zip(windows.iter().flatten()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_function_fails_as_a_bug() {
    let sql = sql("all").await;
    let functions = functions(&sql).await;
    assert!(functions.len() > 200, "{}", functions.len());
    let values = ["1", "1.5", "'a'", "'2026-01-01'", "now()", "[1, 2]", "NULL"];
    let columns = ["nDiaSources", "ra", "is_cataloged", "firstDiaSourceMjdTaiFink"];
    let mut bugs = Vec::new();
    for (name, is_window) in &functions {
        let over = if *is_window { " OVER ()" } else { "" };
        let mut calls = vec![format!("SELECT {name}(){over}")];
        for count in 1..=3 {
            calls
                .extend(values.map(|value| {
                    format!("SELECT {name}({}){over}", vec![value; count].join(", "))
                }));
            calls.extend(columns.map(|column| {
                format!("SELECT {name}({}){over} FROM objects", vec![column; count].join(", "))
            }));
        }
        for call in calls {
            if let Err(error) = ask(&sql, &call).await
                && error.kind() == Kind::Internal
            {
                bugs.push(format!("{call}: {error}"));
            }
        }
    }
    assert!(bugs.is_empty(), "{} calls:\n{}", bugs.len(), bugs.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_goes_on() {
    let sql = sql("clock").await;
    for text in
        ["SELECT now()", "SELECT current_timestamp", "SELECT current_date", "SELECT current_time"]
    {
        let rows = ask(&sql, text).await;
        assert_eq!(rows.unwrap_or_else(|error: Error| panic!("{text}: {error}")).num_rows(), 1);
    }
    // Of one statement that is run again, too.
    let statement =
        sql.prepare("SELECT to_unixtime(now()) * 0 + date_part('epoch', now())::BIGINT", None);
    let statement = statement.await.unwrap();
    let seconds = async || {
        let batches: Vec<RecordBatch> = statement.run().await.unwrap().try_collect().await.unwrap();
        batches[0].column(0).as_primitive::<Int64Type>().value(0)
    };
    let first = seconds().await;
    assert!((first - chrono::Utc::now().timestamp()).abs() < 60, "{first}");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(seconds().await > first);
    let of_rows = "SELECT count(*) FROM sources WHERE midpointMjdTai < date_part('epoch', now()) / 86400 + 1e6";
    assert!(ask(&sql, of_rows).await.unwrap().column(0).as_primitive::<Int64Type>().value(0) > 0);
}

/// Every function without arguments and the clock, from the program itself and from a server, and the clock in a filter.
#[tokio::test(flavor = "multi_thread")]
async fn both_doors_have_the_same_functions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let options = SurveyOptions { objects: 20, seed: 3, nights: Nights::ALL };
    survey::generate(&Warehouse::open(path).unwrap(), &options, &|_| {}).await.unwrap();
    let server = Server::serve(path, &[]).await;
    let statement = "SELECT now() > '2026-01-01', current_date > '2026-01-01', current_time IS NOT NULL, pi() > 3, random() < 1";
    for door in [["--warehouse", path], ["--server", &server.url]] {
        let asked = ["sql", door[0], door[1], "--format", "csv", statement];
        let printed = tokio::task::block_in_place(|| run(asked)).succeeded().stdout;
        assert_eq!(printed.lines().nth(1), Some("True,True,True,True,True"), "{door:?}");
    }
    let channel = Endpoint::from_shared(server.url.clone()).unwrap().connect().await.unwrap();
    let mut client = FlightClient::new(channel);
    let filter = "midpointMjdTai < date_part('epoch', now()) / 86400 + 1e6";
    let command = json!({"endpoint": "sources", "filter": filter, "limit": 3});
    let info =
        client.get_flight_info(FlightDescriptor::new_cmd(command.to_string())).await.unwrap();
    let rows = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    let batches: Vec<RecordBatch> = rows.try_collect().await.unwrap();
    assert_eq!(batches.iter().map(RecordBatch::num_rows).sum::<usize>(), 3);
}
