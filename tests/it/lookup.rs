//! The cost of a lookup in files, requests, pages and plans, which are counted and not timed. Its page decoder gives the same
//! rows as the Parquet reader, however a file was written.

mod carried;
mod counted;
mod damaged;
mod layouts;
mod misleading;

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::concat_batches;
use counted::Counted;
use diaflight::query::{Columns, Engine, EngineOptions, Order, Query, Rows, Source};
use diaflight::schema::Table;
use diaflight::warehouse::{Location, Warehouse};
use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

const FOUR: [&str; 4] = ["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"];
const ROWS_PER_OBJECT: i64 = 20;
/// 26 objects a page.
const PAGE_ROWS: usize = 512;

/// The sources of some objects, flat and sorted: 20 columns of numbers beside those that a table needs.
fn sources(ids: std::ops::Range<i64>) -> RecordBatch {
    let rows: Vec<_> = ids.flat_map(|id| (0..ROWS_PER_OBJECT).map(move |k| (id, k))).collect();
    let ints = |of: fn(&(i64, i64)) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(rows.iter().map(of)))
    };
    let flux = |factor: f32| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(
            rows.iter().map(|(id, k)| factor * (id * k) as f32),
        ))
    };
    let times = Float64Array::from_iter_values(rows.iter().map(|(_, k)| 60000.0 + *k as f64));
    let bands =
        StringArray::from_iter_values(rows.iter().map(|(_, k)| ["g", "r"][*k as usize % 2]));
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("diaObjectId".into(), ints(|row| row.0)),
        ("midpointMjdTai".into(), Arc::new(times)),
        ("diaSourceId".into(), ints(|row| row.0 * 1000 + row.1)),
        ("band".into(), Arc::new(bands)),
        ("psfFlux".into(), flux(1.5)),
        ("psfFluxErr".into(), flux(0.1)),
    ];
    columns.extend((0..20).map(|i| (format!("extra{i}"), flux(i as f32))));
    RecordBatch::try_from_iter(columns).unwrap()
}

fn parquet_of(batch: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// An engine over sources in a folder of files, and its store.
async fn engine_over(
    name: &str,
    files: Vec<Vec<u8>>,
    index_bytes: usize,
) -> (Arc<Counted>, Engine) {
    let warehouse = Warehouse::open(&format!("memory://lookup-{name}")).unwrap();
    let Location { url, store, prefix, bucket } = warehouse.location().clone();
    for (i, file) in files.into_iter().enumerate() {
        let path = prefix.clone().join("files").join(format!("{i:04}.parquet"));
        store.put(&path, file.into()).await.unwrap();
    }
    let counted = Counted::over(store);
    let store: Arc<dyn ObjectStore> = counted.clone();
    let sources = Source::Folder(Location { url, store, prefix: prefix.join("files"), bucket });
    let refresh = Duration::from_secs(3600);
    let options = EngineOptions::from_warehouse(&warehouse);
    let engine = Engine::open(EngineOptions { sources, refresh, index_bytes, ..options }).await;
    (counted, engine.unwrap())
}

/// A hundred files of 1,000 objects each.
async fn hundred_files(name: &str) -> (Arc<Counted>, Engine) {
    let paged = || {
        WriterProperties::builder()
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(PAGE_ROWS)
            .build()
    };
    let files = (0..100).map(|i| parquet_of(&sources(i * 1000..(i + 1) * 1000), paged()));
    let (store, engine) = engine_over(name, files.collect(), 4 << 20).await;
    // The index is read ahead of who needs it.
    while engine.usage().index.groups < 100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.take();
    (store, engine)
}

fn query(ids: &[i64], columns: Columns) -> Query {
    Query::newest_first(Table::Sources, ids.to_vec(), columns)
}

fn four() -> Columns {
    Columns::Named(FOUR.map(String::from).to_vec())
}

async fn rows(engine: &Engine, query: &Query) -> RecordBatch {
    let answer = engine.run(query).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    concat_batches(&answer.schema, &batches).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lookup_in_a_hundred_files_reads_pages_of_one_in_one_request() {
    let (store, engine) = hundred_files("one").await;
    for columns in [four(), Columns::All] {
        let count = if columns == Columns::All { 26 } else { 6 };
        assert_eq!(rows(&engine, &query(&[42_500], columns)).await.num_rows(), 20);
        let [request] = &store.take()[..] else { panic!("not one request") };
        assert!(request.file.as_ref().ends_with("0042.parquet"));
        // A page or two of every column that is asked for or sorted by, the dictionary with them or before them.
        assert!((count..=2 * count).contains(&request.ranges.len()), "{request:?}");
    }
    let usage = engine.usage().index;
    assert_eq!((usage.files, usage.groups, usage.reads, usage.hits), (100, 100, 100, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_there_costs_a_page_or_nothing() {
    let (store, engine) = hundred_files("none").await;
    assert_eq!(rows(&engine, &query(&[-1, 100_000, i64::MAX], four())).await.num_rows(), 0);
    assert_eq!(store.take(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_the_same_pages_are_read_together() {
    let (store, engine) = hundred_files("many").await;
    rows(&engine, &query(&[7_002], four())).await;
    let one = store.take();
    // Objects 0 to 24 of a file are in its first page.
    assert_eq!(
        rows(&engine, &query(&(7_000..7_025).collect::<Vec<_>>(), four())).await.num_rows(),
        500
    );
    assert_eq!(store.take(), one);
    let two = rows(&engine, &query(&[9_900, 7_002, 7_002], four())).await;
    assert_eq!(two.num_rows(), 40);
    let mut read = store.take();
    read.sort_by(|a, b| a.file.cmp(&b.file));
    assert_eq!(read.len(), 2);
    assert_eq!(read[0], one[0]);
    assert!(read.iter().all(|request| request.bytes() < 2 * one[0].bytes()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_made_once_for_each_order_columns_and_limit() {
    let (_, engine) = hundred_files("plans").await;
    for id in [1, 2, 99_000] {
        let ids = [id, id + 1];
        for limit in [None, Some(5)] {
            let newest_first = Query { limit, ..query(&ids, four()) };
            let by_object = Rows::all(Table::Sources, Order::ByObject);
            let by_object = Query { rows: by_object, ..newest_first.clone() };
            let count = if limit.is_some() { 5 } else { 40 };
            assert_eq!(rows(&engine, &newest_first).await.num_rows(), count);
            assert_eq!(rows(&engine, &by_object).await.num_rows(), count);
        }
    }
    let usage = engine.usage();
    assert_eq!((usage.plans_made, usage.plan_hits), (4, 8));
    // One with a predicate may call now(): it is made each time.
    let filtered = Query { filter: Some("band = 'g'".into()), ..query(&[5], four()) };
    for made in [5, 6] {
        assert_eq!(rows(&engine, &filtered).await.num_rows(), 10);
        assert_eq!(engine.usage().plans_made, made);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_lookup_is_small_before_the_index_is_in_memory() {
    let paged = WriterProperties::builder()
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .build();
    let file = parquet_of(&sources(0..2000), paged);
    let (_, engine) = engine_over("untold", vec![file], 1).await;
    let every: Vec<_> = (0..2000).collect();
    for (ids, is_large) in [(&[7][..], false), (&[7, 1999], false), (&every, true)] {
        let answer = engine.run(&query(ids, Columns::All)).await.unwrap();
        assert_eq!(answer.is_large, is_large, "{} objects", ids.len());
        let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
        let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
        assert_eq!(rows, ids.len() * ROWS_PER_OBJECT as usize);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_memory_for_the_index_a_lookup_takes_two_requests() {
    let file = parquet_of(&sources(0..1000), WriterProperties::builder().build());
    let (store, engine) = engine_over("small", vec![file], 1).await;
    store.take();
    for (lookups, columns) in [(1, four()), (2, Columns::All)] {
        assert_eq!(rows(&engine, &query(&[7], columns)).await.num_rows(), 20);
        assert_eq!(store.take().len(), 2);
        let usage = engine.usage().index;
        assert_eq!((usage.reads, usage.group_bytes), (lookups, 0));
    }
}

/// Files of others may tell nothing of their keys: then these are read, and of the other columns only what has the object.
#[tokio::test(flavor = "multi_thread")]
async fn without_statistics_only_the_keys_are_read_of_what_has_no_row() {
    let properties = WriterProperties::builder()
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_max_row_group_row_count(Some(1000))
        .build();
    let file = parquet_of(&sources(0..1000), properties);
    let whole = file.len() as u64;
    let (counted, engine) = engine_over("no-statistics", vec![file], 1 << 20).await;
    counted.take();
    let found = rows(&engine, &Query::newest_first(Table::Sources, vec![725], Columns::All)).await;
    assert_eq!(found.num_rows(), ROWS_PER_OBJECT as usize);
    let read: u64 = counted.take().iter().map(|request| request.bytes()).sum();
    assert!(read < whole / 4, "{read} bytes of {whole}");
    let none = rows(&engine, &Query::newest_first(Table::Sources, vec![5000], Columns::All)).await;
    assert_eq!(none.num_rows(), 0);
}
