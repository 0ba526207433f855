//! The properties of a table: a new one has those that suit many commits, and `maintain run` gives them to an older one, beside ingests and
//! servers, unless a person has set others.

use std::collections::BTreeMap;
use std::time::Duration;

use diaflight::warehouse::VacuumOptions;

use super::*;

const NAMES: [&str; 3] = [
    "delta.checkpointInterval",
    "delta.deletedFileRetentionDuration",
    "delta.logRetentionDuration",
];
const NEW: [&str; 3] = ["50", "interval 7 days", "interval 30 days"];
const FORMER: [&str; 3] = ["10", "interval 30 days", "interval 30 days"];

/// The properties in the newest metadata of the log.
fn properties(warehouse: &Warehouse, newest: u64) -> [String; 3] {
    let log = warehouse.location().url.to_file_path().unwrap().join("sources/_delta_log");
    let mut found = BTreeMap::<String, String>::new();
    for version in 0..=newest {
        let text = std::fs::read_to_string(log.join(format!("{version:020}.json"))).unwrap();
        for line in text.lines() {
            let action: serde_json::Value = serde_json::from_str(line).unwrap();
            if let Some(of) = action.pointer("/metaData/configuration") {
                found = serde_json::from_value(of.clone()).unwrap();
            }
        }
    }
    NAMES.map(|name| found.get(name).cloned().unwrap_or_default())
}

/// A table with such properties.
async fn table(values: [&str; 3]) -> (TempDir, Warehouse) {
    let (folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    assert_eq!(properties(&warehouse, 0), NEW);
    for ((name, new), value) in NAMES.into_iter().zip(NEW).zip(values) {
        let told = |value: &str| format!("\"{name}\":\"{value}\"");
        set_in_log(&warehouse, 0, &told(new), &told(value));
    }
    (folder, warehouse)
}

async fn tidied(warehouse: &Warehouse) -> (u64, [String; 3]) {
    warehouse.tidy_log(Table::Sources, &VacuumOptions::default()).await.unwrap();
    let version = newest(warehouse).await.unwrap().version;
    (version, properties(warehouse, version))
}

#[tokio::test]
async fn an_older_table_gets_the_properties_of_a_new_one() {
    let (_folder, warehouse) = table(FORMER).await;
    for _ in 0..2 {
        assert_eq!(tidied(&warehouse).await, (1, NEW.map(String::from)), "in one commit, once");
    }
    let before = append(&warehouse, &sources(10, 5, 1)).await;
    assert_eq!((before.version, rows(&before).await.len()), (2, 10));
    let history = warehouse.ledger(Table::Sources, 10).await.unwrap();
    assert_eq!(history[1].operation, "SetProperties");
    assert_eq!((history[1].added.files, history[1].removed.files), (0, 0));
}

#[tokio::test]
async fn what_a_person_has_set_stays() {
    let (_folder, warehouse) = table(["20", "interval 60 days", "interval 90 days"]).await;
    let (version, found) = tidied(&warehouse).await;
    assert_eq!((version, found[0].as_str()), (0, "20"));
    let (_folder, warehouse) = table(["10", "interval 60 days", "interval 90 days"]).await;
    let (version, found) = tidied(&warehouse).await;
    let found = found.each_ref().map(String::as_str);
    assert_eq!((version, found), (1, ["50", "interval 60 days", "interval 90 days"]));
}

/// The log has to know for as long when a file was removed.
#[tokio::test]
async fn a_longer_grace_period_needs_the_longer_retention() {
    let days = |days: u64| VacuumOptions { grace: Duration::from_secs(days * 86_400) };
    let (_folder, warehouse) = table(FORMER).await;
    warehouse.tidy_log(Table::Sources, &days(20)).await.unwrap();
    assert_eq!(properties(&warehouse, 0), FORMER);
    assert_eq!(newest(&warehouse).await.unwrap().version, 0);
    warehouse.vacuum(Table::Sources, &days(20)).await.unwrap();
    tidied(&warehouse).await;
    warehouse.vacuum(Table::Sources, &days(7)).await.unwrap();
    for grace in [days(8), VacuumOptions { grace: Duration::MAX }] {
        let error = warehouse.vacuum(Table::Sources, &grace).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
        let said = error.to_string();
        assert!(said.contains("168 hours") && said.contains(NAMES[1]), "{said}");
    }
}

/// An ingest that began before commits after it, and no server takes the rows for new ones.
#[tokio::test]
async fn new_properties_disturb_nobody() {
    let (_folder, warehouse) = table(FORMER).await;
    let base = newest(&warehouse).await.unwrap();
    let files = write_files(&warehouse, &sources(10, 5, 1), 100).await;
    assert_eq!(tidied(&warehouse).await.0, 1);
    let served = Source::Warehouse(warehouse.clone());
    let newer = served.newer(&base).await.unwrap().unwrap();
    assert_eq!((newer.snapshot.version, newer.follows), (1, true));
    assert!(served.same_rows(&base, &newer.snapshot).await.unwrap());
    let version = warehouse.commit(Table::Sources, Some(&base), ingest(schema(), files)).await;
    assert_eq!(version.unwrap(), 2);
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 10);
}

/// Metadata with another schema are no mere properties.
#[tokio::test]
async fn another_schema_is_a_conflict() {
    let (_folder, warehouse) = table(FORMER).await;
    let base = newest(&warehouse).await.unwrap();
    let files = write_files(&warehouse, &sources(10, 5, 1), 100).await;
    assert_eq!(tidied(&warehouse).await.0, 1);
    set_in_log(&warehouse, 1, "psfFlux", "psfFluxOfOld");
    let error = warehouse.commit(Table::Sources, Some(&base), ingest(schema(), files)).await;
    assert_eq!(error.unwrap_err().kind(), Kind::Conflict);
}
