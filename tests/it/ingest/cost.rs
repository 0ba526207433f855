//! What a whole ingest reads and writes depends on its alerts, not on the size of the tables.

use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::program::run;

/// What an ingest did.
#[derive(Debug)]
struct Cost {
    bytes_read: u64,
    bytes_written: u64,
    rows_compared: u64,
}

fn arguments<'a>(command: &[&'a str], warehouse: &'a str) -> Vec<&'a str> {
    [command, &["--warehouse", warehouse]].concat()
}

/// Bytes that all commits of a warehouse have added.
fn written(warehouse: &str) -> u64 {
    let command = ["table", "history", "--limit", "100", "--json"];
    let history = run(arguments(&command, warehouse)).succeeded().json();
    let tables = history.as_object().unwrap().values();
    let versions = tables.flat_map(|versions| versions.as_array().unwrap());
    versions.map(|version| version["added"]["bytes"].as_u64().unwrap()).sum()
}

/// Ingests packets beside a survey of so many objects, which has theirs.
fn beside(folder: &Path, packets: &str, objects: &str) -> Cost {
    let warehouse = folder.join(objects);
    let warehouse = warehouse.to_str().unwrap();
    let survey = ["generate", "--objects", objects, "--seed", "4", "--nights", "0..396"];
    run(arguments(&survey, warehouse)).succeeded();
    let before = written(warehouse);
    let ingest = ["ingest", "--history", packets, "--log", "warn,diaflight=debug"];
    let done = run(arguments(&ingest, warehouse)).succeeded();
    let lines = done.stderr.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = |line: &Value, what: &str| line["fields"][what].as_u64();
    let (mut bytes_read, mut rows_compared) = (0, 0);
    for line in lines {
        match line["fields"]["message"].as_str() {
            Some("read from the storage") => bytes_read = told(&line, "bytes").unwrap(),
            Some("looked for copies") => rows_compared += told(&line, "copies").unwrap(),
            _ => {}
        }
    }
    Cost { bytes_read, bytes_written: written(warehouse) - before, rows_compared }
}

#[test]
fn an_ingest_costs_the_same_beside_a_small_and_a_large_table() {
    let folder = tempdir().unwrap();
    let packets = folder.path().join("packets");
    let packets = packets.to_str().unwrap();
    // The same objects are a part of the larger survey.
    let some = ["--objects", "1000", "--seed", "4", "--nights", "397..399"];
    run([&["generate", "--packets", packets][..], &some].concat()).succeeded();
    let [small, large] = ["6000", "24000"].map(|objects| beside(folder.path(), packets, objects));
    assert!(small.rows_compared > 1000 && small.bytes_written > 0, "{small:?}");
    assert_eq!(small.rows_compared, large.rows_compared);
    let about = |one: u64, other: u64| one * 10 <= other * 13 && other * 10 <= one * 13;
    assert!(about(small.bytes_written, large.bytes_written), "{small:?} {large:?}");
    assert!(about(small.bytes_read, large.bytes_read), "{small:?} {large:?}");
}
