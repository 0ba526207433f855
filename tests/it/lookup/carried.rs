//! The index that a file carries: it says what the footer says, no footer is read for it, damage of it is no harm, and of many files with
//! the same range of keys only those are read that have the object.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use diaflight::query::{Columns, Engine, EngineOptions, Source};
use diaflight::schema::Table;
use diaflight::survey::{Nights, SurveyOptions, generate};
use diaflight::warehouse::{Change, Location, Operation, Snapshot, SortedWriter, Warehouse};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use super::counted::{Counted, Request};
use super::{ROWS_PER_OBJECT, four, query, rows, sources};

/// An engine over the table `sources` of a warehouse, once it has read what it reads ahead.
pub(super) async fn engine_over(warehouse: &Warehouse) -> (Arc<Counted>, Engine) {
    let (counted, engine) = opened(warehouse, EngineOptions::from_warehouse(warehouse)).await;
    let (mut before, mut now) = (0, engine.usage().index.groups);
    while before != now || now == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (before, now) = (now, engine.usage().index.groups);
    }
    (counted, engine)
}

/// An engine that has no memory for the pages of row groups.
async fn engine_without_index(warehouse: &Warehouse) -> (Arc<Counted>, Engine) {
    let options = EngineOptions { index_bytes: 1, ..EngineOptions::from_warehouse(warehouse) };
    opened(warehouse, options).await
}

async fn opened(warehouse: &Warehouse, options: EngineOptions) -> (Arc<Counted>, Engine) {
    let Location { url, store, prefix, bucket } = warehouse.location().clone();
    let counted = Counted::over(store);
    let store: Arc<dyn ObjectStore> = counted.clone();
    let sources = Source::Folder(Location { url, store, prefix: prefix.join("sources"), bucket });
    let refresh = Duration::from_secs(3600);
    let engine = Engine::open(EngineOptions { sources, refresh, ..options }).await.unwrap();
    (counted, engine)
}

pub(super) async fn snapshot(warehouse: &Warehouse) -> Snapshot {
    warehouse.snapshot(Table::Sources, None).await.unwrap().unwrap()
}

/// A survey with several row groups a file.
pub(super) async fn survey(name: &str) -> Warehouse {
    let warehouse = Warehouse::open(&format!("memory://carried-{name}")).unwrap();
    generate(&warehouse, &SurveyOptions { objects: 3000, seed: 5, nights: Nights::ALL }, &|_| ())
        .await
        .unwrap();
    warehouse
}

/// Takes our tags out of the log, as an engine may that writes it anew.
async fn without_tags(warehouse: &Warehouse) {
    let Location { store, prefix, .. } = warehouse.location();
    let log = prefix.clone().join("sources").join("_delta_log");
    let entry = log.join(format!("{:020}.json", 0));
    let text = store.get(&entry).await.unwrap().bytes().await.unwrap();
    let lines = std::str::from_utf8(&text).unwrap().lines().map(|line| {
        let mut action: serde_json::Value = serde_json::from_str(line).unwrap();
        if let Some(add) = action.get_mut("add") {
            assert!(add["tags"].take().is_object());
        }
        action.to_string() + "\n"
    });
    store.put(&entry, lines.collect::<String>().into()).await.unwrap();
}

/// All rows of some objects of a survey.
async fn light_curves(engine: &Engine, keys: &[i64]) -> RecordBatch {
    rows(engine, &query(keys, Columns::All)).await
}

async fn some_keys(engine: &Engine) -> Vec<i64> {
    let mut keys = engine.some_objects(Table::Sources, 40).await.unwrap();
    keys.push(7);
    keys.sort_unstable();
    keys
}

fn of_data(requests: Vec<Request>) -> Vec<Request> {
    requests.into_iter().filter(|request| request.file.as_ref().ends_with(".parquet")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_that_a_file_carries_says_what_its_footer_says() {
    let warehouse = survey("same").await;
    let (store, engine) = engine_over(&warehouse).await;
    let opened = of_data(store.take());
    assert!(!opened.is_empty());
    for request in &opened {
        let size = store.head(&request.file).await.unwrap().size;
        assert!(request.ranges.iter().all(|range| range.end < size - 8), "a footer was read");
    }
    let keys = some_keys(&engine).await;
    store.take();
    let carried = light_curves(&engine, &keys).await;
    let requests = of_data(store.take());
    without_tags(&warehouse).await;
    assert!(snapshot(&warehouse).await.files.iter().all(|file| file.tag.index.is_none()));
    let (store, engine) = engine_over(&warehouse).await;
    store.take();
    assert_eq!(light_curves(&engine, &keys).await, carried);
    let with_footers = of_data(store.take());
    let of = |requests: &[Request]| {
        let mut ranges: Vec<_> = requests.iter().map(|request| request.ranges.clone()).collect();
        ranges.sort_by_key(|ranges| ranges[0].start);
        ranges
    };
    assert_eq!(of(&requests), of(&with_footers));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_index_is_read_from_the_footer() {
    let warehouse = survey("damaged").await;
    let (_, engine) = engine_over(&warehouse).await;
    let keys = some_keys(&engine).await;
    let expected = light_curves(&engine, &keys).await;
    let snapshot = snapshot(&warehouse).await;
    let [file] = &snapshot.files[..] else { panic!("not one file") };
    let place = file.tag.index.unwrap();
    let whole = snapshot.store.get(&file.path).await.unwrap().bytes().await.unwrap();
    // The directory is last; the filter of the keys and the pages lie before it.
    let (directory, pages) = (place.start as usize + 5, place.start as usize - 20_000);
    for damage in [vec![directory], vec![pages], vec![directory, pages]] {
        let mut damaged = whole.to_vec();
        damage.iter().for_each(|place| damaged[*place] ^= 1);
        snapshot.store.put(&file.path, damaged.into()).await.unwrap();
        let (_, engine) = engine_over(&warehouse).await;
        assert_eq!(light_curves(&engine, &keys).await, expected, "{damage:?}");
    }
}

pub(super) const NIGHTS: i64 = 30;

/// Thirty files with the same range of keys: object k is in the file of night k modulo 30.
pub(super) async fn nights(name: &str) -> Warehouse {
    files_of(name, |key, night| key % NIGHTS == night).await
}

/// Thirty files, each of which has the objects of which it is said.
async fn files_of(name: &str, has: impl Fn(i64, i64) -> bool) -> Warehouse {
    let warehouse = Warehouse::open(&format!("memory://carried-{name}")).unwrap();
    let mut base = None;
    for night in 0..NIGHTS {
        let keys = (0..200 * NIGHTS).filter(|key| has(*key, night));
        let objects: Vec<_> = keys.map(|key| sources(key..key + 1)).collect();
        let schema = objects[0].schema();
        let mut writer = SortedWriter::new(&warehouse, Table::Sources, schema.clone());
        for object in &objects {
            writer.write(object).await.unwrap();
        }
        let add = writer.finish().await.unwrap();
        let change = Change { operation: Operation::Ingest, schema, add, remove: Vec::new() };
        warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap();
        base = Some(snapshot(&warehouse).await);
    }
    warehouse
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thirty_nights_only_those_are_read_that_have_the_object() {
    let warehouse = nights("nights").await;
    let (store, engine) = engine_over(&warehouse).await;
    store.take();
    let mut read = 0;
    for key in 0..200 {
        assert_eq!(
            rows(&engine, &query(&[key], four())).await.num_rows(),
            ROWS_PER_OBJECT as usize
        );
        let requests = of_data(store.take());
        read += requests.len();
        let snapshot = snapshot(&warehouse).await;
        let first = snapshot.files.iter().position(|file| *file.keys.start() == key % NIGHTS);
        let has: &Path = &snapshot.files[first.unwrap()].path;
        assert!(
            requests.iter().any(
                |request| has.as_ref().ends_with(request.file.as_ref()) || request.file == *has
            )
        );
    }
    // One of 250 files is read in vain; more than one of a hundred would be wrong.
    assert!((200..200 + 200 * (NIGHTS as usize - 1) / 100).contains(&read), "{read}");
    let all: Vec<_> = (0..200 * NIGHTS).collect();
    let found = rows(&engine, &query(&all, four())).await.num_rows();
    assert_eq!(found, (200 * NIGHTS * ROWS_PER_OBJECT) as usize);
}

/// As on an object storage, where a request takes long, and many at once take no longer.
#[tokio::test(flavor = "multi_thread")]
async fn all_nights_that_have_the_object_are_asked_at_once() {
    let has = |key: i64, night: i64| key % NIGHTS == night || key == 77;
    let warehouse = files_of("at-once", has).await;
    let (store, engine) = engine_over(&warehouse).await;
    store.slow(Duration::from_millis(300));
    for columns in [four(), Columns::All] {
        store.take();
        let found = rows(&engine, &query(&[77], columns)).await.num_rows();
        assert_eq!(found, (NIGHTS * ROWS_PER_OBJECT) as usize);
        assert!(of_data(store.take()).len() >= NIGHTS as usize);
        assert_eq!(store.in_sequence(), 1);
    }
    // Where no page index is held, pages are found in one more.
    let (store, engine) = engine_without_index(&warehouse).await;
    store.slow(Duration::from_millis(300));
    assert_eq!(
        rows(&engine, &query(&[77], four())).await.num_rows(),
        (NIGHTS * ROWS_PER_OBJECT) as usize
    );
    assert_eq!(store.in_sequence(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_filter_is_not_asked() {
    let warehouse = nights("damaged-filters").await;
    let snapshot = snapshot(&warehouse).await;
    for file in &snapshot.files {
        let bytes = snapshot.store.get(&file.path).await.unwrap().bytes().await.unwrap();
        let mut damaged = bytes.to_vec();
        // The filter of the keys lies before the directory.
        damaged[file.tag.index.unwrap().start as usize - 50] ^= 1;
        snapshot.store.put(&file.path, damaged.into()).await.unwrap();
    }
    let (store, engine) = engine_over(&warehouse).await;
    store.take();
    for key in 100..150 {
        let found = rows(&engine, &query(&[key], four())).await.num_rows();
        assert_eq!(found, ROWS_PER_OBJECT as usize);
    }
    // Every file may have each object then.
    assert_eq!(of_data(store.take()).len(), 50 * NIGHTS as usize);
}
