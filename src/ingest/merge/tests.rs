//! The rules of a merge, one test each, on rows made by hand.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch,
};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use futures::TryStreamExt;
use object_store::ObjectStore;
use uuid::Uuid;

use super::*;
use crate::schema::provenance::{ALERT_ENRICHED, ALERT_ID, ALERT_TIME};
use crate::schema::{Family, KEY, TIME, provenance, stored_field};
use crate::warehouse;

/// The alert a row is taken from.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Alert {
    mjd: f64,
    id: i64,
    enriched: bool,
}

/// A row of any table; objects have neither `id` nor `mjd`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    object: i64,
    id: i64,
    mjd: f64,
    value: f64,
    alert: Alert,
}

const OLD: Alert = Alert { mjd: 61000.0, id: 100, enriched: false };
const NEW: Alert = Alert { mjd: 61001.0, id: 200, enriched: false };

/// A source measured at `61000 + id`, with a value that tells its alert.
fn row(object: i64, id: i64, alert: Alert) -> Row {
    let value = alert.id as f64 + if alert.enriched { 0.5 } else { 0.0 };
    Row { object, id, mjd: 61000.0 + id as f64, value, alert }
}

fn batch_with(table: Table, rows: &[Row], extra: &[(&str, ArrayRef)]) -> RecordBatch {
    let long =
        |of: fn(&Row) -> i64| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Int64Array>()) };
    let double = |of: fn(&Row) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let mut columns = vec![("value", double(|row| row.value)), (KEY, long(|row| row.object))];
    if table != Table::Objects {
        columns.push((TIME, double(|row| row.mjd)));
        columns.push((table.id_column(), long(|row| row.id)));
    }
    columns.extend(extra.iter().cloned());
    let mut fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| stored_field(Family::Rubin, name, column.data_type().clone()))
        .collect();
    fields.extend(provenance::fields());
    let mut arrays: Vec<_> = columns.into_iter().map(|(_, column)| column).collect();
    let enriched: Vec<_> = rows.iter().map(|row| row.alert.enriched).collect();
    arrays.push(double(|row| row.alert.mjd));
    arrays.push(long(|row| row.alert.id));
    arrays.push(Arc::new(BooleanArray::from(enriched)));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

fn batch(table: Table, rows: &[Row]) -> RecordBatch {
    batch_with(table, rows, &[])
}

fn options() -> IngestOptions {
    IngestOptions { history: false, memory_bytes: 64 << 20, temp_dir: None }
}

fn empty_warehouse() -> Warehouse {
    Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap()
}

fn staged(batches: &[(Table, RecordBatch)]) -> Staging {
    let mut staging = Staging::create(&options()).unwrap();
    for (table, batch) in batches {
        staging.push(*table, batch).unwrap();
    }
    staging
}

/// One ingest; what became of the rows of `table`.
async fn ingest(warehouse: &Warehouse, table: Table, batches: &[RecordBatch]) -> Result<Merged> {
    let batches: Vec<_> = batches.iter().map(|batch| (table, batch.clone())).collect();
    let merged = merge(warehouse, staged(&batches), &options()).await?;
    Ok(merged.into_iter().find(|(of, _)| *of == table).unwrap().1)
}

fn merged(added: u64, replaced: u64, present: u64) -> Merged {
    Merged { added, replaced, present }
}

/// All rows of a table, with the columns of its newest schema.
async fn stored(warehouse: &Warehouse, table: Table) -> Vec<RecordBatch> {
    let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let mut batches = Vec::new();
    for file in &snapshot.files {
        let rows = read(snapshot.store.clone(), file.clone(), snapshot.schema.clone());
        batches.extend(rows.try_collect::<Vec<_>>().await.unwrap());
    }
    batches
}

/// All rows of a table, by object and id.
async fn rows(warehouse: &Warehouse, table: Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in stored(warehouse, table).await {
        let long = |name: &str, i| batch[name].as_primitive::<Int64Type>().value(i);
        let double = |name: &str, i| batch[name].as_primitive::<Float64Type>().value(i);
        let measured = table != Table::Objects;
        rows.extend((0..batch.num_rows()).map(|i| Row {
            object: long(KEY, i),
            id: if measured { long(table.id_column(), i) } else { 0 },
            mjd: if measured { double(TIME, i) } else { 61000.0 },
            value: double("value", i),
            alert: Alert {
                mjd: double(ALERT_TIME, i),
                id: long(ALERT_ID, i),
                enriched: batch[ALERT_ENRICHED].as_boolean().value(i),
            },
        }));
    }
    rows.sort_by_key(|row| (row.object, row.id));
    rows
}

async fn version(warehouse: &Warehouse, table: Table) -> Option<u64> {
    warehouse.snapshot(table, None).await.unwrap().map(|snapshot| snapshot.version)
}

/// The Parquet files under a warehouse, whether a commit names them or not.
async fn file_count(warehouse: &Warehouse) -> usize {
    let location = warehouse.location();
    let objects = location.store.list(Some(&location.prefix));
    let objects: Vec<_> = objects.try_collect().await.unwrap();
    let data = objects.iter().filter(|object| object.location.as_ref().contains("/part-"));
    data.count()
}

/// Asserts that two copies of one row leave `winner` in the table, in one ingest or two, in any order.
async fn assert_wins(table: Table, winner: Row, loser: Row) {
    for (first, second) in [(winner, loser), (loser, winner)] {
        let at_once = empty_warehouse();
        let counts = ingest(&at_once, table, &[batch(table, &[first, second])]).await.unwrap();
        assert_eq!(counts, merged(1, 0, 1));
        assert_eq!(rows(&at_once, table).await, [winner]);

        let in_turn = empty_warehouse();
        ingest(&in_turn, table, &[batch(table, &[first])]).await.unwrap();
        let counts = ingest(&in_turn, table, &[batch(table, &[second])]).await.unwrap();
        let replaces = second == winner;
        assert_eq!(counts, if replaces { merged(0, 1, 0) } else { merged(0, 0, 1) });
        assert_eq!(rows(&in_turn, table).await, [winner]);
    }
}

#[tokio::test]
async fn the_newer_alert_wins() {
    assert_wins(Table::Objects, row(1, 0, NEW), row(1, 0, OLD)).await;
    assert_wins(Table::Fp, row(1, 7, NEW), row(1, 7, OLD)).await;
    let same_visit = Alert { id: OLD.id + 1, ..OLD };
    assert_wins(Table::Objects, row(1, 0, same_visit), row(1, 0, OLD)).await;
}

#[tokio::test]
async fn an_own_source_wins_over_a_newer_history_entry() {
    assert_wins(Table::Sources, row(1, OLD.id, OLD), row(1, OLD.id, NEW)).await;
    // Being its alert's id means nothing for the other tables.
    assert_wins(Table::Fp, row(1, OLD.id, NEW), row(1, OLD.id, OLD)).await;
}

#[tokio::test]
async fn an_enriched_packet_wins_over_the_raw_one() {
    let enriched = Alert { enriched: true, ..OLD };
    assert_wins(Table::Sources, row(1, OLD.id, enriched), row(1, OLD.id, OLD)).await;
    assert_wins(Table::Objects, row(1, 0, enriched), row(1, 0, OLD)).await;
    assert_wins(Table::Objects, row(1, 0, NEW), row(1, 0, enriched)).await;
}

#[tokio::test]
async fn an_id_is_one_row_whatever_its_object() {
    assert_wins(Table::Sources, row(2, 7, NEW), row(1, 7, OLD)).await;
    assert_wins(Table::Fp, row(1, 7, NEW), row(2, 7, OLD)).await;
}

#[tokio::test]
async fn the_same_rows_again_change_nothing() {
    let warehouse = empty_warehouse();
    let rows_of_two = batch(Table::Sources, &[row(2, 5, OLD), row(1, 6, OLD)]);
    let twice = [rows_of_two.clone(), rows_of_two];
    let counts = ingest(&warehouse, Table::Sources, &twice).await.unwrap();
    assert_eq!(counts, merged(2, 0, 2));
    let before = version(&warehouse, Table::Sources).await;
    let counts = ingest(&warehouse, Table::Sources, &twice).await.unwrap();
    assert_eq!(counts, merged(0, 0, 4));
    assert_eq!(version(&warehouse, Table::Sources).await, before);
    assert_eq!(rows(&warehouse, Table::Sources).await, [row(1, 6, OLD), row(2, 5, OLD)]);
    assert_eq!(file_count(&warehouse).await, 1);
}

#[tokio::test]
async fn only_files_that_lose_rows_are_written_again() {
    let warehouse = empty_warehouse();
    for objects in [[1, 4], [2, 3]] {
        let rows = objects.map(|object| row(object, 0, OLD));
        ingest(&warehouse, Table::Objects, &[batch(Table::Objects, &rows)]).await.unwrap();
    }
    let before = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let newer = batch(Table::Objects, &[row(2, 0, NEW), row(5, 0, NEW)]);
    let counts = ingest(&warehouse, Table::Objects, &[newer]).await.unwrap();
    assert_eq!(counts, merged(1, 1, 0));
    let after = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let kept: Vec<_> = after.files.iter().filter(|file| before.files.contains(file)).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].keys, 1..=4);
    let expected = [(1, OLD), (2, NEW), (3, OLD), (4, OLD), (5, NEW)];
    let expected = expected.map(|(object, alert)| row(object, 0, alert));
    assert_eq!(rows(&warehouse, Table::Objects).await, expected);
}

#[tokio::test]
async fn a_table_is_created_once_its_columns_are_known() {
    let warehouse = empty_warehouse();
    let counts = ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[])]).await.unwrap();
    assert_eq!(counts, merged(0, 0, 0));
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
    assert_eq!(rows(&warehouse, Table::Fp).await, []);
    assert_eq!(version(&warehouse, Table::Sources).await, None);
    ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[])]).await.unwrap();
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
}

#[tokio::test]
async fn a_new_column_is_null_in_older_rows() {
    let warehouse = empty_warehouse();
    let old = [row(1, 0, OLD), row(2, 0, OLD)];
    ingest(&warehouse, Table::Objects, &[batch(Table::Objects, &old)]).await.unwrap();
    let added: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let wider = batch_with(Table::Objects, &[row(1, 0, NEW)], &[("nBand", added)]);
    ingest(&warehouse, Table::Objects, &[wider]).await.unwrap();
    let narrow = batch(Table::Objects, &[row(3, 0, NEW)]);
    ingest(&warehouse, Table::Objects, &[narrow]).await.unwrap();

    let snapshot = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let names: Vec<_> =
        snapshot.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["value", KEY, "nBand", ALERT_TIME, ALERT_ID, ALERT_ENRICHED]);
    assert_eq!(crate::schema::family(snapshot.schema.field(2)), Some(Family::Rubin));
    for batch in stored(&warehouse, Table::Objects).await {
        for (i, key) in batch[KEY].as_primitive::<Int64Type>().values().iter().enumerate() {
            assert_eq!(batch["nBand"].is_null(i), *key != 1, "object {key}");
        }
    }
    let expected = [row(1, 0, NEW), row(2, 0, OLD), row(3, 0, NEW)];
    assert_eq!(rows(&warehouse, Table::Objects).await, expected);
}

#[tokio::test]
async fn a_new_column_stays_known_if_its_rows_lose() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[row(1, 5, NEW)])]).await.unwrap();
    let added: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let loses = batch_with(Table::Fp, &[row(1, 5, OLD)], &[("detector", added)]);
    assert_eq!(ingest(&warehouse, Table::Fp, &[loses]).await.unwrap(), merged(0, 0, 1));
    let snapshot = warehouse.snapshot(Table::Fp, None).await.unwrap().unwrap();
    assert!(snapshot.schema.field_with_name("detector").is_ok());
    assert_eq!(snapshot.files.len(), 1);
}

fn counted(id: i64, count: ArrayRef) -> RecordBatch {
    batch_with(Table::Fp, &[row(1, id, OLD)], &[("count", count)])
}

fn int(id: i64) -> RecordBatch {
    counted(id, Arc::new(Int32Array::from(vec![id as i32])))
}

fn long(id: i64) -> RecordBatch {
    counted(id, Arc::new(Int64Array::from(vec![id])))
}

#[tokio::test]
async fn types_widen_within_an_ingest_and_fit_the_table_later() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Fp, &[int(1), long(2), int(3)]).await.unwrap();
    ingest(&warehouse, Table::Fp, &[int(4)]).await.unwrap();
    let mut counts = Vec::new();
    for batch in stored(&warehouse, Table::Fp).await {
        assert_eq!(batch["count"].data_type(), &DataType::Int64);
        counts.extend(batch["count"].as_primitive::<Int64Type>().values().iter().copied());
    }
    counts.sort();
    assert_eq!(counts, [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_type_the_table_cannot_hold_is_refused_and_nothing_is_left() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Fp, &[int(1)]).await.unwrap();
    let sources = (Table::Sources, batch(Table::Sources, &[row(1, 5, OLD)]));
    let staging = staged(&[sources, (Table::Fp, long(2))]);
    let refused = merge(&warehouse, staging, &options()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Input);
    for part in ["table fp", "column count", "is int", "have long"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    assert_eq!(version(&warehouse, Table::Sources).await, None);
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
    assert_eq!(file_count(&warehouse).await, 1);
}

#[test]
fn types_that_do_not_meet_are_refused_when_staged() {
    let mut staging = Staging::create(&options()).unwrap();
    staging.push(Table::Fp, &long(1)).unwrap();
    let double = counted(2, Arc::new(Float64Array::from(vec![0.5])));
    let refused = staging.push(Table::Fp, &double).unwrap_err();
    assert_eq!(refused.kind(), Kind::Input);
    assert!(refused.to_string().contains("column count: is long"), "{refused}");
}

/// Everything an alert gives: its source, a forced source and its object.
fn alert_rows(object: i64, alert: Alert) -> Vec<(Table, RecordBatch)> {
    vec![
        (Table::Sources, batch(Table::Sources, &[row(object, alert.id, alert)])),
        (Table::Fp, batch(Table::Fp, &[row(object, alert.id, alert)])),
        (Table::Objects, batch(Table::Objects, &[row(object, 0, alert)])),
    ]
}

#[tokio::test]
async fn a_table_changed_meanwhile_is_merged_again() {
    let warehouse = empty_warehouse();
    let staging = staged(&alert_rows(1, NEW));
    let (dir, staged_rows) = staging.finish().unwrap();
    let sorter = Sorter::new(32 << 20, dir.path()).unwrap();
    let ours = Merge { warehouse: &warehouse, staged: staged_rows, sorter };
    let draft = ours.draft(Table::Objects).await.unwrap();
    assert_eq!(draft.merged, merged(1, 0, 0));

    let theirs = batch(Table::Objects, &[row(1, 0, OLD), row(2, 0, OLD)]);
    ingest(&warehouse, Table::Objects, &[theirs]).await.unwrap();
    assert_eq!(ours.commit(draft).await.unwrap(), merged(0, 1, 0));
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW), row(2, 0, OLD)]);
    // Two of the newest version and the one it removed; none of the draft that lost.
    assert_eq!(file_count(&warehouse).await, 3);
}

#[tokio::test]
async fn an_ingest_that_stopped_between_commits_completes_when_run_again() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Sources, &[batch(Table::Sources, &[row(9, 9, OLD)])]).await.unwrap();
    let (dir, staged_rows) = staged(&alert_rows(1, NEW)).finish().unwrap();
    let sorter = Sorter::new(32 << 20, dir.path()).unwrap();
    let stopped = Merge { warehouse: &warehouse, staged: staged_rows, sorter };
    let draft = stopped.draft(Table::Sources).await.unwrap();
    stopped.draft(Table::Fp).await.unwrap();
    stopped.commit(draft).await.unwrap();
    assert_eq!(version(&warehouse, Table::Objects).await, None);

    let again = merge(&warehouse, staged(&alert_rows(1, NEW)), &options()).await.unwrap();
    let expected = [merged(0, 0, 1), merged(1, 0, 0), merged(1, 0, 0)];
    assert_eq!(again.map(|(_, counts)| counts), expected);
    let sources = rows(&warehouse, Table::Sources).await;
    assert_eq!(sources, [row(1, NEW.id, NEW), row(9, 9, OLD)]);
    assert_eq!(rows(&warehouse, Table::Fp).await, [row(1, NEW.id, NEW)]);
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW)]);
}

/// 400,000 staged rows of 56 bytes and more, 22 MB, through sorts of 4 MiB: that they end at all says that
/// they spilled (`sort` counts how often).
#[tokio::test]
async fn rows_beyond_memory_are_merged() {
    const IDS: i64 = 200_000;
    let warehouse = empty_warehouse();
    let options = IngestOptions { memory_bytes: 8 << 20, ..options() };
    let mut staging = Staging::create(&options).unwrap();
    for alert in [NEW, OLD] {
        // 70,001 has no factor in common with the number of ids: every id comes once.
        let ids: Vec<_> = (0..IDS).map(|i| i * 70_001 % IDS).collect();
        for ids in ids.chunks(3000) {
            let rows: Vec<_> = ids.iter().map(|&id| row(id % 1000, id + 1000, alert)).collect();
            staging.push(Table::Fp, &batch(Table::Fp, &rows)).unwrap();
        }
    }
    let counts = merge(&warehouse, staging, &options).await.unwrap()[1].1;
    assert_eq!(counts, merged(IDS as u64, 0, IDS as u64));
    let mut last = (0, 0);
    for batch in stored(&warehouse, Table::Fp).await {
        let keys = batch[KEY].as_primitive::<Int64Type>().values();
        let ids = batch[Table::Fp.id_column()].as_primitive::<Int64Type>().values();
        let values = batch["value"].as_primitive::<Float64Type>().values();
        for ((&key, &id), &value) in keys.iter().zip(ids).zip(values) {
            assert!((key, id) > last, "object {key}, id {id} after {last:?}");
            assert_eq!((key, value), (id % 1000, NEW.id as f64));
            last = (key, id);
        }
    }
    let snapshot = warehouse.snapshot(Table::Fp, None).await.unwrap().unwrap();
    assert_eq!(snapshot.files.iter().map(|file| file.rows).sum::<u64>(), IDS as u64);
}
