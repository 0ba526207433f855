//! Tables that were deleted, and values that do not match their table's schema: each gets an error that says so.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use diaflight::error::Kind;
use diaflight::query::{Columns, Engine, EngineOptions, ObjectIds, Query, Source};
use diaflight::schema::Table;
use diaflight::warehouse::{Location, Warehouse};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;
use serde_json::json;
use tempfile::tempdir;

use crate::program::{diaflight, run};
use crate::server::Server;

/// Sources of object 5 in a file of their own; returns its size.
fn put(path: &Path, note: &str) -> u64 {
    let ids = |value: i64| Arc::new(Int64Array::from(vec![value; 9])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("diaObjectId", ids(5)),
        ("midpointMjdTai", Arc::new(Float64Array::from(vec![6e4; 9])) as ArrayRef),
        ("diaSourceId", ids(1)),
        ("note", Arc::new(StringArray::from(vec![note; 9])) as ArrayRef),
    ]);
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, &bytes).unwrap();
    bytes.len() as u64
}

/// What a server says that is not ready (any more).
async fn not_ready(server: &Server) -> String {
    for _ in 0..1000 {
        let answer = server.get("/health/ready").await;
        if answer.status() == 503 {
            return answer.text().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("ready without its tables: {}", server.log());
}

#[tokio::test]
async fn a_server_whose_tables_are_gone_is_not_ready() {
    let place = tempdir().unwrap();
    let [warehouse, sources] = ["w", "sources"].map(|name| place.path().join(name));
    let generated = warehouse.to_str().unwrap();
    run(["generate", "--warehouse", generated, "--objects", "5", "--seed", "1"]).succeeded();
    put(&sources.join("a.parquet"), "x");
    let mut command = diaflight();
    command.args(["serve", "--listen", "127.0.0.1:0", "--refresh-ms", "20"]);
    command.arg("--warehouse").arg(&warehouse).arg("--sources-url").arg(&sources);
    let server = Server::start(&mut command);
    server.ready().await;

    for (folder, names) in [(&sources, vec!["sources"]), (&warehouse, vec!["fp", "objects"])] {
        let away = place.path().join("away");
        fs::rename(folder, &away).unwrap();
        let said = not_ready(&server).await;
        assert!(names.iter().any(|name| said.contains(name)), "{said}");
        assert!(said.contains("could not be checked for changes for"), "{said}");
        server.logged("the table does not exist any more").await;
        fs::rename(&away, folder).unwrap();
        server.ready().await;
    }
}

/// A table says that a column is of numbers, and a file of it has texts: by id and in a whole table.
#[tokio::test]
async fn a_value_that_is_not_of_its_columns_type_is_the_files_fault() {
    let folder = tempdir().unwrap();
    let size = put(&folder.path().join("part.parquet"), "no number");
    let fields = [("diaObjectId", "long"), ("midpointMjdTai", "double"), ("diaSourceId", "long")];
    let fields = fields
        .into_iter()
        .chain([("note", "double")])
        .map(|(name, kind)| json!({"name": name, "type": kind, "nullable": true, "metadata": {}}));
    let schema = json!({"type": "struct", "fields": fields.collect::<Vec<_>>()}).to_string();
    let actions = [
        json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}),
        json!({"metaData": {"id": "texts", "format": {"provider": "parquet", "options": {}}, "schemaString": schema,
            "partitionColumns": [], "configuration": {}, "createdTime": 0}}),
        json!({"add": {"path": "part.parquet", "size": size, "partitionValues": {}, "modificationTime": 0, "dataChange": true}}),
    ];
    let log = folder.path().join("_delta_log");
    fs::create_dir(&log).unwrap();
    let actions = actions.map(|action| action.to_string()).join("\n");
    fs::write(log.join("00000000000000000000.json"), actions).unwrap();

    let warehouse = Warehouse::open("memory://texts").unwrap();
    let sources = Source::Folder(Location::parse(folder.path().to_str().unwrap()).unwrap());
    let options = EngineOptions { sources, ..EngineOptions::from_warehouse(&warehouse) };
    let engine = Engine::open(options).await.unwrap();
    let by_id = Query::newest_first(Table::Sources, vec![5], Columns::Named(vec!["r:note".into()]));
    let whole = Query { ids: ObjectIds::EVERY, ..by_id.clone() };
    for (query, names) in [(by_id, vec!["part.parquet", "column note"]), (whole, vec!["no number"])]
    {
        let rows = engine.run(&query).await.unwrap().rows.try_collect::<Vec<_>>().await;
        let error = diaflight::error::Error::from(rows.unwrap_err());
        assert_eq!(error.kind(), Kind::Input, "{error}");
        assert!(names.iter().all(|name| error.to_string().contains(name)), "{error}");
    }
}
