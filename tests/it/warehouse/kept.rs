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
