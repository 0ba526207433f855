//! The table of places: it has the cells of all sources whose files say so, whoever wrote them, and a search finds the others, too.

use std::collections::BTreeSet;
use std::fs;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};
use diaflight::astronomy::{CELL_ORDER, cell};
use diaflight::error::Kind;
use diaflight::schema::{CELL, KEY, Table};
use diaflight::warehouse::{
    BATCH_ROWS, Change, MergePolicy, NotedPlaces, Operation, Snapshot, Warehouse, read,
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::server::Server;
use crate::{nights, program};

type Places = BTreeSet<(i64, i64)>;

/// The places of a warehouse, and how many rows they are.
async fn stored(places: &Snapshot) -> (Places, usize) {
    let mut all = Vec::new();
    for file in &places.files {
        let batches = read(places.store.clone(), file, None, BATCH_ROWS);
        for rows in batches.try_collect::<Vec<_>>().await.unwrap() {
            let column = |name: &str| rows[name].as_primitive::<Int64Type>().values().to_vec();
            all.extend(column(CELL).into_iter().zip(column(KEY)));
        }
    }
    let rows = all.len();
    (all.into_iter().collect(), rows)
}

/// Those of the rows of a table.
async fn of_rows(table: &Snapshot) -> Places {
    let mut all = Places::new();
    for file in &table.files {
        let columns = Some(&[KEY, "ra", "dec"][..]);
        let batches = read(table.store.clone(), file, columns, BATCH_ROWS);
        for rows in batches.try_collect::<Vec<_>>().await.unwrap() {
            let keys = rows[KEY].as_primitive::<Int64Type>();
            let [ra, dec] = ["ra", "dec"].map(|name| rows[name].as_primitive::<Float64Type>());
            let there = (0..rows.num_rows()).filter(|row| ra.is_valid(*row) && dec.is_valid(*row));
            all.extend(there.map(|row| {
                (cell(CELL_ORDER, [ra.value(row), dec.value(row)]).unwrap(), keys.value(row))
            }));
        }
    }
    all
}

async fn snapshot(warehouse: &Warehouse, table: Table) -> Snapshot {
    warehouse.snapshot(table, None).await.unwrap().unwrap()
}

/// Every file of the sources and the objects says that its places are known, and they are. Returns the places that no row has.
pub async fn assert_known(warehouse: &Warehouse) -> Places {
    let places = snapshot(warehouse, Table::Places).await;
    let mut more = stored(&places).await.0;
    let known = more.clone();
    for table in [Table::Sources, Table::Objects] {
        let rows = snapshot(warehouse, table).await;
        let unknown: Vec<_> = rows.files.iter().filter(|file| !file.is_in(&places)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:#?}", table.name());
        let of_rows = of_rows(&rows).await;
        let missing: Vec<_> = of_rows.difference(&known).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", table.name());
        more = &more - &of_rows;
    }
    more
}

/// Two nights, the second with an object of the first.
async fn ingested(folder: &str) -> Warehouse {
    let alerts = tempdir().unwrap();
    for night in nights::write(alerts.path()) {
        program::run(["ingest", "--warehouse", folder, &night]).succeeded();
    }
    Warehouse::open(folder).unwrap()
}

#[tokio::test]
async fn places_are_those_of_the_sources_each_once_after_a_compaction() {
    let folder = tempdir().unwrap();
    let warehouse = ingested(folder.path().to_str().unwrap()).await;
    assert_eq!(assert_known(&warehouse).await, Places::new());
    // As two writers of the same sources do.
    let mut again = snapshot(&warehouse, Table::Sources).await.files;
    again.iter_mut().for_each(|file| file.tag.places = None);
    warehouse.add_places(&mut again, &std::env::temp_dir()).await.unwrap();
    let before = stored(&snapshot(&warehouse, Table::Places).await).await;
    // An object does not lie where its sources do.
    assert_eq!((before.0.len(), before.1), (5, 10));
    program::run(["maintain", "compact", "--warehouse", folder.path().to_str().unwrap()])
        .succeeded();
    assert_eq!(assert_known(&warehouse).await, Places::new());
    assert_eq!(stored(&snapshot(&warehouse, Table::Places).await).await, (before.0, 5));
    assert_eq!(warehouse.check(Table::Places, false).await.unwrap().findings, []);
}

/// All objects within 5 degrees and within a minute of the place of one of them.
async fn found(folder: &str) -> [Value; 2] {
    let server = Server::serve(folder, &[]).await;
    let place = program::run([
        "sql",
        "--warehouse",
        folder,
        "--format",
        "json",
        "SELECT ra, dec FROM sources ORDER BY diaSourceId LIMIT 1",
    ]);
    let place: Value = serde_json::from_str(&place.succeeded().stdout).unwrap();
    let mut answers = [json!(null), json!(null)];
    for (answer, radius) in answers.iter_mut().zip([2000, 60]) {
        let body = json!({
            "ra": place[0]["ra"], "dec": place[0]["dec"], "radius": radius,
            "columns": "r:diaObjectId,r:diaSourceId",
        });
        let asked = server.post("/api/v1/conesearch", &body).await;
        *answer = serde_json::from_slice(&asked.bytes().await.unwrap()).unwrap();
        assert!(!answer.as_array().unwrap().is_empty());
    }
    answers
}

#[tokio::test]
async fn a_warehouse_without_places_is_searched_and_gets_them() {
    let folder = tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    program::run(["generate", "--warehouse", url, "--objects", "300", "--seed", "7"]).succeeded();
    let warehouse = Warehouse::open(url).unwrap();
    assert_known(&warehouse).await;
    let first = found(url).await;
    // What the files say is of another table then.
    fs::remove_dir_all(folder.path().join("places")).unwrap();
    assert_eq!(found(url).await, first);
    let written = program::run(["maintain", "places", "--json", "--warehouse", url]);
    let sources = snapshot(&warehouse, Table::Sources).await;
    let rows = sources.rows().unwrap();
    let expected =
        json!({"sources": {"files": 1, "rows": rows}, "objects": {"files": 1, "rows": 300}});
    assert_eq!(written.succeeded().json(), expected);
    assert_eq!(assert_known(&warehouse).await, Places::new());
    assert_eq!(found(url).await, first);
    // Nothing is left to do, and no version is written.
    for table in [Table::Sources, Table::Objects] {
        assert_eq!(warehouse.note_places(table).await.unwrap(), NotedPlaces::default());
    }
    assert_eq!(snapshot(&warehouse, Table::Sources).await.version, sources.version);
    // It changed no row: `as_of` a version of before has the same.
    let ledger = warehouse.ledger(Table::Sources, 1).await.unwrap();
    assert_eq!(ledger[0].operation, "NotePlaces");
}

#[tokio::test]
async fn a_file_that_was_merged_meanwhile_is_not_brought_back() {
    let folder = tempdir().unwrap();
    let warehouse = ingested(folder.path().to_str().unwrap()).await;
    let base = snapshot(&warehouse, Table::Sources).await;
    warehouse.compact(Table::Sources, &MergePolicy::DEFAULT).await.unwrap();
    let change = Change {
        operation: Operation::NotePlaces,
        schema: base.schema.clone(),
        add: base.files.clone(),
        remove: Vec::new(),
    };
    let refused = warehouse.commit(Table::Sources, Some(&base), change).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Conflict);
    assert_eq!(snapshot(&warehouse, Table::Sources).await.files.len(), 1);
}
