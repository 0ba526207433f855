//! A synthetic survey through a real warehouse.
#![allow(clippy::unwrap_used)]

use std::sync::Mutex;

use arrow::array::{AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::Int64Type;
use diaflight::error::Kind;
use diaflight::schema::{KEY, Table, new_table_schema};
use diaflight::survey::{Generated, Nights, SurveyOptions, SurveyProgress, generate};
use diaflight::warehouse::{Snapshot, Warehouse, read};
use futures::TryStreamExt;

use crate::alerts::{Alert, packets};
use crate::nights;
use crate::program::run;

fn warehouse() -> Warehouse {
    Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap()
}

async fn generated(warehouse: &Warehouse, objects: u64, seed: u64) -> Generated {
    generate(warehouse, &SurveyOptions { objects, seed, nights: Nights::ALL }, &|_| {})
        .await
        .unwrap()
}

async fn snapshot(warehouse: &Warehouse, table: Table) -> Snapshot {
    warehouse.snapshot(table, None).await.unwrap().unwrap()
}

/// A whole table.
async fn rows(warehouse: &Warehouse, table: Table) -> RecordBatch {
    let Snapshot { schema, files, store, .. } = snapshot(warehouse, table).await;
    let mut batches = Vec::new();
    for file in &files {
        batches
            .extend(read(store.clone(), file, None, 4096).try_collect::<Vec<_>>().await.unwrap());
    }
    concat_batches(&schema, &batches).unwrap()
}

#[tokio::test]
async fn a_survey_is_three_tables_of_sorted_files() {
    let warehouse = warehouse();
    let told = Mutex::new(Vec::new());
    let options = SurveyOptions { objects: 800, seed: 1, nights: Nights::ALL };
    let survey = generate(&warehouse, &options, &|progress| told.lock().unwrap().push(progress))
        .await
        .unwrap();

    for (table, summary) in Table::ALL.into_iter().zip(&survey.tables) {
        let Snapshot { version, schema, files, .. } = snapshot(&warehouse, table).await;
        assert_eq!((summary.table, summary.version), (table.name(), version));
        assert_eq!(schema, new_table_schema(table));
        assert_eq!(files.iter().filter_map(|file| file.rows).sum::<u64>(), summary.rows);
        assert!(files.windows(2).all(|pair| pair[0].keys.end() < pair[1].keys.start()));
    }
    let last = told.into_inner().unwrap().pop().unwrap();
    let [sources, fp, objects] = [0, 1, 2].map(|table| survey.tables[table].rows);
    assert_eq!(last, SurveyProgress { objects, sources, fp });
    assert_eq!(objects, 800);
}

#[tokio::test]
async fn the_same_survey_twice_has_the_same_rows() {
    let (one, two) = (warehouse(), warehouse());
    assert_eq!(generated(&one, 100, 9).await, generated(&two, 100, 9).await);
    for table in Table::ALL {
        assert_eq!(rows(&one, table).await, rows(&two, table).await);
    }
}

#[tokio::test]
async fn the_examples_are_what_they_say() {
    let warehouse = warehouse();
    let survey = generated(&warehouse, 500, 4).await;
    assert!(survey.examples.len() >= 3, "{survey}");
    let sources = rows(&warehouse, Table::Sources).await;
    let ids = sources[KEY].as_primitive::<Int64Type>().values();
    for example in &survey.examples {
        let count = ids.iter().filter(|id| **id == example.dia_object_id).count();
        assert_eq!(count, example.sources, "{example}");
    }
    let longest = &survey.examples[0];
    assert_eq!(longest.bands, 6, "{longest}");
    assert!(survey.examples.iter().all(|example| example.sources <= longest.sources));
    assert!(survey.to_string().starts_with(&format!("generated {} sources", sources.num_rows())));
    assert!(survey.to_string().contains(&longest.dia_object_id.to_string()));
}

#[tokio::test]
async fn a_warehouse_with_tables_is_refused() {
    let warehouse = warehouse();
    generated(&warehouse, 10, 1).await;
    let before = snapshot(&warehouse, Table::Sources).await.version;
    let options = SurveyOptions { objects: 10, seed: 1, nights: Nights::ALL };
    let error = generate(&warehouse, &options, &|_| {}).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Argument);
    assert!(error.to_string().starts_with("--warehouse memory://"), "{error}");
    assert_eq!(snapshot(&warehouse, Table::Sources).await.version, before);
}

#[tokio::test]
async fn that_it_is_made_up_stays_with_the_table_and_is_said_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let alert = packets(&[Alert::new(5, 100, 61_000.5).with_forced(7, 61_000.25)]);
    let alert = nights::write_packets(folder.path(), "night.avro", &alert);
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (made_up, observed) = (path("made-up"), path("observed"));
    run(["generate", "--objects", "20", "--warehouse", &made_up]).succeeded();
    for warehouse in [&made_up, &observed] {
        run(["ingest", "--warehouse", warehouse, &alert]).succeeded();
        run(["maintain", "compact", "--warehouse", warehouse]).succeeded();
    }
    for table in Table::ALL {
        let synthetic = async |url: &str| {
            let snapshot = snapshot(&Warehouse::open(url).unwrap(), table).await;
            assert!(snapshot.version > 0 || url == observed, "{}", snapshot.version);
            snapshot.synthetic
        };
        assert_eq!((synthetic(&made_up).await, synthetic(&observed).await), (true, false));
    }
}
