//! Paths in the log as other writers make them: relative, percent-encoded, with folders of partitions.

use std::time::{Duration, SystemTime};

use super::*;
use diaflight::warehouse::{MergePolicy, VacuumOptions};

/// Moves the one file of a table to a folder as Spark names those of a partition, and tells its log.
fn moved(warehouse: &Warehouse, file: &DataFile, stored: &str, logged: &str) {
    let table = warehouse.location().url.to_file_path().unwrap().join("sources");
    let name = file.path.filename().unwrap();
    let to = table.join(stored);
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(table.join(name), to).unwrap();
    let log = table.join("_delta_log/00000000000000000000.json");
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.contains(name));
    std::fs::write(log, text.replace(name, logged)).unwrap();
}

#[tokio::test]
async fn a_file_in_an_encoded_folder_is_read_merged_and_kept_for_its_time() {
    for (stored, logged) in [
        ("p=a%20b/x 1.parquet", "p=a%2520b/x%201.parquet"),
        ("p=%2541/x.parquet", "p=%252541/x.parquet"),
        ("p=a#1/x.parquet", "p=a%231/x.parquet"),
    ] {
        let (_folder, warehouse) = on_disk();
        let first = append(&warehouse, &sources(1, 5, 1)).await;
        moved(&warehouse, &first.files[0], stored, logged);
        let moved = newest(&warehouse).await.unwrap();
        assert!(moved.files[0].path.as_ref().ends_with(&format!("/sources/{stored}")), "{moved:?}");
        assert_eq!(rows(&moved).await.len(), 5);
        append(&warehouse, &sources(10, 5, 1)).await;
        let old = std::path::Path::new("/").join(moved.files[0].path.as_ref());
        let long_ago = SystemTime::now() - Duration::from_secs(20 * 86_400);
        std::fs::File::options().append(true).open(&old).unwrap().set_modified(long_ago).unwrap();

        warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
        let merged = newest(&warehouse).await.unwrap();
        assert_eq!(merged.files.len(), 1, "{logged}: removed under another name: {merged:?}");
        assert_eq!(merged.files[0].rows, Some(10));
        warehouse.vacuum(Table::Sources, &VacuumOptions::default()).await.unwrap();
        assert!(old.exists(), "{logged}: removed a moment ago, and readers may still need it");
    }
}

/// Spark leaves `ü` and `*` as they are, others encode them: a `remove` in the wrong form removes nothing.
#[tokio::test]
async fn a_file_that_may_be_logged_otherwise_is_read_and_not_replaced() {
    for (stored, logged) in [
        ("ü.parquet", "ü.parquet"),
        ("ü.parquet", "%C3%BC.parquet"),
        ("a*b.parquet", "a*b.parquet"),
        ("'.parquet", "%27.parquet"),
    ] {
        let (_folder, warehouse) = on_disk();
        let first = append(&warehouse, &sources(1, 5, 1)).await;
        moved(&warehouse, &first.files[0], stored, logged);
        append(&warehouse, &sources(10, 5, 1)).await;
        let before = rows(&newest(&warehouse).await.unwrap()).await;
        let refused = warehouse.compact(Table::Sources, &MergePolicy::default()).await;
        let refused = refused.unwrap_err();
        assert_eq!(refused.kind(), Kind::Storage, "{refused}");
        assert!(refused.to_string().contains(&format!("sources/{stored}: ")), "{refused}");
        assert_eq!(rows(&newest(&warehouse).await.unwrap()).await, before);
    }
}
