//! Vacuum: files that are in use or young are kept, all others are deleted.

use std::time::Duration;

use super::*;
use diaflight::warehouse::{MergePolicy, VacuumOptions, Vacuumed};

const NOW: VacuumOptions = VacuumOptions { grace: Duration::ZERO };

async fn files_there(warehouse: &Warehouse) -> Vec<String> {
    let location = warehouse.location();
    let objects: Vec<_> = location.store.list(Some(&location.prefix)).try_collect().await.unwrap();
    let paths = objects.into_iter().map(|object| object.location.to_string());
    // Files that are not committed have a hidden mark.
    let hidden = |path: &String| path.contains("_delta_log") || path.contains("/.part-");
    let mut paths: Vec<_> = paths.filter(|path| !hidden(path)).collect();
    paths.sort();
    paths
}

fn paths(files: &[DataFile]) -> Vec<String> {
    let mut paths: Vec<_> = files.iter().map(|file| file.path.to_string()).collect();
    paths.sort();
    paths
}

async fn removes_what_nothing_refers_to(warehouse: &Warehouse) {
    for _ in 0..3 {
        let first = newest(warehouse).await.map_or(1, |snapshot| 10 * snapshot.version as i64 + 20);
        append(warehouse, &sources(first, 5, 1)).await;
    }
    let orphans = write_files(warehouse, &sources(900, 5, 1), 100).await;
    let before = newest(warehouse).await.unwrap();
    warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
    let after = newest(warehouse).await.unwrap();

    let kept = files_there(warehouse).await;
    let done = warehouse.vacuum(Table::Sources, &VacuumOptions::default()).await.unwrap();
    assert_eq!(done, Vacuumed::default());
    assert_eq!(files_there(warehouse).await, kept);

    // A clock tick later nothing is young any more.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let done = warehouse.vacuum(Table::Sources, &NOW).await.unwrap();
    let unused = before.files.iter().map(|file| file.size_bytes);
    let expected = Vacuumed { files_deleted: 3, bytes_deleted: unused.sum(), uploads_ended: 0 };
    assert_eq!(done, expected);
    // What no version has named is spared for a day.
    assert_eq!(files_there(warehouse).await, paths(&[after.files.clone(), orphans].concat()));
    assert_eq!(rows(&after).await.len(), 15);
    assert_eq!(newest(warehouse).await.unwrap().version, after.version);

    let old = warehouse.snapshot(Table::Sources, Some(&AsOf::Version(before.version))).await;
    assert_eq!(old.unwrap_err().kind(), Kind::Argument);
}

#[tokio::test]
async fn unused_files_go_from_memory() {
    removes_what_nothing_refers_to(&memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_files_go_from_disk() {
    let (_folder, warehouse) = on_disk();
    removes_what_nothing_refers_to(&warehouse).await;
}

/// Files as if they had been written so long ago.
fn age(files: &[DataFile], hours: u64) {
    let then = std::time::SystemTime::now() - Duration::from_secs(hours * 3600);
    for file in files {
        let path = std::path::Path::new("/").join(file.path.as_ref());
        std::fs::File::options().append(true).open(path).unwrap().set_modified(then).unwrap();
    }
}

/// An ingest that sleeps for longer than vacuum spares its files commits none of them, and says so.
#[tokio::test]
async fn files_that_are_not_there_any_more_are_not_committed() {
    let (_folder, warehouse) = on_disk();
    let base = append(&warehouse, &sources(1, 5, 1)).await;
    let files = write_files(&warehouse, &sources(10, 5, 1), 100).await;
    let added = || ingest(schema(), files.clone());
    age(&files, 23);
    let done = warehouse.vacuum(Table::Sources, &NOW).await.unwrap();
    assert_eq!(done.files_deleted, 0);
    age(&files, 25);
    let done = warehouse.vacuum(Table::Sources, &NOW).await.unwrap();
    assert_eq!(done.files_deleted, 1);
    let lost = warehouse.commit(Table::Sources, Some(&base), added()).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Storage);
    let said = lost.to_string();
    assert!(
        said.contains(files[0].path.as_ref()) && said.contains("nothing was committed"),
        "{said}"
    );

    let path = std::path::Path::new("/").join(files[0].path.as_ref());
    std::fs::write(path, "short").unwrap();
    let cut = warehouse.commit(Table::Sources, Some(&base), added()).await.unwrap_err();
    assert!(cut.to_string().contains("has 5 bytes"), "{cut}");
    assert_eq!(newest(&warehouse).await.unwrap().version, base.version);
}

#[tokio::test]
async fn a_file_removed_lately_stays_however_old_it_is() {
    let (_folder, warehouse) = on_disk();
    let base = append(&warehouse, &sources(1, 5, 1)).await;
    append(&warehouse, &sources(3, 5, 1)).await;
    let orphan = write_files(&warehouse, &sources(900, 5, 1), 100).await.remove(0);
    age(&base.files, 20 * 24);
    age(std::slice::from_ref(&orphan), 20 * 24);
    warehouse.compact(Table::Sources, &MergePolicy::default()).await.unwrap();
    let done = warehouse.vacuum(Table::Sources, &VacuumOptions::default()).await.unwrap();
    let (files_deleted, bytes_deleted) = (1, orphan.size_bytes);
    assert_eq!(done, Vacuumed { files_deleted, bytes_deleted, uploads_ended: 0 });
    assert_eq!(rows(&base).await.len(), 5, "a reader of the old version loses its file");
}

#[tokio::test]
async fn vacuum_refuses_what_it_cannot_know() {
    let warehouse = memory();
    let error = warehouse.vacuum(Table::Sources, &NOW).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
    append(&warehouse, &sources(1, 5, 1)).await;
    let grace = Duration::from_secs(31 * 86_400);
    let error = warehouse.vacuum(Table::Sources, &VacuumOptions { grace }).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
}
