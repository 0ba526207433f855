//! Tables whose versions have changed: recreated in place, requested by time, and in a store that fails.

use std::path::Path;
use std::time::Duration;

use chrono::Utc;
use diaflight::query::{Columns, Engine, EngineOptions, ObjectIds, Query, Source};
use diaflight::schema::Table;
use diaflight::warehouse::{Location, Warehouse};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use reqwest::Client;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::alerts::{Alert, packets};
use crate::faults::{Fault, Proxy};
use crate::nights;
use crate::program::{diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;

/// One source of object 5, at a time.
fn night(folder: &Path, source: i64) -> String {
    let alert = Alert::new(5, source, 61000.0 + source as f64).with_forced(source, 61000.0);
    nights::write_packets(folder, &format!("{source}.avro"), &packets(&[alert]))
}

const ROWS: &str = "/api/v1/sources?diaObjectId=5&columns=r:diaSourceId";

async fn ids(server: &Server, path: &str) -> Option<Vec<i64>> {
    let answer = server.get(path).await;
    let found: Vec<Value> = match answer.status().as_u16() {
        200 => serde_json::from_str(&answer.text().await.unwrap()).unwrap(),
        _ => return None,
    };
    Some(found.iter().map(|row| row["r:diaSourceId"].as_i64().unwrap()).collect())
}

#[tokio::test]
async fn a_table_that_is_made_anew_is_followed() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let ingest = |source| {
        let warehouse = warehouse.to_str().unwrap();
        run(["ingest", "--warehouse", warehouse, &night(folder.path(), source)]).succeeded();
    };
    ingest(1);
    ingest(2);
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--refresh-ms", "20", "--warehouse"]);
    let server = Server::start(command.arg(&warehouse));
    server.ready().await;
    let first = server.get(ROWS).await;
    let tag = first.headers()["etag"].clone();
    assert_eq!(first.headers()["x-diaflight-snapshot"], "1");
    assert_eq!(ids(&server, &format!("{ROWS}&as_of=0")).await.unwrap(), [1]);
    let sql = || {
        let sql = "SELECT \"diaSourceId\" FROM sources ORDER BY 1";
        run(["sql", "--server", &server.url, "--format", "csv", sql]).succeeded().stdout
    };
    assert_eq!(sql().lines().skip(1).collect::<Vec<_>>(), ["1", "2"]);

    // The same versions again, of other rows.
    std::fs::remove_dir_all(&warehouse).unwrap();
    ingest(3);
    ingest(4);
    while ids(&server, ROWS).await != Some(vec![4, 3]) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ids(&server, &format!("{ROWS}&as_of=0")).await.unwrap(), [3]);
    assert_eq!(sql().lines().skip(1).collect::<Vec<_>>(), ["3", "4"]);
    let client = Client::builder().no_proxy().build().unwrap();
    let again = client.get(format!("{}{ROWS}", server.url)).header("if-none-match", tag);
    let again = again.send().await.unwrap();
    assert_eq!(
        (again.status().as_u16(), &again.headers()["x-diaflight-snapshot"]),
        (200, &"1".parse().unwrap())
    );
}

/// A table of one file, `part.parquet`, of a name, size and time that are always the same.
fn write_by_hand(folder: &Path, id: &str, source: i64) {
    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use std::sync::Arc;
    let ints = |value: i64| Arc::new(Int64Array::from(vec![value; 100])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("diaObjectId", ints(5)),
        ("midpointMjdTai", Arc::new(Float64Array::from(vec![6e4; 100])) as ArrayRef),
        ("diaSourceId", ints(source)),
    ]);
    let batch = batch.unwrap();
    let log = folder.join("_delta_log");
    std::fs::create_dir_all(&log).unwrap();
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(plain)).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let fields = batch
        .schema()
        .fields()
        .iter()
        .map(|field| {
            let kind = if field.name() == "midpointMjdTai" { "double" } else { "long" };
            json!({"name": field.name(), "type": kind, "nullable": true, "metadata": {}})
        })
        .collect::<Vec<_>>();
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    let entry = [
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": id, "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": [], "configuration": {}, "createdTime": 0}}),
        json!({"add": {"path": "part.parquet", "size": bytes.len(), "partitionValues": {}, "modificationTime": 1_700_000_000_000_i64,
            "dataChange": true}}),
    ];
    std::fs::write(folder.join("part.parquet"), bytes).unwrap();
    let entry = entry.map(|action| action.to_string()).join("\n");
    std::fs::write(log.join(".next"), entry).unwrap();
    std::fs::rename(log.join(".next"), log.join("00000000000000000000.json")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_same_name_are_not_taken_for_those_of_the_table_before() {
    let folder = tempdir().unwrap();
    write_by_hand(folder.path(), "the first table", 1000);
    let warehouse = Warehouse::open("memory://remade").unwrap();
    let sources = Source::Folder(Location::parse(folder.path().to_str().unwrap()).unwrap());
    let options = EngineOptions::from_warehouse(&warehouse);
    let engine =
        Engine::open(EngineOptions { sources, refresh: Duration::from_millis(10), ..options });
    let engine = engine.await.unwrap();
    let columns = Columns::Named(vec!["r:diaSourceId".into()]);
    let by_id = Query::newest_first(Table::Sources, vec![5], columns);
    let whole = Query { ids: ObjectIds::EVERY, ..by_id.clone() };
    let found = async |query: &Query| {
        let batches: Vec<_> = engine.run(query).await.ok()?.rows.try_collect().await.ok()?;
        let ids = batches.iter().map(|batch| batch.column(0).clone());
        let mut ids: Vec<i64> = ids
            .flat_map(|ids| {
                arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&ids)
                    .values()
                    .to_vec()
            })
            .collect();
        assert_eq!(ids.len(), 100);
        ids.dedup();
        Some(ids)
    };
    assert_eq!(found(&by_id).await.unwrap(), [1000]);
    assert_eq!(found(&whole).await.unwrap(), [1000]);
    let id = engine.table(Table::Sources, None).await.unwrap().snapshot().table_id;
    write_by_hand(folder.path(), "the second table", 2000);
    while engine.table(Table::Sources, None).await.unwrap().snapshot().table_id == id {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(found(&by_id).await.unwrap(), [2000]);
    assert_eq!(found(&whole).await.unwrap(), [2000]);
}

/// A bucket with two nights, and a server of it through a proxy; and a time between the nights.
async fn behind_a_proxy(name: &str, refresh_ms: &str) -> (Bucket, Proxy, Server, String) {
    let (bucket, folder) = (Bucket::create(name).await, tempdir().unwrap());
    let ingest = |source| {
        let mut command = diaflight();
        command.args(["ingest", "--warehouse", &bucket.url("w"), &night(folder.path(), source)]);
        finish(command.envs(bucket.variables())).succeeded();
    };
    ingest(1);
    let between = Utc::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    ingest(2);
    let proxy = Proxy::of(&bucket);
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--refresh-ms", refresh_ms]);
    let server = command.args(["--warehouse", &bucket.url("w")]).envs(proxy.variables());
    let server = Server::start(server);
    server.ready().await;
    (bucket, proxy, server, between.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

#[tokio::test]
async fn a_time_is_looked_up_once() {
    let (_bucket, proxy, server, between) = behind_a_proxy("by-time", "3600000").await;
    let of_log = || proxy.asked().iter().filter(|asked| asked.contains("_delta_log")).count();
    let by_time = format!("{ROWS}&as_of={between}");
    assert_eq!(ids(&server, &by_time).await.unwrap(), [1]);
    let before = of_log();
    for _ in 0..12 {
        assert_eq!(ids(&server, &by_time).await.unwrap(), [1]);
    }
    // The same snapshot, by its number.
    assert_eq!(ids(&server, &format!("{ROWS}&as_of=0")).await.unwrap(), [1]);
    assert_eq!(of_log(), before, "{:#?}", proxy.asked());
    let now = Utc::now().format("%Y-%m-%dT%H:%M:%S%.3fZ");
    for asked in 1..4 {
        assert_eq!(ids(&server, &format!("{ROWS}&as_of={now}")).await.unwrap(), [2, 1]);
        assert_eq!(of_log(), before + asked, "whether there is a newer one");
    }
}

#[tokio::test]
async fn a_server_is_not_ready_while_its_store_fails() {
    let (_bucket, proxy, server, _) = behind_a_proxy("not-ready", "50").await;
    for method in ["GET", "HEAD"] {
        proxy.fail(method, "/", usize::MAX, Fault::Refuse);
    }
    let said = loop {
        let answer = server.get("/health/ready").await;
        if answer.status() != 200 {
            assert_eq!(answer.status(), 503);
            break answer.text().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(said.contains("could not be checked for changes for"), "{said}");
    assert_eq!(server.get("/health/live").await.status(), 200);
    let rows = server.get("/api/v1/sources?diaObjectId=5&midpointMjdTai=61001").await;
    assert_eq!(rows.status(), 503);
    let said = rows.text().await.unwrap();
    assert!(said.contains("storage") && !said.contains("bug"), "{said}");
    let join = "SELECT count(*) FROM sources JOIN objects USING (\"diaObjectId\") WHERE \"psfFlux\" > -1e9";
    let said = run(["sql", "--server", &server.url, join]);
    assert!(said.code != Some(0) && said.stderr.contains("the storage failed"), "{said:?}");
    proxy.heal();
    server.ready().await;
    assert_eq!(ids(&server, ROWS).await.unwrap(), [2, 1]);
}
