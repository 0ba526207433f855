//! Versions kept by name: they stay, whatever is compacted and vacuumed, until the name is given up.

use std::time::Duration;

use diaflight::query::{Columns, Engine, EngineOptions, Query};
use diaflight::warehouse::{MergePolicy, VacuumOptions};

use super::*;

const NOW: VacuumOptions = VacuumOptions { grace: Duration::ZERO };

async fn named(warehouse: &Warehouse, name: &str) -> Result<Snapshot, String> {
    let as_of = AsOf::parse(name).unwrap();
    let snapshot = warehouse.snapshot(Table::Sources, Some(&as_of)).await;
    snapshot.map(Option::unwrap).map_err(|error| error.to_string())
}

async fn vacuumed(warehouse: &Warehouse) -> usize {
    // A clock tick later nothing is young any more.
    tokio::time::sleep(Duration::from_millis(5)).await;
    warehouse.vacuum(Table::Sources, &NOW).await.unwrap().files_deleted
}

async fn stays_until_it_is_forgotten(warehouse: &Warehouse) {
    let none = warehouse.keep(Table::Sources, "dr1").await.unwrap_err();
    assert_eq!(none.kind(), Kind::NotFound, "{none}");
    append(warehouse, &sources(1, 5, 1)).await;
    append(warehouse, &sources(20, 5, 1)).await;
    assert_eq!(warehouse.keep(Table::Sources, "dr1").await.unwrap(), 1);
    let before = rows(&newest(warehouse).await.unwrap()).await;

    append(warehouse, &sources(40, 5, 1)).await;
    warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
    assert_eq!(vacuumed(warehouse).await, 1, "the file that only the newest versions had");
    let kept = named(warehouse, "dr1").await.unwrap();
    assert_eq!((kept.version, rows(&kept).await), (1, before));
    let engine = Engine::open(EngineOptions::from_warehouse(warehouse)).await.unwrap();
    for (object, there) in [(1, 1), (20, 1), (40, 0)] {
        let as_of = Some(AsOf::parse("dr1").unwrap());
        let query =
            Query { as_of, ..Query::newest_first(Table::Sources, vec![object], Columns::All) };
        let answer = engine.run(&query).await.unwrap();
        assert_eq!(answer.versions.table, 1);
        let rows: Vec<_> = answer.rows.try_collect().await.unwrap();
        assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), there, "{object}");
    }

    let taken = warehouse.keep(Table::Sources, "dr1").await.unwrap_err().to_string();
    assert!(taken.contains("dr1 is version 1 of sources already"), "{taken}");
    for wrong in ["12", "a/b", ""] {
        let error = warehouse.keep(Table::Sources, wrong).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument, "{wrong}");
    }
    let unknown = named(warehouse, "dr2").await.unwrap_err();
    assert!(unknown.starts_with("as_of: dr2") && unknown.ends_with("kept are dr1"), "{unknown}");

    assert_eq!(warehouse.forget(Table::Sources, "dr1").await.unwrap(), 1);
    assert!(named(warehouse, "dr1").await.unwrap_err().contains("no version is kept by name"));
    assert_eq!(vacuumed(warehouse).await, 2);
}

#[tokio::test]
async fn a_version_stays_in_memory() {
    stays_until_it_is_forgotten(&memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_stays_on_disk() {
    let (_folder, warehouse) = on_disk();
    stays_until_it_is_forgotten(&warehouse).await;
}

/// Its versions count from 0 again.
#[tokio::test]
async fn a_name_is_not_of_another_table_in_its_place() {
    let (_folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    warehouse.keep(Table::Sources, "dr1").await.unwrap();
    let folder = warehouse.location().url.to_file_path().unwrap().join("sources");
    std::fs::remove_dir_all(folder.join("_delta_log")).unwrap();
    append(&warehouse, &sources(1, 7, 1)).await;
    let gone = named(&warehouse, "dr1").await.unwrap_err();
    assert!(gone.contains("replaced"), "{gone}");
    assert!(vacuumed(&warehouse).await < 2, "it does not stop a vacuum");
    assert_eq!(warehouse.forget(Table::Sources, "dr1").await.unwrap(), 0, "it can be given up");
    assert_eq!(warehouse.keep(Table::Sources, "dr1").await.unwrap(), 0);
}

/// The folder of the log.
fn log_of(warehouse: &Warehouse) -> std::path::PathBuf {
    warehouse.location().url.to_file_path().unwrap().join("sources/_delta_log")
}

/// Takes all commits and checkpoints before a version out of the log.
fn delete_log_before(warehouse: &Warehouse, version: u64) -> usize {
    let mut deleted = 0;
    for entry in std::fs::read_dir(log_of(warehouse)).unwrap() {
        let path = entry.unwrap().path();
        let number = path.file_name().unwrap().to_str().unwrap().get(..20).map(str::parse::<u64>);
        if let Some(Ok(number)) = number
            && number < version
        {
            std::fs::remove_file(path).unwrap();
            deleted += 1;
        }
    }
    deleted
}

/// A table with a name for its version 1 and a log that begins long after it.
async fn older_than_the_log() -> (TempDir, Warehouse, Snapshot) {
    let (folder, warehouse) = on_disk();
    append(&warehouse, &sources(1, 5, 1)).await;
    set_checkpoint_interval(&warehouse, 4);
    append(&warehouse, &sources(20, 5, 1)).await;
    warehouse.keep(Table::Sources, "dr1").await.unwrap();
    let kept = newest(&warehouse).await.unwrap();
    for first in [40, 50, 60, 70, 80, 90] {
        append(&warehouse, &sources(first, 5, 1)).await;
    }
    warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
    assert_eq!(delete_log_before(&warehouse, 7), 7 + 1, "commits and a checkpoint");
    (folder, warehouse, kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_version_is_read_when_the_log_does_not_have_it_any_more() {
    let (_folder, warehouse, before) = older_than_the_log().await;
    assert_eq!(vacuumed(&warehouse).await, 6, "files of the versions between");
    let kept = named(&warehouse, "dr1").await.unwrap();
    assert_eq!((kept.version, kept.id(), &kept.schema), (1, before.id(), &before.schema));
    assert_eq!((kept.table_id, kept.synthetic), (before.table_id, before.synthetic));
    assert_eq!(kept.files, before.files);
    assert_eq!(kept.entry.as_ref().unwrap().location, before.entry.as_ref().unwrap().location);
    assert_eq!(rows(&kept).await, rows(&before).await);

    // Tickets and handles name a version by its number and id.
    let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
    let exactly = AsOf::Exactly { version: 1, id: before.id() };
    for as_of in [AsOf::parse("dr1").unwrap(), AsOf::Version(1), exactly] {
        let query = Query {
            as_of: Some(as_of),
            ..Query::newest_first(Table::Sources, vec![20], Columns::All)
        };
        let answer = engine.run(&query).await.unwrap();
        assert_eq!(answer.versions.table, 1);
        let found: Vec<_> = answer.rows.try_collect().await.unwrap();
        assert_eq!(found.iter().map(RecordBatch::num_rows).sum::<usize>(), 1);
    }
    let folder = warehouse.location().url.to_file_path().unwrap();
    let count = "SELECT count(*) AS n FROM \"sources@dr1\"";
    let count = crate::program::run([
        "sql",
        "--format",
        "json",
        "--warehouse",
        folder.to_str().unwrap(),
        count,
    ]);
    assert_eq!(count.succeeded().json()[0]["n"], 10);

    let taken = warehouse.keep(Table::Sources, "dr1").await.unwrap_err().to_string();
    assert!(taken.contains("dr1 is version 1 of sources already"), "{taken}");
    assert_eq!(warehouse.check(Table::Sources, false).await.unwrap().findings, []);
    let dr1 = AsOf::parse("dr1").unwrap();
    let restored = warehouse.restore(&[Table::Sources], &dr1, false).await.unwrap();
    assert_eq!((restored[0].to, restored[0].files_added), (1, 2));
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await, rows(&before).await);

    assert_eq!(warehouse.forget(Table::Sources, "dr1").await.unwrap(), 1);
    let gone = named(&warehouse, "dr1").await.unwrap_err();
    assert!(gone.contains("no version is kept by name"), "{gone}");
    let gone = warehouse.snapshot(Table::Sources, Some(&AsOf::Version(1))).await.unwrap_err();
    assert!(gone.to_string().contains("no version 1 (any more)"), "{gone}");
}

/// A kept version that is older than the log has its own file alone: what is lost with that file, or a part of it, is told.
#[tokio::test]
async fn a_damaged_file_of_a_name_is_told() {
    use diaflight::warehouse::Flaw;
    let (_folder, warehouse, before) = older_than_the_log().await;
    let file = log_of(&warehouse).parent().unwrap().join("_kept/dr1.json");
    let whole = std::fs::read_to_string(&file).unwrap();
    let cut = whole.rsplit_once('\n').unwrap().0;
    let first = whole.split_once('\n').unwrap().0;
    for damaged in [cut, first] {
        std::fs::write(&file, damaged).unwrap();
        let error = named(&warehouse, "dr1").await.unwrap_err();
        assert!(error.contains("dr1.json") && error.contains("is damaged"), "{error}");
        let checked = warehouse.check(Table::Sources, false).await.unwrap();
        let findings: Vec<_> = checked.findings.iter().map(|finding| finding.flaw).collect();
        assert_eq!(findings, [Flaw::LostName]);
        let vacuum = warehouse.vacuum(Table::Sources, &NOW).await.unwrap_err().to_string();
        assert!(vacuum.contains("dr1.json is damaged"), "{vacuum}");
    }
    // A file that is gone: what it named is still there, for somebody to find.
    std::fs::write(&file, &whole).unwrap();
    std::fs::remove_file(std::path::Path::new("/").join(before.files[0].path.as_ref())).unwrap();
    let gone = named(&warehouse, "dr1").await.unwrap_err();
    assert!(gone.contains("vacuum has deleted its files"), "{gone}");
}

/// As an older version of the program kept it: nothing but the number.
pub(super) fn as_before(warehouse: &Warehouse, name: &str) {
    let file = log_of(warehouse).parent().unwrap().join(format!("_kept/{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let old = ["version", "table_id", "kept"].map(|key| (key.to_string(), told[key].clone()));
    let old: serde_json::Map<_, _> = old.into_iter().collect();
    std::fs::write(file, serde_json::to_string(&old).unwrap()).unwrap();
}

#[tokio::test]
async fn an_older_name_is_completed_while_the_log_has_its_version() {
    for by in ["vacuum", "run", "keep"] {
        let (_folder, warehouse) = on_disk();
        append(&warehouse, &sources(1, 5, 1)).await;
        warehouse.keep(Table::Sources, "dr1").await.unwrap();
        let before = newest(&warehouse).await.unwrap();
        let file = log_of(&warehouse).parent().unwrap().join("_kept/dr1.json");
        let told = || -> serde_json::Value {
            serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap()
        };
        let whole = told();
        as_before(&warehouse, "dr1");
        append(&warehouse, &sources(20, 5, 1)).await;
        assert_eq!(named(&warehouse, "dr1").await.unwrap().id(), before.id());
        match by {
            "vacuum" => assert_eq!(vacuumed(&warehouse).await, 0),
            "run" => assert_eq!(warehouse.tidy_log(Table::Sources, &NOW).await.unwrap(), 0),
            _ => assert_eq!(warehouse.keep(Table::Sources, "dr2").await.unwrap(), 1),
        }
        assert_eq!(told(), whole, "{by}");
    }
}
