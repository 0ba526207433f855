//! Tables that other engines have rewritten: read right at every door, ingested into and compacted as our own.

use std::path::Path;

use serde_json::Value;
use tempfile::{TempDir, tempdir};

use crate::alerts::{Alert, packets};
use crate::program::run;
use crate::server::Server;
use crate::{nights, python};

const OBJECTS: i64 = 60;

/// A night of alerts: every object again, each with a source, two forced ones and itself.
fn night(folder: &Path, number: i64) -> String {
    let alert = |object: i64| {
        let mjd = 61000.0 + (object * 7 % 60 + number) as f64;
        let id = object * 1000 + (OBJECTS - object) % 10 * 50 + number;
        let ra = 150.0 + (object * 37 % 60) as f64;
        let mut packet = Alert::new(object, id, mjd)
            .with_forced(id, mjd)
            .with_forced(id + 500, mjd - 0.25)
            .packet();
        for section in ["diaSource", "diaObject"] {
            packet[section]["ra"] = ra.into();
        }
        packet
    };
    let alerts: Vec<_> = (1..=OBJECTS).map(alert).collect();
    nights::write_packets(folder, &format!("night-{number}.avro"), &alerts)
}

fn warehouse() -> (TempDir, String) {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w").to_str().unwrap().to_string();
    for number in 0..3 {
        run(["ingest", "--warehouse", &warehouse, &night(folder.path(), number)]).succeeded();
    }
    (folder, warehouse)
}

fn script(name: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python").join(name);
    python::run(&script, arguments, &[])
}

/// Every door gives the rows that the deltalake package reads, in order; returns how many there are of each table.
async fn read_right(warehouse: &str) -> Value {
    let server = Server::serve(warehouse, &[]).await;
    let rows = script("read_delta.py", &[warehouse, &server.url]);
    script("in_order.py", &[&server.url.replacen("http", "grpc", 1), warehouse]);
    for (table, time) in [("sources", "midpointMjdTai"), ("objects", "diaObjectId")] {
        let sql = format!(
            "SELECT \"diaObjectId\" AS object, \"{time}\" AS time FROM {table} ORDER BY object, time"
        );
        let sorted = run(["sql", "--format", "json", "--warehouse", warehouse, &sql]).succeeded();
        let sorted: Vec<Value> = serde_json::from_str(&sorted.stdout).unwrap();
        let key = |row: &Value| (row["object"].as_i64().unwrap(), row["time"].as_f64().unwrap());
        assert!(sorted.iter().map(key).is_sorted(), "{table}");
        let rows: Value = serde_json::from_str(&rows).unwrap();
        assert_eq!(rows[table], sorted.len(), "{table}");
    }
    serde_json::from_str(&rows).unwrap()
}

async fn rewritten(way: &str) {
    let (folder, warehouse) = warehouse();
    script("foreign.py", &[way, &warehouse]);
    let before = read_right(&warehouse).await;
    // All rows of a table at once, and a file of others alone.
    run(["ingest", "--warehouse", &warehouse, &night(folder.path(), 3)]).succeeded();
    let after = read_right(&warehouse).await;
    for (table, more) in [("sources", 60), ("fp", 120)] {
        assert_eq!(after[table], before[table].as_u64().unwrap() + more, "{way} {table}");
    }
    assert_eq!(after["objects"], 60);
    let compact = ["maintain", "compact", "--json", "--warehouse", &warehouse];
    let compacted = run(compact).succeeded().json();
    assert_ne!(compacted["sources"]["files_removed"], 0, "{compacted}");
    assert_eq!(read_right(&warehouse).await, after);
    let again = run(compact).succeeded().json();
    assert_eq!(again["sources"]["files_removed"], 0, "{again}");

    // A compaction alone, of a table in one file.
    script("foreign.py", &[way, &warehouse]);
    let before = read_right(&warehouse).await;
    run(compact).succeeded();
    assert_eq!(read_right(&warehouse).await, before);
}

#[tokio::test]
async fn files_that_others_sorted_otherwise_are_read_right() {
    rewritten("z_order").await;
}

#[tokio::test]
async fn files_that_lost_rows_are_read_right() {
    rewritten("delete").await;
}

#[tokio::test]
async fn files_that_took_rows_are_read_right() {
    rewritten("merge").await;
}

#[tokio::test]
async fn files_of_another_writer_are_read_right() {
    rewritten("overwrite").await;
}

#[tokio::test]
async fn files_that_tell_nothing_true_are_read_right() {
    rewritten("unknown").await;
}

#[tokio::test]
async fn files_that_others_compacted_are_read_right() {
    let (folder, warehouse) = warehouse();
    script("foreign.py", &["compact", &warehouse]);
    read_right(&warehouse).await;
    run(["ingest", "--warehouse", &warehouse, &night(folder.path(), 3)]).succeeded();
    run(["maintain", "compact", "--warehouse", &warehouse]).succeeded();
    read_right(&warehouse).await;
}

/// Times that a parser which is not exact reads a unit in the last place off, in files that the log alone tells apart.
#[test]
fn times_are_found_to_the_last_bit() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w").to_str().unwrap().to_string();
    let inexact = |time: &f64| {
        let text = time.to_string();
        let digits: f64 = text.replace('.', "").parse().unwrap();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        digits / 10f64.powi(decimals as i32) != *time
    };
    let times = (1..).map(|n| 61000.0 + f64::from(n) * 0.000_123_456_789_1).filter(inexact);
    let times: Vec<_> = times.take(12).collect();
    for (n, &time) in times.iter().enumerate() {
        let alert = [Alert::new(5, 100 + n as i64, time)];
        let file = nights::write_packets(folder.path(), &format!("{n}.avro"), &packets(&alert));
        run(["ingest", "--warehouse", &warehouse, &file]).succeeded();
    }
    let count = |test: String| format!("SELECT count(*) AS rows FROM sources WHERE {test}");
    let tests = times.iter().flat_map(|time| {
        ["=", ">=", "<="].map(|test| count(format!("\"midpointMjdTai\" {test} {time}")))
    });
    let sql = tests.collect::<Vec<_>>().join(" UNION ALL ");
    let sql = format!("SELECT rows FROM ({sql})");
    let counted = run(["sql", "--format", "json", "--warehouse", &warehouse, &sql]).succeeded();
    let counted: Vec<Value> = serde_json::from_str(&counted.stdout).unwrap();
    let mut counted: Vec<_> = counted.iter().map(|row| row["rows"].as_u64().unwrap()).collect();
    let mut expected: Vec<u64> = (1..=12).flat_map(|n| [1, n, n]).collect();
    counted.sort();
    expected.sort();
    assert_eq!(counted, expected);
}
