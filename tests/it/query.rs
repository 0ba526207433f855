//! The engine over a small warehouse: what it answers, and how little it reads for it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, Schema};
use diaflight::error::Kind;
use diaflight::query::{Columns, Engine, EngineOptions, Order, Query, Rows, Source, TimeMatch};
use diaflight::schema::{self, Family, Table, provenance};
use diaflight::warehouse::{AsOf, Change, Location, Operation, SortedWriter, Warehouse};
use futures::TryStreamExt;
use parquet::arrow::ArrowWriter;

const SOURCES_PER_OBJECT: i64 = 100;

/// Sources of the objects `ids`: source `k` of object `i` has the id `1000 * i + k` and the time `60000 + k`.
fn sources(ids: impl Iterator<Item = i64>) -> RecordBatch {
    let rows: Vec<(i64, i64)> =
        ids.flat_map(|id| (0..SOURCES_PER_OBJECT).map(move |k| (id, k))).collect();
    let of = |value: fn(&(i64, i64)) -> i64| Int64Array::from_iter_values(rows.iter().map(value));
    let times = Float64Array::from_iter_values(rows.iter().map(|(_, k)| 60000.0 + *k as f64));
    let fluxes =
        Float32Array::from_iter(rows.iter().map(|(_, k)| (k % 3 != 0).then_some(*k as f32)));
    let bands =
        StringArray::from_iter_values(rows.iter().map(|(_, k)| ["u", "g", "r"][*k as usize % 3]));
    let columns: Vec<(Field, ArrayRef)> = vec![
        (
            schema::stored_field(Family::Rubin, "diaObjectId", DataType::Int64),
            Arc::new(of(|row| row.0)),
        ),
        (
            schema::stored_field(Family::Rubin, "diaSourceId", DataType::Int64),
            Arc::new(of(|row| 1000 * row.0 + row.1)),
        ),
        (
            schema::stored_field(Family::Rubin, "midpointMjdTai", DataType::Float64),
            Arc::new(times.clone()),
        ),
        (schema::stored_field(Family::Rubin, "psfFlux", DataType::Float32), Arc::new(fluxes)),
        (schema::stored_field(Family::Fink, "xm_simbad_otype", DataType::Utf8), Arc::new(bands)),
    ];
    let field = |name| provenance::field(name).unwrap();
    let provenance: Vec<(Field, ArrayRef)> = vec![
        (field(provenance::ALERT_TIME), Arc::new(times)),
        (field(provenance::ALERT_ID), Arc::new(of(|row| 1000 * row.0 + row.1))),
        (field(provenance::ALERT_ENRICHED), Arc::new(BooleanArray::from(vec![true; rows.len()]))),
    ];
    let (fields, arrays): (Vec<_>, Vec<_>) = columns.into_iter().chain(provenance).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

/// Appends one file with the objects `ids`, in one commit.
async fn append(warehouse: &Warehouse, ids: impl Iterator<Item = i64>) -> u64 {
    let batch = sources(ids);
    let base = warehouse.snapshot(Table::Sources, None).await.unwrap();
    let mut writer = SortedWriter::new(warehouse, Table::Sources, batch.schema());
    writer.write(&batch).await.unwrap();
    let add = writer.finish().await.unwrap();
    let change =
        Change { operation: Operation::Ingest, schema: batch.schema(), add, remove: vec![] };
    warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap()
}

/// Two files, the objects below 500 and those below 1000: each has four row groups, of 163 objects, in pages of 5.
async fn engine(name: &str) -> (Warehouse, Engine) {
    let warehouse = Warehouse::open(&format!("memory://query-{name}")).unwrap();
    append(&warehouse, 0..500).await;
    append(&warehouse, 500..1000).await;
    let mut options = EngineOptions::from_warehouse(&warehouse);
    options.refresh = Duration::from_millis(10);
    let engine = Engine::open(options).await.unwrap();
    (warehouse, engine)
}

fn query(ids: &[i64], columns: &[&str]) -> Query {
    let columns = Columns::Named(columns.iter().map(ToString::to_string).collect());
    Query::newest_first(Table::Sources, ids.to_vec(), columns)
}

async fn rows(engine: &Engine, query: &Query) -> RecordBatch {
    let answer = engine.run(query).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    concat_batches(&answer.schema, &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_come_in_the_order_of_the_endpoint_whatever_is_asked() {
    let (_, engine) = engine("order").await;
    let batch = rows(
        &engine,
        &query(&[7, 4, 7, 123456], &["r:diaObjectId", "r:midpointMjdTai", "r:diaSourceId"]),
    )
    .await;
    let got: Vec<_> = (0..batch.num_rows())
        .map(|i| {
            let time = batch.column(1).as_primitive::<Float64Type>().value(i);
            (time, batch.column(0).as_primitive::<Int64Type>().value(i))
        })
        .collect();
    let want: Vec<_> = (0..SOURCES_PER_OBJECT)
        .rev()
        .flat_map(|k| [4, 7].map(|id| (60000.0 + k as f64, id)))
        .collect();
    assert_eq!(got, want);
    let alone = rows(&engine, &query(&[7, 4], &["r:diaSourceId"])).await;
    assert_eq!(alone.column(0), batch.column(2), "the order depends on the columns");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_served_by_name_once_and_unknown_ones_are_told() {
    let (_, engine) = engine("columns").await;
    let asked =
        query(&[4], &["f:xm_simbad_otype", "r:psfFlux", "r:nope", "r:psfFlux", "alertDiaSourceId"]);
    let answer = engine.run(&asked).await.unwrap();
    let names: Vec<_> = answer.schema.fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(names, ["f:xm_simbad_otype", "r:psfFlux"]);
    let unknown = answer.unknown_columns.iter().map(|column| column.name.as_str());
    assert_eq!(unknown.collect::<Vec<_>>(), ["r:nope", "alertDiaSourceId"]);
    assert_eq!(answer.rows.schema(), answer.schema);
    let all = rows(&engine, &Query { columns: Columns::All, ..query(&[4], &[]) }).await;
    let names: Vec<_> = all.schema().fields().iter().map(|field| field.name().clone()).collect();
    assert_eq!(
        names,
        ["f:xm_simbad_otype", "r:diaObjectId", "r:diaSourceId", "r:midpointMjdTai", "r:psfFlux"]
    );
    let none = rows(&engine, &query(&[4], &["x:y"])).await;
    assert_eq!((none.num_rows(), none.num_columns()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_reads_only_the_asked_columns_and_the_needed_pages() {
    let (_, engine) = engine("pages").await;
    let text = engine.explain(&query(&[750], &["r:psfFlux"])).await.unwrap();
    assert!(text.contains("diaObjectId = ANY ($ids)"), "{text}");
    assert!(text.contains("$ids = [750]"), "{text}");
    // The asked column, and those of the order and the filter; no other.
    assert!(!text.contains("xm_simbad_otype") && !text.contains("alert"), "{text}");
    // One file of two, one row group of four, and of its 16,384 rows the two pages that hold the 100.
    let scan = text.split("-- Scan").nth(1).unwrap();
    assert_eq!(scan.lines().filter(|line| line.contains("row groups")).count(), 1, "{text}");
    assert!(scan.contains("row groups 1 ("), "{text}");
    let selected: usize =
        scan.split('(').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((100..=1024).contains(&selected), "{selected} rows of {text}");
    // The index answers every condition itself.
    let plan = text.split("-- Plan").nth(1).unwrap();
    assert!(!plan.contains("IS NULL") && !plan.contains("FilterExec"), "{plan}");
    assert!(plan.contains("objects=1, filters=[array_has($ids, diaObjectId)]"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ids_still_read_only_their_pages() {
    let (_, engine) = engine("many").await;
    let ids: Vec<i64> = (0..160).filter(|id| id % 20 == 0).collect();
    let text = engine.explain(&query(&ids, &["r:psfFlux"])).await.unwrap();
    let scan = text.split("-- Scan").nth(1).unwrap();
    assert!(scan.contains("row groups 0 (") && !scan.contains("whole"), "{text}");
    let selected: usize =
        scan.split('(').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!((800..=8 * 1024).contains(&selected), "{selected} rows of {text}");
    assert_eq!(rows(&engine, &query(&ids, &["r:psfFlux"])).await.num_rows(), 8 * 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_outside_every_file_opens_none() {
    let (_, engine) = engine("outside").await;
    let text = engine.explain(&query(&[5000], &["r:psfFlux"])).await.unwrap();
    assert!(!text.contains("row groups"), "{text}");
    assert_eq!(rows(&engine, &query(&[5000], &["r:psfFlux"])).await.num_rows(), 0);
    assert_eq!(rows(&engine, &query(&[], &["r:psfFlux"])).await.num_rows(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_keeps_the_measurements_at_it() {
    let (_, engine) = engine("time").await;
    let mut asked = query(&[4, 5], &["r:midpointMjdTai"]);
    let time = Some(TimeMatch::parse("60042").unwrap());
    asked.rows = Rows::Sources { order: Order::NewestFirst, time };
    let batch = rows(&engine, &asked).await;
    assert_eq!(batch.column(0).as_primitive::<Float64Type>().values(), &[60042.0, 60042.0]);
    let text = engine.explain(&asked).await.unwrap();
    assert!(text.contains("$time_from = 60041.5"), "{text}");
}

/// The version that the engine answers from.
async fn seen(engine: &Engine, table: Table) -> u64 {
    engine.table(table, None).await.unwrap().snapshot().version
}

#[tokio::test(flavor = "multi_thread")]
async fn new_commits_are_followed_and_older_snapshots_stay() {
    let (warehouse, engine) = engine("follow").await;
    assert!(engine.ready().is_err(), "objects and fp do not exist");
    let before = seen(&engine, Table::Sources).await;
    assert_eq!(rows(&engine, &query(&[2000], &["r:psfFlux"])).await.num_rows(), 0);
    let version = append(&warehouse, 2000..2001).await;
    while seen(&engine, Table::Sources).await < version {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(rows(&engine, &query(&[2000], &["r:psfFlux"])).await.num_rows(), 100);
    let asked = Query { as_of: Some(AsOf::Version(before)), ..query(&[2000], &["r:psfFlux"]) };
    assert_eq!(rows(&engine, &asked).await.num_rows(), 0);
    assert_eq!(engine.run(&asked).await.unwrap().versions.table, before);
    let never = Query { as_of: Some(AsOf::Version(99)), ..query(&[2000], &["r:psfFlux"]) };
    let error = engine.run(&never).await.err().unwrap();
    assert!(error.kind() == Kind::Argument && error.to_string().contains("as_of"), "{error}");
    let objects = Query { rows: Rows::Objects, ..query(&[4], &["r:ra"]) };
    assert_eq!(engine.run(&objects).await.err().unwrap().kind(), Kind::NotReady);
}

/// Writes sources of `ids` as a flat Parquet file of someone else's, under their served names or not.
fn write_flat(path: &Path, ids: impl Iterator<Item = i64>, served_names: bool) {
    let batch = sources(ids);
    let name = |field: &Field| match schema::served_name(field) {
        Some(served) if served_names => served,
        _ => field.name().clone(),
    };
    let stored = batch.schema();
    let fields = stored.fields().iter();
    let fields = fields.map(|field| Field::new(name(field), field.data_type().clone(), true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let batch = RecordBatch::try_new(schema, batch.columns().to_vec()).unwrap();
    let mut writer =
        ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_outlives_the_snapshot_that_it_was_made_for() {
    let (warehouse, engine) = engine("outlives").await;
    let asked = query(&[42, 1042], &["r:psfFlux"]);
    assert_eq!(rows(&engine, &asked).await.num_rows(), 100);
    let first = seen(&engine, Table::Sources).await;
    append(&warehouse, 1000..1500).await;
    while seen(&engine, Table::Sources).await == first {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What the plan reads is the newest snapshot, or whichever is asked for.
    assert_eq!(rows(&engine, &asked).await.num_rows(), 200);
    let before = Query { as_of: Some(AsOf::Version(first)), ..asked.clone() };
    assert_eq!(rows(&engine, &before).await.num_rows(), 100);
    let usage = engine.usage();
    assert_eq!((usage.plans_made, usage.plan_hits), (1, 2));
    // Files that overlap are not read in order, which a plan has to know.
    let second = seen(&engine, Table::Sources).await;
    append(&warehouse, 1400..1401).await;
    while seen(&engine, Table::Sources).await == second {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(rows(&engine, &asked).await.num_rows(), 200);
    assert_eq!(engine.usage().plans_made, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_flat_parquet_is_served_in_place_of_a_table() {
    let (warehouse, of_warehouse) = engine("folder").await;
    let folder = tempfile::tempdir().unwrap();
    write_flat(&folder.path().join("a.parquet"), 0..500, true);
    write_flat(&folder.path().join("b.parquet"), 500..600, false);
    let mut options = EngineOptions::from_warehouse(&warehouse);
    let location = Location::parse(&folder.path().to_string_lossy()).unwrap();
    options.sources = Source::Folder(location);
    options.refresh = Duration::from_millis(10);
    let engine = Engine::open(options).await.unwrap();
    let asked = Query { columns: Columns::All, ..query(&[42, 550], &[]) };
    let [of_folder, of_table] = [rows(&engine, &asked).await, rows(&of_warehouse, &asked).await];
    assert_eq!(of_folder.columns(), of_table.columns());
    let text = engine.explain(&query(&[42], &["r:psfFlux"])).await.unwrap();
    let scan = text.split("-- Scan").nth(1).unwrap();
    assert!(scan.contains("a.parquet") && !scan.contains("b.parquet"), "{text}");
    let first = seen(&engine, Table::Sources).await;
    write_flat(&folder.path().join("c.parquet"), 600..1000, true);
    while seen(&engine, Table::Sources).await == first {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let asked = Query { columns: Columns::All, ..query(&[42, 999], &[]) };
    // What they are from stands in their schemas.
    let [of_folder, of_table] = [rows(&engine, &asked).await, rows(&of_warehouse, &asked).await];
    assert_eq!(of_folder.columns(), of_table.columns());
    // The snapshot before is still held; any other is not to be had.
    let before = Query { as_of: Some(AsOf::Version(first)), ..asked.clone() };
    assert_eq!(rows(&engine, &before).await.num_rows(), 100);
    let never = Query { as_of: Some(AsOf::Version(99)), ..asked };
    assert_eq!(engine.run(&never).await.err().unwrap().kind(), Kind::Argument);
}
