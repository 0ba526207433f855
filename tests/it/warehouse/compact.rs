//! Compaction: the same rows in disjoint files, whatever else happens at the time.

use super::*;
use diaflight::warehouse::{Compacted, MergePolicy};

const OPTIONS: MergePolicy =
    MergePolicy { file_size: FileSize { rows: 100, bytes: usize::MAX }, ..MergePolicy::DEFAULT };

/// Commits that overlap like nights do: each has some sources of every third object.
async fn nights(warehouse: &Warehouse, count: i64) -> Snapshot {
    let mut last = None;
    for night in 0..count {
        let batch = of_night(night, &sources(FIRST_ID + night % 3, 120, 1));
        last = Some(append(warehouse, &batch).await);
    }
    last.unwrap()
}

/// The same sources under ids of that night.
pub fn of_night(night: i64, batch: &RecordBatch) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    let ids = batch.column(2).as_primitive::<Int64Type>();
    columns[2] = Arc::new(ids.unary::<_, Int64Type>(|id| id % 1_000_000 * 1000 + night));
    RecordBatch::try_new(schema(), columns).unwrap()
}

async fn compact(warehouse: &Warehouse) -> Compacted {
    warehouse.compact(Table::Sources, &OPTIONS).await.unwrap()
}

fn assert_disjoint(snapshot: &Snapshot) {
    for pair in snapshot.files.windows(2) {
        assert!(pair[0].keys.end() < pair[1].keys.start(), "{pair:?}");
    }
}

async fn same_rows_in_disjoint_files(warehouse: &Warehouse, commits: i64) {
    let before = nights(warehouse, commits).await;
    let done = compact(warehouse).await;
    let after = newest(warehouse).await.unwrap();
    assert_eq!(done.files_removed, commits as usize);
    assert_eq!(done.files_added, after.files.len());
    assert_eq!(done.rows, 120 * commits as u64);
    assert_eq!(after.version, before.version + 1);
    assert_disjoint(&after);
    assert_eq!(rows(&after).await, rows(&before).await);

    assert_eq!(compact(warehouse).await, Compacted::default());
    assert_eq!(newest(warehouse).await.unwrap().version, after.version);
}

#[tokio::test]
async fn overlapping_files_become_disjoint_ones() {
    same_rows_in_disjoint_files(&memory(), 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_files_than_are_open_at_once_merge_in_rounds() {
    let (_folder, warehouse) = on_disk();
    same_rows_in_disjoint_files(&warehouse, 70).await;
    let location = warehouse.location();
    let objects = location.store.list(Some(&location.prefix)).try_collect::<Vec<_>>();
    let files =
        objects.await.unwrap().into_iter().filter(|o| !o.location.as_ref().contains("_delta_log"));
    let expected = 70 + newest(&warehouse).await.unwrap().files.len();
    assert_eq!(files.count(), expected, "files of the rounds between remain");
}

#[tokio::test]
async fn columns_an_old_file_lacks_are_null() {
    let warehouse = memory();
    append(&warehouse, &sources(1, 5, 1)).await;
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(stored_field(Family::Rubin, "scienceFlux", DataType::Float64)));
    let mut columns = sources(6, 5, 1).columns().to_vec();
    columns.push(Arc::new(Float64Array::from(vec![0.5; 5])));
    append(&warehouse, &RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap())
        .await;
    compact(&warehouse).await;
    let after = newest(&warehouse).await.unwrap();
    let batch = rows_of(&after, &after.files[0]).await;
    let flux = batch.column_by_name("scienceFlux").unwrap();
    assert_eq!((flux.len(), flux.null_count()), (10, 5));
}

/// A compaction planned on `base`, as if it took long: its files are written, and not yet committed.
async fn planned(warehouse: &Warehouse, base: &Snapshot) -> Change {
    let mut all = Vec::new();
    for file in &base.files {
        all.push(rows_of(base, file).await);
    }
    let all = concat_batches(&schema(), &all).unwrap();
    let order = Table::Sources.sort_columns().iter().map(|name| arrow::compute::SortColumn {
        values: all.column_by_name(name).unwrap().clone(),
        options: None,
    });
    let order = arrow::compute::lexsort_to_indices(&order.collect::<Vec<_>>(), None).unwrap();
    let sorted = arrow::compute::take_record_batch(&all, &order).unwrap();
    let add = write_files(warehouse, &sorted, 100).await;
    let operation = Operation::Compact;
    Change { operation, schema: schema(), add, remove: base.files.clone() }
}

#[tokio::test]
async fn an_ingest_between_plan_and_commit_is_kept() {
    let warehouse = memory();
    let base = nights(&warehouse, 3).await;
    let change = planned(&warehouse, &base).await;
    let ingested = append(&warehouse, &sources(FIRST_ID + 1000, 10, 2)).await;
    let version = warehouse.commit(Table::Sources, Some(&base), change).await.unwrap();
    assert_eq!(version, ingested.version + 1);
    let after = newest(&warehouse).await.unwrap();
    assert_disjoint(&after);
    assert_eq!(rows(&after).await, rows(&ingested).await);
}

#[tokio::test]
async fn an_ingest_that_grows_the_schema_between_plan_and_commit_is_kept() {
    let warehouse = memory();
    let base = nights(&warehouse, 3).await;
    let change = planned(&warehouse, &base).await;
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(stored_field(Family::Rubin, "scienceFlux", DataType::Float64)));
    let grown = Arc::new(Schema::new(fields));
    let ingested = warehouse.commit(Table::Sources, Some(&base), ingest(grown.clone(), vec![]));
    ingested.await.unwrap();
    warehouse.commit(Table::Sources, Some(&base), change).await.unwrap();
    assert_eq!(newest(&warehouse).await.unwrap().schema, grown);
}

#[tokio::test]
async fn an_ingest_begun_before_a_compaction_succeeds_after_it() {
    let warehouse = memory();
    let base = nights(&warehouse, 3).await;
    let add = write_files(&warehouse, &sources(FIRST_ID + 1000, 10, 2), 100).await;
    compact(&warehouse).await;
    let change = ingest(schema(), add);
    warehouse.commit(Table::Sources, Some(&base), change).await.unwrap();
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 380);

    // Not if it replaces a file that the compaction has merged.
    let remove = vec![base.files[0].clone()];
    let change = Change { remove, ..ingest(schema(), vec![]) };
    let error = warehouse.commit(Table::Sources, Some(&base), change).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
}

#[tokio::test]
async fn of_two_compactions_one_gets_a_conflict_and_no_row_is_doubled() {
    let warehouse = memory();
    let base = nights(&warehouse, 3).await;
    let (first, second) = (planned(&warehouse, &base).await, planned(&warehouse, &base).await);
    warehouse.commit(Table::Sources, Some(&base), first).await.unwrap();
    let error = warehouse.commit(Table::Sources, Some(&base), second).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(rows(&newest(&warehouse).await.unwrap()).await.len(), 360);
}

#[tokio::test(flavor = "multi_thread")]
async fn compactions_and_ingests_at_the_same_time_keep_every_row() {
    let (_folder, warehouse) = on_disk();
    nights(&warehouse, 4).await;
    let ingests = async {
        for n in 0..10 {
            let batch = of_night(n, &sources(FIRST_ID + 10_000 + n * 3, 7, 1));
            loop {
                let base = newest(&warehouse).await;
                let change = ingest(schema(), write_files(&warehouse, &batch, 100).await);
                match warehouse.commit(Table::Sources, base.as_ref(), change).await {
                    Ok(_) => break,
                    Err(error) => assert_eq!(error.kind(), Kind::Conflict, "{error}"),
                }
            }
        }
    };
    let compactions = async {
        for _ in 0..5 {
            compact(&warehouse).await;
        }
    };
    tokio::join!(ingests, compactions);
    compact(&warehouse).await;
    let after = newest(&warehouse).await.unwrap();
    assert_disjoint(&after);
    assert_eq!(rows(&after).await.len(), 4 * 120 + 10 * 7);
}

#[tokio::test]
async fn there_is_no_table_to_compact() {
    let error = memory().compact(Table::Fp, &OPTIONS).await.unwrap_err();
    assert_eq!(error.kind(), Kind::NotFound);
}
