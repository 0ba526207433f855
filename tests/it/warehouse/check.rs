//! `maintain check`: each kind of fault is found by name, nothing else is, and a repair leaves a table that has none.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use diaflight::warehouse::{Checked, Flaw};

use super::*;

async fn check(warehouse: &Warehouse, repair: bool) -> Checked {
    warehouse.check(Table::Sources, repair).await.unwrap()
}

fn found(checked: &Checked) -> Vec<(Flaw, bool)> {
    let findings = checked.findings.iter();
    findings.map(|finding| (finding.flaw, finding.repaired.is_some())).collect()
}

fn path(file: &DataFile) -> PathBuf {
    std::path::Path::new("/").join(file.path.as_ref())
}

/// A table of three files.
async fn table() -> (tempfile::TempDir, Warehouse, Vec<DataFile>) {
    let (folder, warehouse) = on_disk();
    for first in [1, 20, 40] {
        append(&warehouse, &sources(first, 5, 1)).await;
    }
    let files = newest(&warehouse).await.unwrap().files;
    assert_eq!(files.len(), 3);
    (folder, warehouse, files)
}

#[tokio::test]
async fn a_table_in_order_has_no_finding() {
    let (_folder, warehouse, files) = table().await;
    warehouse.keep(Table::Sources, "dr1").await.unwrap();
    let checked = check(&warehouse, true).await;
    assert_eq!((found(&checked), checked.files), (vec![], 3));
    assert_eq!(checked.bytes, files.iter().map(|file| file.size_bytes).sum::<u64>());
    assert_eq!(newest(&warehouse).await.unwrap().version, 2);
}

#[tokio::test]
async fn what_cannot_be_read_is_taken_out_of_the_table() {
    let (_folder, warehouse, files) = table().await;
    std::fs::remove_file(path(&files[0])).unwrap();
    let mut bytes = std::fs::read(path(&files[1])).unwrap();
    let middle = bytes.len() / 2;
    bytes.truncate(middle);
    std::fs::write(path(&files[1]), &bytes).unwrap();
    let mut bytes = std::fs::read(path(&files[2])).unwrap();
    // The header of the first page.
    bytes[4..40].fill(0xff);
    std::fs::write(path(&files[2]), &bytes).unwrap();

    let faults = [Flaw::Missing, Flaw::WrongSize, Flaw::Damaged];
    let checked = check(&warehouse, false).await;
    assert_eq!(found(&checked), faults.map(|flaw| (flaw, false)), "{checked:#?}");
    for (finding, file) in checked.findings.iter().zip(&files) {
        assert_eq!(finding.file, format!("/{}", file.path));
        assert!(finding.what.contains("5 rows of objects "), "{finding:?}");
    }
    assert_eq!(newest(&warehouse).await.unwrap().version, 2, "a check changes nothing");
    let repaired = check(&warehouse, true).await;
    assert_eq!(found(&repaired), faults.map(|flaw| (flaw, true)));
    assert_eq!(found(&check(&warehouse, false).await), []);
    assert!(newest(&warehouse).await.unwrap().files.is_empty());
}

#[tokio::test]
async fn files_that_no_version_names_are_deleted_once_they_are_old() {
    let (_folder, warehouse, files) = table().await;
    let orphans = write_files(&warehouse, &sources(900, 5, 1), 100).await;
    assert_eq!(found(&check(&warehouse, true).await), [], "a writer may be about to commit it");
    let old = SystemTime::now() - Duration::from_secs(25 * 3600);
    for file in orphans.iter().chain(&files) {
        std::fs::File::options().append(true).open(path(file)).unwrap().set_modified(old).unwrap();
    }
    assert_eq!(found(&check(&warehouse, false).await), [(Flaw::Orphan, false)]);
    assert!(path(&orphans[0]).exists());
    assert_eq!(found(&check(&warehouse, true).await), [(Flaw::Orphan, true)]);
    assert!(!path(&orphans[0]).exists());
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 15);
}

#[tokio::test]
async fn a_name_of_a_version_that_is_lost_is_found() {
    let (_folder, warehouse, files) = table().await;
    warehouse.keep(Table::Sources, "dr1").await.unwrap();
    warehouse.compact(Table::Sources, &diaflight::warehouse::MergePolicy::default()).await.unwrap();
    std::fs::remove_file(path(&files[0])).unwrap();
    let checked = check(&warehouse, true).await;
    assert_eq!(found(&checked), [(Flaw::LostName, false)]);
    assert!(checked.findings[0].what.contains("maintain forget dr1"), "{checked:?}");
}

/// Rows in the reverse of the table's order, in a file that claims to be sorted as ours do.
async fn put_unsorted(warehouse: &Warehouse, batch: &RecordBatch) -> DataFile {
    use parquet::file::metadata::SortingColumn;
    let order = [0, 1, 2].map(|column_idx| SortingColumn {
        column_idx,
        descending: false,
        nulls_first: true,
    });
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_sorting_columns(Some(order.to_vec()))
        .build();
    let last = batch.num_rows() as u64 - 1;
    let reversed: arrow::array::UInt64Array = (0..=last).rev().collect::<Vec<_>>().into();
    let batch = arrow::compute::take_record_batch(batch, &reversed).unwrap();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let name = format!("part-{}.parquet", uuid::Uuid::new_v4());
    let path = warehouse.location().prefix.clone().join("sources").join(name);
    let file = DataFile::unknown(path.clone(), bytes.len() as u64, chrono::Utc::now());
    warehouse.location().store.put(&path, bytes.into()).await.unwrap();
    file
}

#[tokio::test]
async fn a_file_that_is_not_sorted_as_it_claims_is_sorted_again() {
    let (_folder, warehouse, _) = table().await;
    let base = newest(&warehouse).await.unwrap();
    let file = put_unsorted(&warehouse, &sources(100, 50, 3)).await;
    let change = ingest(schema(), vec![file.clone()]);
    warehouse.commit(Table::Sources, Some(&base), change).await.unwrap();
    let before = newest(&warehouse).await.unwrap();
    let checked = check(&warehouse, false).await;
    assert_eq!(found(&checked), [(Flaw::Unsorted, false)]);
    assert_eq!(checked.findings[0].file, format!("/{}", file.path));
    assert_eq!(found(&check(&warehouse, true).await), [(Flaw::Unsorted, true)]);
    assert_eq!(found(&check(&warehouse, false).await), []);
    let after = newest(&warehouse).await.unwrap();
    assert_eq!(rows(&after).await, rows(&before).await);
    assert_eq!(after.version, before.version + 1);
}

/// The entry of the newest version with another number of rows in it, as a writer may have left it.
fn claim_rows(warehouse: &Warehouse, version: u64, from: u64, to: u64) {
    let log = warehouse.location().url.to_file_path().unwrap().join("sources/_delta_log");
    let entry = log.join(format!("{version:020}.json"));
    let text = std::fs::read_to_string(&entry).unwrap();
    let told = |rows: u64| format!("\\\"numRecords\\\":{rows}");
    assert!(text.contains(&told(from)), "{text}");
    std::fs::write(&entry, text.replace(&told(from), &told(to))).unwrap();
}

#[tokio::test]
async fn a_file_whose_statistics_are_wrong_keeps_its_rows() {
    let (_folder, warehouse, _) = table().await;
    claim_rows(&warehouse, 2, 5, 6);
    let checked = check(&warehouse, true).await;
    assert_eq!(found(&checked), [(Flaw::WrongStatistics, true)], "{checked:#?}");
    assert_eq!(found(&check(&warehouse, false).await), []);
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 15);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_hides_no_other_fault() {
    let (_folder, warehouse, files) = table().await;
    // A folder of its name is no file, whoever reads it.
    std::fs::remove_file(path(&files[0])).unwrap();
    std::fs::create_dir(path(&files[0])).unwrap();
    std::fs::remove_file(path(&files[1])).unwrap();
    let checked = check(&warehouse, false).await;
    let missing = checked.findings.iter().filter(|finding| finding.flaw == Flaw::Missing);
    assert!(missing.count() >= 1, "{checked:#?}");
    assert_eq!(checked.findings.len(), 2, "{checked:#?}");
}

/// A name whose version is lost from the log, too, is told, and nothing is called an orphan: nobody knows what that version named.
#[tokio::test]
async fn a_version_that_the_log_has_lost_is_told_and_hides_no_other_fault() {
    let (_folder, warehouse, files) = table().await;
    let kept = warehouse.location().url.to_file_path().unwrap().join("sources/_kept");
    warehouse.keep(Table::Sources, "dr1").await.unwrap();
    super::kept::as_before(&warehouse, "dr1");
    let text = std::fs::read_to_string(kept.join("dr1.json")).unwrap();
    std::fs::write(kept.join("dr1.json"), text.replace("\"version\":2", "\"version\":77")).unwrap();
    std::fs::remove_file(path(&files[1])).unwrap();
    let checked = check(&warehouse, false).await;
    assert_eq!(found(&checked), [(Flaw::LostName, false), (Flaw::Missing, false)]);
    let options = diaflight::warehouse::VacuumOptions::default();
    let error = warehouse.vacuum(Table::Sources, &options).await.unwrap_err().to_string();
    assert!(error.contains("maintain forget dr1"), "{error}");
}

/// A commit cleans its log of entries that are a month old, but not while a name has nothing but the number of its version.
#[tokio::test]
async fn the_log_is_kept_as_long_as_a_name_needs_it() {
    for (name, is_old) in [(None, false), (Some("dr1"), false), (Some("dr1"), true)] {
        let (_folder, warehouse, _) = table().await;
        set_checkpoint_interval(&warehouse, 10);
        if let Some(name) = name {
            warehouse.keep(Table::Sources, name).await.unwrap();
        }
        if is_old {
            super::kept::as_before(&warehouse, "dr1");
        }
        let log = warehouse.location().url.to_file_path().unwrap().join("sources/_delta_log");
        let old = SystemTime::now() - Duration::from_secs(40 * 86_400);
        for round in 0..20 {
            for entry in std::fs::read_dir(&log).unwrap() {
                let file = std::fs::File::options().append(true).open(entry.unwrap().path());
                file.unwrap().set_modified(old).unwrap();
            }
            append(&warehouse, &sources(100 + 10 * round, 5, 1)).await;
        }
        let first = log.join(format!("{:020}.json", 0));
        assert_eq!(first.exists(), is_old);
        if let Some(name) = name {
            let as_of = AsOf::parse(name).unwrap();
            let kept = warehouse.snapshot(Table::Sources, Some(&as_of)).await.unwrap().unwrap();
            assert_eq!(rows(&kept).await.len(), 15);
        }
    }
}
