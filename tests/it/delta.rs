//! Reading the warehouse with the `deltalake` package of Python: it finds the same rows that a server
//! returns.

use std::path::Path;

use serde_json::{Value, json};

use crate::program::{diaflight, finish, run};
use crate::seaweed::Bucket;
use crate::server::Server;
use crate::{nights, python, shared};

/// Compares all rows of all tables; returns how many there are of each.
async fn rows_read_by_deltalake(warehouse: &str, variables: &[(&str, String)]) -> Value {
    let server = Server::serve(warehouse, variables).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/read_delta.py");
    let said = python::run(&script, &[warehouse, &server.url], variables);
    serde_json::from_str(&said).unwrap()
}

#[tokio::test]
async fn deltalake_reads_real_alerts_from_a_folder() {
    let Some(alerts) = shared::path(shared::SET_A) else { return };
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["ingest", "--warehouse", warehouse, alerts.to_str().unwrap()]).succeeded();
    let rows = rows_read_by_deltalake(warehouse, &[]).await;
    assert_eq!(rows, json!({ "sources": 5, "fp": 2321, "objects": 5 }));
}

/// Another packet layout adds columns, and a compaction rewrites the files.
#[tokio::test]
async fn deltalake_reads_two_compacted_nights_from_a_bucket() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = nights::write(folder.path());
    let bucket = Bucket::create("delta").await;
    let warehouse = bucket.url("warehouse");
    for arguments in [["ingest", &first], ["ingest", &second], ["maintain", "compact"]] {
        let mut command = diaflight();
        command.args(arguments).args(["--warehouse", &warehouse]).envs(bucket.variables());
        finish(&mut command).succeeded();
    }
    let rows = rows_read_by_deltalake(&warehouse, &bucket.variables()).await;
    let [sources, fp, objects] = [nights::SOURCES, nights::FORCED, nights::OBJECTS.len()];
    assert_eq!(rows, json!({ "sources": sources, "fp": fp, "objects": objects }));
}

#[tokio::test]
async fn deltalake_reads_a_generated_survey() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    run(["generate", "--warehouse", warehouse, "--objects", "30", "--seed", "7"]).succeeded();
    let rows = rows_read_by_deltalake(warehouse, &[]).await;
    assert_eq!(rows["objects"], 30);
    assert!(rows["sources"].as_u64() >= Some(30), "{rows}");
}
