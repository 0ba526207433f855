//! `diaflight maintain run` as processes: beside ingests and another of its kind, killed and stopped.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::alerts::{Alert, packets};
use crate::nights;
use crate::program::{diaflight, finish, run, send};

fn upkeep(warehouse: &str) -> Command {
    let mut command = diaflight();
    command.args(["maintain", "run", "--every-s", "1", "--warehouse", warehouse]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A night of these objects, each with a source and a forced measurement.
fn night(folder: &Path, number: i64, objects: impl Iterator<Item = i64>) -> String {
    let mjd = 61000.5 + number as f64;
    let alert = |object| {
        let id = object * 1000 + number;
        Alert::new(object, id, mjd).with_forced(id + 500, mjd)
    };
    let alerts: Vec<_> = objects.map(alert).collect();
    nights::write_packets(folder, &format!("{number}.avro"), &packets(&alerts))
}

fn ids(warehouse: &str, table: &str, column: &str) -> Vec<i64> {
    let sql = format!("SELECT \"{column}\" + 0 AS id FROM {table} ORDER BY 1");
    let rows = run(["sql", "--format", "json", "--warehouse", warehouse, &sql]).succeeded();
    let rows: Vec<Value> = serde_json::from_str(&rows.stdout).unwrap();
    rows.iter().map(|row| row["id"].as_i64().unwrap()).collect()
}

fn due(warehouse: &str) -> Vec<Value> {
    let listed = run(["maintain", "run", "--dry-run", "--json", "--warehouse", warehouse]);
    serde_json::from_value(listed.succeeded().json()).unwrap()
}

#[test]
fn two_loops_and_ingests_at_the_same_time_lose_no_row() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let warehouse = warehouse.to_str().unwrap();
    let mut loops = [upkeep(warehouse).spawn().unwrap(), upkeep(warehouse).spawn().unwrap()];
    let mut model = BTreeSet::new();
    for number in 0..30 {
        // Every night some objects of before, and some alerts of the night before once more.
        let objects = || (1..40).filter(move |object| (object + number) % 3 > 0);
        model.extend(objects().map(|object| object * 1000 + number));
        let packets = night(folder.path(), number, objects());
        let again = folder.path().join(format!("{}.avro", (number - 1).max(0)));
        run(["ingest", "--warehouse", warehouse, &packets, again.to_str().unwrap()]).succeeded();
        if number % 10 == 5 {
            let mut killed: Child =
                std::mem::replace(&mut loops[0], upkeep(warehouse).spawn().unwrap());
            killed.kill().unwrap();
            killed.wait().unwrap();
        }
    }
    for mut one in loops {
        assert!(one.try_wait().unwrap().is_none(), "it goes on");
        send("TERM", &one);
        assert_eq!(one.wait().unwrap().code(), Some(0));
    }
    run(["maintain", "run", "--once", "--warehouse", warehouse]).succeeded();
    assert_eq!(due(warehouse), [] as [Value; 0]);
    let model: Vec<_> = model.into_iter().collect();
    assert_eq!(ids(warehouse, "sources", "diaSourceId"), model);
    let forced: Vec<_> = model.iter().map(|id| id + 500).collect();
    assert_eq!(ids(warehouse, "fp", "diaForcedSourceId"), forced);
    assert_eq!(ids(warehouse, "objects", "diaObjectId"), (1..40).collect::<Vec<_>>());
    let history = run(["table", "history", "--json", "--warehouse", warehouse]).succeeded().json();
    let commits = history["sources"].as_array().unwrap();
    assert!(commits.iter().filter(|commit| commit["operation"] == "Compact").count() >= 2);
    assert!(run(["maintain", "check", "--warehouse", warehouse]).code == Some(0));
}

#[test]
fn what_is_due_is_listed_and_then_done() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let warehouse = warehouse.to_str().unwrap();
    let missing = run(["maintain", "run", "--once", "--warehouse", warehouse]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    for number in 0..8 {
        let packets = night(folder.path(), number, 1..4);
        run(["ingest", "--warehouse", warehouse, &packets]).succeeded();
    }
    let merges = due(warehouse);
    let [places, sources, fp] = &merges[..] else { panic!("{merges:?}") };
    assert_eq!((&places["table"], &fp["table"]), (&json!("places"), &json!("fp")));
    for (key, value) in
        [("table", json!("sources")), ("from", json!(0)), ("to", json!(0)), ("files", json!(8))]
    {
        assert_eq!(sources[key], value, "{sources}");
    }
    let listed = run(["maintain", "run", "--dry-run", "--warehouse", warehouse]).succeeded().stdout;
    let lines: Vec<_> = listed.lines().collect();
    assert_eq!(lines.len(), 4, "{listed}");
    assert!(lines[0].starts_with("table") && lines[1].contains("8 files at one key"), "{listed}");
    assert_eq!(due(warehouse).len(), 3, "nothing is done in a dry run");
    let done = run(["maintain", "run", "--once", "--json", "--warehouse", warehouse]);
    let done = done.succeeded().json();
    assert_eq!(done["sources"]["merges"], 1, "{done}");
    assert_eq!(done["sources"]["files_removed"], 8, "{done}");
    assert_eq!(done["sources"]["rows"], 24, "{done}");
    assert_eq!(done["objects"]["merges"], 0, "{done}");
    assert_eq!(done["objects"]["vacuumed"]["files_deleted"], 0, "{done}");
    let listed = run(["maintain", "run", "--dry-run", "--warehouse", warehouse]).succeeded().stdout;
    assert_eq!(listed, "nothing is due\n");
}

/// It may be there before the first table is, and it vacuums.
#[test]
fn a_loop_waits_for_the_first_table() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let warehouse = warehouse.to_str().unwrap();
    let mut running = upkeep(warehouse);
    let mut running = running.args(["--grace-hours", "0", "--json"]).spawn().unwrap();
    sleep(Duration::from_millis(500));
    for number in 0..8 {
        let packets = night(folder.path(), number, 1..4);
        run(["ingest", "--warehouse", warehouse, &packets]).succeeded();
    }
    while !due(warehouse).is_empty() {
        assert!(running.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(100));
    }
    send("INT", &running);
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let vacuum =
        ["maintain", "run", "--once", "--json", "--grace-hours", "0", "--warehouse", warehouse];
    let vacuumed = finish(diaflight().args(vacuum)).succeeded().json();
    assert_ne!(vacuumed["sources"]["vacuumed"]["files_deleted"], 0, "{vacuumed}");
    assert_eq!(ids(warehouse, "sources", "diaSourceId").len(), 24);
}

fn files_of(warehouse: &str, table: &str) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(Path::new(warehouse).join(table)).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// The log names the table and the file of each merge that fails. Nothing grows, the other table is merged, and all are vacuumed.
#[test]
fn a_merge_that_always_fails_stops_nothing_else() {
    let folder = tempdir().unwrap();
    let warehouse = folder.path().join("w");
    let warehouse = warehouse.to_str().unwrap();
    for number in 0..8 {
        let packets = night(folder.path(), number, 1..4);
        run(["ingest", "--warehouse", warehouse, &packets]).succeeded();
    }
    let damaged = files_of(warehouse, "sources").remove(0);
    let mut bytes = std::fs::read(&damaged).unwrap();
    let pages = 4..bytes.len() / 4;
    bytes[pages].fill(0xff);
    std::fs::write(&damaged, bytes).unwrap();
    let before = files_of(warehouse, "sources");
    let log = folder.path().join("log");
    let mut running = upkeep(warehouse);
    running.args(["--grace-hours", "0"]).stderr(std::fs::File::create(&log).unwrap());
    let mut running = running.spawn().unwrap();
    let failures = || {
        let log = std::fs::read_to_string(&log).unwrap();
        let failures = log.lines().filter(|line| line.contains("a merge failed"));
        failures.map(str::to_string).collect::<Vec<_>>()
    };
    while failures().len() < 4 {
        assert!(running.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(100));
    }
    let name = damaged.file_name().unwrap().to_str().unwrap();
    for failure in failures() {
        assert!(failure.contains("sources") && failure.contains(name), "{failure}");
    }
    send("TERM", &running);
    assert_eq!(running.wait().unwrap().code(), Some(0));
    assert_eq!(files_of(warehouse, "sources"), before);
    // Merged, and vacuumed in the first look.
    assert_eq!(files_of(warehouse, "fp").len(), 1);
    let once = run(["maintain", "run", "--once", "--warehouse", warehouse]);
    assert_eq!(once.code, Some(1), "{once:?}");
    assert!(once.stderr.contains(name), "{once:?}");
}
