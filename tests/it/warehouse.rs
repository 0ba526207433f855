//! The warehouse through its public face, in memory and on the file system.
use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema, SchemaRef};
use diaflight::error::Kind;
use diaflight::schema::{Family, KEY, TIME, Table, family, provenance, stored_field};
use diaflight::warehouse::{
    AsOf, Change, DataFile, FileSize, Operation, Snapshot, SortedWriter, Source, Warehouse, read,
};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use tempfile::TempDir;

mod check;
mod compact;
mod folder;
mod foreign_paths;
mod kept;
mod leftovers;
mod levels;
mod properties;
mod refusal;
mod vacuum;
mod versions;

/// Ids like Rubin's: no `f64` holds them.
const FIRST_ID: i64 = 170_028_485_706_776_685;

fn schema() -> SchemaRef {
    let mut fields = vec![
        stored_field(Family::Rubin, KEY, DataType::Int64),
        stored_field(Family::Rubin, TIME, DataType::Float64),
        stored_field(Family::Rubin, "diaSourceId", DataType::Int64),
        stored_field(Family::Rubin, "psfFlux", DataType::Float32),
        stored_field(Family::Rubin, "band", DataType::Utf8),
        stored_field(Family::Fink, "xm_simbad_otype", DataType::Utf8),
    ];
    fields.extend(provenance::fields(Table::Sources));
    Arc::new(Schema::new(fields))
}

/// Sources of `objects` objects from `first` on, `each` per object, in the table's order.
fn sources(first: i64, objects: i64, each: i64) -> RecordBatch {
    let rows: Vec<(i64, i64)> =
        (first..first + objects).flat_map(|object| (0..each).map(move |n| (object, n))).collect();
    let column = |value: &dyn Fn(i64, i64) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|&(object, n)| value(object, n))))
    };
    let columns: Vec<ArrayRef> = vec![
        column(&|object, _| object),
        Arc::new(Float64Array::from_iter_values(
            rows.iter().map(|&(object, n)| 61105.093643486834 + (object % 7 + n) as f64),
        )),
        column(&|object, n| object * 10 + n),
        Arc::new(Float32Array::from_iter(
            rows.iter().map(|&(object, n)| (n % 3 != 1).then_some(object as f32 / 7.0)),
        )),
        Arc::new(StringArray::from_iter(
            rows.iter().map(|&(_, n)| Some(["u", "g", "r", "i", "z", "y"][n as usize % 6])),
        )),
        Arc::new(StringArray::from_iter(rows.iter().map(|_| None::<&str>))),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|_| 61200.0))),
        column(&|_, _| 7),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|_| Some(true)))),
        column(&|object, n| object ^ (n << 40)),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

fn memory() -> Warehouse {
    Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap()
}

fn on_disk() -> (TempDir, Warehouse) {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().join("ware house").to_str().unwrap()).unwrap();
    (folder, warehouse)
}

async fn write_files(warehouse: &Warehouse, batch: &RecordBatch, rows: usize) -> Vec<DataFile> {
    let full = FileSize { rows, ..FileSize::TARGET };
    let mut writer = SortedWriter::with_file_size(warehouse, Table::Sources, batch.schema(), full);
    writer.write(batch).await.unwrap();
    writer.finish().await.unwrap()
}

fn ingest(schema: SchemaRef, add: Vec<DataFile>) -> Change {
    Change { operation: Operation::Ingest, schema, add, remove: vec![] }
}

/// Writes and commits a batch on top of the newest version, and returns the new snapshot.
async fn append(warehouse: &Warehouse, batch: &RecordBatch) -> Snapshot {
    let base = newest(warehouse).await;
    let add = write_files(warehouse, batch, usize::MAX).await;
    let change = ingest(batch.schema(), add);
    let version = warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap();
    let snapshot = newest(warehouse).await.unwrap();
    assert_eq!(snapshot.version, version);
    snapshot
}

/// Changes the text of a version's entry in the log of a warehouse on disk.
fn set_in_log(warehouse: &Warehouse, version: u64, from: &str, to: &str) {
    let log = warehouse.location().url.to_file_path().unwrap().join("sources/_delta_log");
    let entry = log.join(format!("{version:020}.json"));
    let text = std::fs::read_to_string(&entry).unwrap();
    assert!(text.contains(from), "{text}");
    std::fs::write(&entry, text.replace(from, to)).unwrap();
}

/// Has a table on disk, at its first version, write a checkpoint after every so many commits.
fn set_checkpoint_interval(warehouse: &Warehouse, commits: u64) {
    let told = |commits| format!("\"delta.checkpointInterval\":\"{commits}\"");
    set_in_log(warehouse, 0, &told(50), &told(commits));
}

async fn newest(warehouse: &Warehouse) -> Option<Snapshot> {
    warehouse.snapshot(Table::Sources, None).await.unwrap()
}

async fn rows_of(snapshot: &Snapshot, file: &DataFile) -> RecordBatch {
    let batches = read(snapshot.store.clone(), file, None, 1000);
    let batches: Vec<_> = batches.try_collect().await.unwrap();
    concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// Every row of a snapshot by its id: object, time.
async fn rows(snapshot: &Snapshot) -> BTreeMap<i64, (i64, f64)> {
    let mut rows = BTreeMap::new();
    for file in &snapshot.files {
        let batch = rows_of(snapshot, file).await;
        let int = |name| batch.column_by_name(name).unwrap().as_primitive::<Int64Type>().clone();
        let time = batch.column_by_name(TIME).unwrap().as_primitive::<Float64Type>();
        for row in 0..batch.num_rows() {
            let entry = (int(KEY).value(row), time.value(row));
            assert_eq!(rows.insert(int("diaSourceId").value(row), entry), None, "a row twice");
        }
    }
    rows
}

async fn round_trip(warehouse: &Warehouse) {
    assert!(newest(warehouse).await.is_none());
    let batch = sources(FIRST_ID, 50, 3);
    let snapshot = append(warehouse, &batch).await;

    assert_eq!(snapshot.version, 0);
    assert_eq!(snapshot.schema, schema());
    assert_eq!(family(snapshot.schema.field(5)), Some(Family::Fink));
    let [file] = snapshot.files.as_slice() else { panic!("{:?}", snapshot.files) };
    assert_eq!(file.keys, FIRST_ID..=FIRST_ID + 49);
    assert_eq!(file.ids, FIRST_ID * 10..=(FIRST_ID + 49) * 10 + 2);
    assert_eq!(file.times_mjd, Some(61105.093643486834..=61113.093643486834));
    assert_eq!(file.rows, Some(150));
    let object = snapshot.store.head(&file.path).await.unwrap();
    assert_eq!(object.size, file.size_bytes);
    let read = rows_of(&snapshot, file).await;
    assert_eq!(read.columns(), batch.columns());
}

#[tokio::test]
async fn what_is_committed_is_read_back_from_memory() {
    round_trip(&memory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_read_back_from_files() {
    let (_folder, warehouse) = on_disk();
    round_trip(&warehouse).await;
}

#[tokio::test]
async fn of_two_creators_one_gets_a_conflict() {
    let warehouse = memory();
    let first = ingest(schema(), write_files(&warehouse, &sources(1, 5, 1), 100).await);
    let second = ingest(schema(), write_files(&warehouse, &sources(6, 5, 1), 100).await);
    let (first, second) = tokio::join!(
        warehouse.commit(Table::Sources, None, first),
        warehouse.commit(Table::Sources, None, second)
    );
    let (won, lost) = if first.is_ok() { (first, second) } else { (second, first) };
    assert_eq!(won.unwrap(), 0);
    assert_eq!(lost.unwrap_err().kind(), Kind::Conflict);
    assert_eq!(newest(&warehouse).await.unwrap().files.len(), 1);
}

#[tokio::test]
async fn a_change_against_an_old_version_is_a_conflict() {
    let warehouse = memory();
    let base = append(&warehouse, &sources(1, 5, 1)).await;
    append(&warehouse, &sources(6, 5, 1)).await;
    let change = ingest(schema(), write_files(&warehouse, &sources(11, 5, 1), 100).await);
    let error = warehouse.commit(Table::Sources, Some(&base), change).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict, "{error}");
    assert_eq!(newest(&warehouse).await.unwrap().version, 1);
}

#[tokio::test]
async fn of_many_commits_against_one_version_one_wins() {
    let (_folder, warehouse) = on_disk();
    let base = append(&warehouse, &sources(1, 5, 1)).await;
    let mut tries = Vec::new();
    for first in 2..8 {
        let change =
            ingest(schema(), write_files(&warehouse, &sources(first * 10, 5, 1), 100).await);
        tries.push(warehouse.commit(Table::Sources, Some(&base), change));
    }
    let done = futures::future::join_all(tries).await;
    let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(|done| done.is_ok());
    assert_eq!(won.len(), 1);
    assert!(lost.into_iter().all(|lost| lost.unwrap_err().kind() == Kind::Conflict));
    assert_eq!(newest(&warehouse).await.unwrap().files.len(), 2);
}

#[tokio::test]
async fn a_schema_grows_by_a_column_in_the_commit_that_fills_it() {
    let warehouse = memory();
    let before = append(&warehouse, &sources(1, 5, 1)).await;
    let batch = sources(6, 5, 1);
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(stored_field(Family::Rubin, "scienceFlux", DataType::Float64)));
    let grown = Arc::new(Schema::new(fields));
    let mut columns = batch.columns().to_vec();
    columns.push(Arc::new(Float64Array::from(vec![0.5; 5])));
    let batch = RecordBatch::try_new(grown.clone(), columns).unwrap();

    let after = append(&warehouse, &batch).await;
    assert_eq!((after.version, &after.schema), (1, &grown));
    assert_eq!(before.schema, schema());
    let old = read(after.store.clone(), &after.files[0], Some(&["scienceFlux", KEY]), 10);
    let old: Vec<_> = old.try_collect().await.unwrap();
    assert_eq!(old[0].schema().fields().iter().map(|f| f.name()).collect::<Vec<_>>(), [KEY]);
}

#[tokio::test]
async fn a_column_is_never_lost_and_never_changes_its_type() {
    let warehouse = memory();
    let base = append(&warehouse, &sources(1, 5, 1)).await;
    let without = Arc::new(schema().project(&[0, 1, 2, 3]).unwrap());
    let mut fields = schema().fields().to_vec();
    fields[3] = Arc::new(stored_field(Family::Rubin, "psfFlux", DataType::Float64));
    for wrong in [without, Arc::new(Schema::new(fields))] {
        let change = warehouse.commit(Table::Sources, Some(&base), ingest(wrong, vec![])).await;
        assert_eq!(change.unwrap_err().kind(), Kind::Internal);
    }
}

#[tokio::test]
async fn as_of_reads_older_versions() {
    let (_folder, warehouse) = on_disk();
    let mut made = Vec::new();
    for version in 0..3 {
        made.push(append(&warehouse, &sources(version * 10, 10, 1)).await);
        // The log tells versions apart by the millisecond.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let as_of = async |text: &str| {
        warehouse.snapshot(Table::Sources, Some(&AsOf::parse(text).unwrap())).await
    };
    let old = as_of("1").await.unwrap().unwrap();
    assert_eq!((old.version, old.files), (1, made[1].files.clone()));
    let between = made[2].files[2].modified - chrono::Duration::milliseconds(2);
    assert_eq!(as_of(&between.to_rfc3339()).await.unwrap().unwrap().version, 1);
    let later = "2200-01-01T00:00:00Z";
    assert_eq!(as_of(later).await.unwrap().unwrap().version, 2);
    for gone in ["3", "1999-01-01T00:00:00Z"] {
        let error = as_of(gone).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Argument);
        assert!(error.to_string().contains("as_of"), "{error}");
    }

    let lost = &made[1].files[0].path;
    made[1].store.delete(lost).await.unwrap();
    let error = as_of("1").await.unwrap_err();
    assert_eq!(error.kind(), Kind::Argument, "{error}");
}

#[tokio::test]
async fn refresh_finds_new_versions_alone() {
    let warehouse = memory();
    let first = append(&warehouse, &sources(1, 5, 1)).await;
    let source = Source::Warehouse(warehouse.clone());
    assert!(source.newer(&first).await.unwrap().is_none());
    append(&warehouse, &sources(6, 5, 1)).await;
    let third = append(&warehouse, &sources(11, 5, 1)).await;
    let refreshed = source.newer(&first).await.unwrap().unwrap().snapshot;
    assert_eq!((refreshed.version, &refreshed.files), (2, &third.files));
    assert!(source.newer(&refreshed).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_commits_leave_checkpoints_and_every_row() {
    let (_folder, warehouse) = on_disk();
    for version in 0..23 {
        append(&warehouse, &sources(FIRST_ID + version * 5, 5, 1)).await;
        if version == 0 {
            set_checkpoint_interval(&warehouse, 10);
        }
    }
    let snapshot = newest(&warehouse).await.unwrap();
    assert_eq!(rows(&snapshot).await.len(), 115);
    assert_eq!(snapshot.schema, schema());
    assert_eq!(snapshot.files[22].keys, FIRST_ID + 110..=FIRST_ID + 114);
    let log = warehouse.location().prefix.clone().join("sources").join("_delta_log");
    let objects: Vec<_> = snapshot.store.list(Some(&log)).try_collect().await.unwrap();
    let checkpoints =
        objects.iter().filter(|o| o.location.as_ref().ends_with(".checkpoint.parquet"));
    assert_eq!(checkpoints.count(), 2);
    let old = warehouse.snapshot(Table::Sources, Some(&AsOf::Version(4))).await.unwrap().unwrap();
    assert_eq!(rows(&old).await.len(), 25);
}

#[tokio::test]
async fn files_roll_where_the_object_changes() {
    let warehouse = memory();
    let files = write_files(&warehouse, &sources(1, 100, 7), 50).await;
    assert!(files.len() > 10);
    for pair in files.windows(2) {
        assert!(pair[0].keys.end() < pair[1].keys.start(), "{pair:?}");
    }
    let rows: Vec<_> = files.iter().filter_map(|file| file.rows).collect();
    assert!(rows.iter().all(|rows| *rows <= 56 && rows % 7 == 0));
    assert_eq!(rows.iter().sum::<u64>(), 700);

    // One object larger than a file stays in one, over many batches.
    let full = FileSize { rows: 4, ..FileSize::TARGET };
    let mut writer = SortedWriter::with_file_size(&warehouse, Table::Sources, schema(), full);
    let batch = sources(5, 1, 9);
    for row in 0..9 {
        writer.write(&batch.slice(row, 1)).await.unwrap();
    }
    let files = writer.finish().await.unwrap();
    assert_eq!(files.iter().map(|file| file.rows).collect::<Vec<_>>(), [Some(9)]);
}

#[tokio::test]
async fn disorder_null_ids_and_unknown_columns_are_refused() {
    let warehouse = memory();
    let mut writer = SortedWriter::new(&warehouse, Table::Sources, schema());
    writer.write(&sources(10, 5, 2)).await.unwrap();
    let earlier = writer.write(&sources(9, 1, 1)).await.unwrap_err();
    assert_eq!(earlier.kind(), Kind::Internal);

    let batch = sources(1, 2, 2);
    let shuffled = arrow::compute::take_record_batch(
        &batch,
        &arrow::array::UInt32Array::from(vec![1, 0, 2, 3]),
    );
    let mut writer = SortedWriter::new(&warehouse, Table::Sources, schema());
    assert_eq!(writer.write(&shuffled.unwrap()).await.unwrap_err().kind(), Kind::Internal);

    let mut columns = batch.columns().to_vec();
    columns[2] = Arc::new(Int64Array::from(vec![Some(1), None, Some(2), Some(3)]));
    let null = RecordBatch::try_new(schema(), columns).unwrap();
    let error = writer.write(&null).await.unwrap_err();
    assert!(error.to_string().contains("diaSourceId is null"), "{error}");

    let other = Schema::new(vec![Field::new("psfFlx", DataType::Int64, true)]);
    let other = RecordBatch::try_new(other.into(), vec![Arc::new(Int64Array::from(vec![1]))]);
    let error = writer.write(&other.unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("psfFlx"), "{error}");
}

#[tokio::test]
async fn missing_columns_are_null_and_order_of_columns_is_free() {
    let warehouse = memory();
    let batch = sources(1, 3, 1);
    let part = batch.project(&[2, 1, 0]).unwrap();
    let mut writer = SortedWriter::new(&warehouse, Table::Sources, schema());
    writer.write(&part).await.unwrap();
    let files = writer.finish().await.unwrap();
    warehouse.commit(Table::Sources, None, ingest(schema(), files)).await.unwrap();
    let snapshot = newest(&warehouse).await.unwrap();
    let read = rows_of(&snapshot, &snapshot.files[0]).await;
    assert_eq!(read.column(0), batch.column(0));
    assert_eq!(read.column_by_name("psfFlux").unwrap().null_count(), 3);
}

#[tokio::test]
async fn a_file_without_the_columns_asked_for_still_has_rows() {
    let warehouse = memory();
    let snapshot = append(&warehouse, &sources(1, 5, 1)).await;
    let batches = read(snapshot.store.clone(), &snapshot.files[0], Some(&["nothing"]), 10);
    let batch = batches.try_collect::<Vec<_>>().await.unwrap().remove(0);
    assert_eq!((batch.num_rows(), batch.num_columns()), (5, 0));
}

#[tokio::test]
async fn what_no_commit_names_can_be_discarded() {
    let (_folder, warehouse) = on_disk();
    let full = FileSize { rows: 10, ..FileSize::TARGET };
    let mut writer = SortedWriter::with_file_size(&warehouse, Table::Sources, schema(), full);
    writer.write(&sources(1, 30, 3)).await.unwrap();
    let committed = append(&warehouse, &sources(100, 30, 3)).await;
    warehouse.discard(&committed.files).await;
    warehouse.discard_uncommitted().await;
    let location = warehouse.location();
    let left: Vec<_> = location.store.list(Some(&location.prefix)).try_collect().await.unwrap();
    let left = left.iter().map(|object| &object.location);
    let left: Vec<_> = left.filter(|path| !path.as_ref().contains("_delta_log")).collect();
    assert_eq!(left, [&committed.files[0].path]);
}

#[tokio::test]
async fn a_lost_file_is_named() {
    let warehouse = memory();
    let snapshot = append(&warehouse, &sources(1, 5, 1)).await;
    snapshot.store.delete(&snapshot.files[0].path).await.unwrap();
    let batches = read(snapshot.store.clone(), &snapshot.files[0], None, 10);
    let error = batches.try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), Kind::Storage);
    assert!(error.to_string().contains(snapshot.files[0].path.as_ref()), "{error}");
}

#[tokio::test]
async fn an_empty_writer_makes_no_file() {
    let warehouse = memory();
    let mut writer = SortedWriter::new(&warehouse, Table::Sources, schema());
    writer.write(&RecordBatch::new_empty(schema())).await.unwrap();
    assert!(writer.finish().await.unwrap().is_empty());
}

#[tokio::test]
async fn files_have_small_pages_and_say_how_they_are_sorted() {
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::basic::Compression;
    use parquet::file::metadata::PageIndexPolicy;
    use parquet::file::page_index::column_index::ColumnIndexMetaData;

    let warehouse = memory();
    let snapshot = append(&warehouse, &sources(FIRST_ID, 20_000, 2)).await;
    let bytes = snapshot.store.get(&snapshot.files[0].path).await.unwrap().bytes().await.unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let footer = ArrowReaderMetadata::load(&bytes, options).unwrap();
    let footer = footer.metadata();

    let groups = footer.row_groups();
    assert_eq!(groups.iter().map(|g| g.num_rows()).collect::<Vec<_>>(), [16_384, 16_384, 7_232]);
    let sorted = groups[0].sorting_columns().unwrap().iter();
    let sorted = sorted.map(|column| schema().field(column.column_idx as usize).name().clone());
    assert_eq!(sorted.collect::<Vec<_>>(), Table::Sources.sort_columns());
    for (group, columns) in footer.offset_index().unwrap().iter().enumerate() {
        for (column, pages) in columns.iter().enumerate() {
            let chunk = groups[group].column(column);
            assert_eq!(chunk.compression(), Compression::LZ4_RAW);
            assert!(chunk.statistics().is_some());
            let starts = pages.page_locations().iter().map(|page| page.first_row_index);
            let starts: Vec<_> = starts.chain([groups[group].num_rows()]).collect();
            assert!(starts.windows(2).all(|page| page[1] - page[0] <= 512), "{starts:?}");
        }
    }
    let indexed = |column: usize| {
        !matches!(footer.column_index().unwrap()[0][column], ColumnIndexMetaData::NONE)
    };
    let names = schema()
        .fields()
        .iter()
        .enumerate()
        .filter(|(i, _)| indexed(*i))
        .map(|(_, f)| f.name().clone())
        .collect::<Vec<_>>();
    assert_eq!(names, [KEY, TIME]);
}
