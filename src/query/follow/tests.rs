//! Tables that are made anew, fail or come late while they are followed, over logs written by hand.

use std::fs;
use std::path::Path;
use std::time::Duration;

use datafusion::execution::memory_pool::GreedyMemoryPool;
use serde_json::json;
use tempfile::{TempDir, tempdir};

use super::*;
use crate::index::IndexCache;
use crate::warehouse::{AsOf, Location, Source, Warehouse};

/// A commit of a table without rows.
fn commit(folder: &Path, table: Table, id: &str, version: u64, millis: i64) {
    let field = |name: &&str| {
        let kind = if name.starts_with("midpoint") { "double" } else { "long" };
        json!({"name": name, "type": kind, "nullable": true, "metadata": {}})
    };
    let fields: Vec<_> = table.sort_columns().iter().map(field).collect();
    let schema = json!({"type": "struct", "fields": fields}).to_string();
    let mut actions = vec![json!({"commitInfo": {"timestamp": millis}})];
    if version == 0 {
        actions.push(json!({"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}));
        actions.push(json!({"metaData": {"id": id, "format": {"provider": "parquet", "options": {}},
            "schemaString": schema, "partitionColumns": [], "configuration": {}, "createdTime": 0}}));
    }
    let actions: Vec<_> = actions.iter().map(|action| action.to_string()).collect();
    write(folder, version, &actions.join("\n"));
}

fn write(folder: &Path, version: u64, entry: &str) {
    let log = folder.join("_delta_log");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join(format!("{version:020}.json")), entry).unwrap();
}

fn source(folder: &Path) -> Source {
    Source::Folder(Location::parse(folder.to_str().unwrap()).unwrap())
}

/// The three tables in folders of their names, which are there in their first versions.
async fn tables() -> (TempDir, Tables) {
    let place = tempdir().unwrap();
    for table in Table::ALL {
        commit(&place.path().join(table.name()), table, "first", 0, 1000);
    }
    let [sources, fp, objects] = Table::ALL.map(|table| source(&place.path().join(table.name())));
    let warehouse = Warehouse::open("memory://nothing").unwrap();
    let options =
        EngineOptions { sources, fp, objects, ..EngineOptions::from_warehouse(&warehouse) };
    let shared = Shared {
        runtime: Arc::default(),
        index: Arc::new(IndexCache::new(1 << 20)),
        places: Arc::default(),
        planners: Default::default(),
        spare: Arc::new(GreedyMemoryPool::new(1 << 20)),
    };
    let tables = Tables::new(EngineOptions { refresh: Duration::ZERO, ..options }, shared);
    assert!(tables.refresh().await.is_empty());
    tables.are_ready().unwrap();
    (place, tables)
}

fn versions(tables: &Tables) -> [u64; 3] {
    Table::ALL.map(|table| tables.current(table).unwrap().snapshot().version)
}

async fn failed(tables: &Tables) -> Vec<Table> {
    tables.refresh().await.into_iter().map(|(table, _)| table).collect()
}

#[tokio::test]
async fn a_table_that_fails_holds_back_what_needs_it_and_nothing_else() {
    let (place, tables) = tables().await;
    let folder = |table: Table| place.path().join(table.name());
    let [sources, fp, objects] = Table::ALL;
    let next = |table, version| commit(&folder(table), table, "first", version, 2000);

    write(&folder(objects), 1, "{");
    next(sources, 1);
    next(fp, 1);
    assert_eq!(failed(&tables).await, [objects]);
    assert_eq!(versions(&tables), [1, 1, 0], "sources, fp, objects");
    let said = tables.are_ready().unwrap_err();
    assert!(said.to_string().starts_with("objects: could not be checked for changes"), "{said}");

    // An object is not seen before its sources.
    next(objects, 1);
    next(fp, 2);
    write(&folder(sources), 2, "{");
    assert_eq!(failed(&tables).await, [sources]);
    assert_eq!(versions(&tables), [1, 1, 0]);
    assert!(tables.are_ready().unwrap_err().to_string().starts_with("sources: "));
    next(sources, 2);
    assert!(failed(&tables).await.is_empty());
    assert_eq!(versions(&tables), [2, 2, 1]);
    tables.are_ready().unwrap();
}

#[tokio::test]
async fn a_table_that_is_gone_has_failed() {
    let (place, tables) = tables().await;
    let [log, away] = ["_delta_log", "away"].map(|name| place.path().join("fp").join(name));
    fs::rename(&log, &away).unwrap();
    let gone = tables.refresh().await;
    let [(Table::Fp, error)] = &gone[..] else { panic!("{gone:?}") };
    assert_eq!(error.kind(), Kind::Storage, "{error}");
    assert!(tables.are_ready().unwrap_err().to_string().starts_with("fp: "));
    assert_eq!(versions(&tables), [0, 0, 0]);
    fs::rename(&away, &log).unwrap();
    assert!(failed(&tables).await.is_empty());
    tables.are_ready().unwrap();
}

/// What was asked of a table is looked up slowly, and is there only when the table has been made anew.
#[tokio::test]
async fn what_comes_late_of_a_table_is_not_taken_for_the_one_in_its_place() {
    let (place, tables) = tables().await;
    let [sources, copy] = ["sources", "copy"].map(|name| place.path().join(name));
    for folder in [&sources, &copy] {
        commit(folder, Table::Sources, "first", 0, 1000);
        commit(folder, Table::Sources, "first", 1, 2000);
    }
    assert!(failed(&tables).await.is_empty());
    let before = tables.seen(Table::Sources).unwrap();
    let old = tables.as_of(Table::Sources, &AsOf::Version(0)).await.unwrap().unwrap();

    fs::remove_dir_all(&sources).unwrap();
    commit(&sources, Table::Sources, "second", 0, 5000);
    commit(&sources, Table::Sources, "second", 1, 7000);
    assert!(failed(&tables).await.is_empty());
    tables.older.keep(old.clone(), before.history.clone());
    let time = |millis| chrono::DateTime::from_timestamp_millis(millis).unwrap();
    let (first, at) = (source(&copy), time(6000));
    let of_first = first.version_at(before.prepared.snapshot(), &at, &before.history);
    assert_eq!(of_first.await.unwrap(), Some(1));

    let current = tables.current(Table::Sources).unwrap().snapshot().table_id;
    assert_ne!(current, old.snapshot().table_id);
    for as_of in [AsOf::Version(0), AsOf::Time(at)] {
        let found = tables.as_of(Table::Sources, &as_of).await.unwrap().unwrap();
        let found = found.snapshot();
        assert_eq!((found.table_id, found.version), (current, 0), "{as_of}");
    }
}
