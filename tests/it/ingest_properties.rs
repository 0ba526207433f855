//! The tables are a function of the set of alerts: however it is split into files and ingests, in any order, with any repetition and
//! compacted in between, they are the same in every stored column, and hold what a plain model says.
//!
//! Alerts come in several copies: raw and enriched, of several processing times, versions and contents, with times that are none. Their
//! histories and forced photometry overlap with each other and with the alerts, with and without changes.

mod cases;
mod model;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::{KEY, Table, provenance};
use diaflight::warehouse::{self, MergePolicy, UpdatedKeys, Warehouse};
use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::alerts::{Alert, Layout};
use cases::{Call, File, cases};

/// Without its nulls.
pub type Row = Map<String, Value>;
/// What identifies a row: its LSST id, and for forced photometry its object.
pub type Identity = (Option<i64>, i64);
/// The rows of each table.
pub type Tables = BTreeMap<Table, BTreeMap<Identity, Row>>;

fn identity(table: Table, row: &Row) -> Identity {
    let number = |name: &str| row[name].as_i64().unwrap();
    ((table == Table::Fp).then(|| number(KEY)), number(table.id_column()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn tables_depend_on_the_set_of_alerts_alone((alerts, history, one, other) in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let packets = || one.iter().flat_map(|call| call.files.iter().flatten());
        let [one_way, other_way] = [&one, &other].map(|calls| {
            runtime.block_on(tables_after(&alerts, history, calls))
        });
        prop_assert_eq!(&one_way.rows, &other_way.rows);
        prop_assert_eq!(&one_way.columns, &other_way.columns);
        let enriched = packets().any(|packet| packet.enriched);
        prop_assert_eq!(&one_way.columns[&Table::Objects], &columns_of_objects(enriched));
        assert_among(&one_way.rows, &model::candidates(&alerts, history, packets()));
        assert_of_one_copy(&one_way.rows);
    }
}

/// Every row is one of those that the model leaves.
fn assert_among(tables: &Tables, candidates: &model::Candidates) {
    for (table, rows) in tables {
        let ids = |rows: &mut dyn Iterator<Item = &Identity>| rows.copied().collect::<Vec<_>>();
        assert_eq!(ids(&mut rows.keys()), ids(&mut candidates[table].keys()), "{}", table.name());
        for (id, row) in rows {
            let mut row = row.clone();
            row.retain(|name, _| {
                ![provenance::CONTENT_HASH, provenance::ALERT_CONTENT_HASH].contains(&name.as_str())
            });
            let candidates = &candidates[table][id];
            assert!(
                candidates.contains(&row),
                "{} {id:?}: {row:?} is none of {candidates:?}",
                table.name()
            );
        }
    }
}

/// An object is of the same copy of its alert as that alert's source is.
fn assert_of_one_copy(tables: &Tables) {
    for object in tables[&Table::Objects].values() {
        let alert = object[provenance::ALERT_ID].as_i64().unwrap();
        let source = &tables[&Table::Sources][&(None, alert)];
        // An entry of a history stands where the alert itself has a time that is none.
        if source.contains_key(provenance::ALERT_ID) {
            let hashes =
                (&object[provenance::ALERT_CONTENT_HASH], &source[provenance::CONTENT_HASH]);
            assert_eq!(hashes.0, hashes.1, "{object:?} {source:?}");
        }
    }
}

/// What is in a warehouse.
pub struct Stored {
    pub rows: Tables,
    columns: BTreeMap<Table, BTreeSet<String>>,
}

async fn tables_after(alerts: &[Alert], history: bool, calls: &[Call]) -> Stored {
    let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
    for Call { files, leaves_updates, compact } in calls {
        let rewrite_bytes = if *leaves_updates { 0 } else { u64::MAX };
        let (memory_bytes, temp_dir) = (64 << 20, None);
        let options =
            IngestOptions { history, memory_bytes, temp_dir, rewrite_bytes, schemas: None };
        let dir = tempfile::tempdir().unwrap();
        for (n, file) in files.iter().enumerate() {
            write(dir.path(), n, alerts, file);
        }
        let inputs = [dir.path().to_str().unwrap().to_string()];
        let summary = ingest(&warehouse, &inputs, &options, &|_| ()).await.unwrap();
        assert!(summary.refused.count == 0, "{:?}", summary.refused);
        for table in Table::ALL.into_iter().filter(|_| *compact) {
            warehouse.compact(table, &MergePolicy::default()).await.unwrap();
        }
    }
    stored(&warehouse).await
}

/// Writes the raw and the enriched packets of a file, each kind as a file of its own.
fn write(dir: &Path, n: usize, alerts: &[Alert], file: &File) {
    for (enriched, layout) in [(false, Layout::raw()), (true, Layout::enriched())] {
        let measurements = ["diaSource", "prvDiaSources", "prvDiaForcedSources"];
        let layout = measurements.into_iter().fold(layout, |layout, section| {
            layout.with(section, "timeProcessedMjdTai", DataType::Float64)
        });
        let packets = file.iter().filter(|packet| packet.enriched == enriched);
        let packets: Vec<_> = packets.map(|packet| packet.json(alerts)).collect();
        if !packets.is_empty() {
            let path = dir.join(format!("{n}-{enriched}.avro"));
            fs::write(path, layout.avro(&packets, None, 3)).unwrap();
        }
    }
}

pub async fn stored(warehouse: &Warehouse) -> Stored {
    let (mut rows, mut columns) = (Tables::new(), BTreeMap::new());
    for table in Table::ALL {
        let by_id: &mut BTreeMap<_, _> = rows.entry(table).or_default();
        let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
        let names = snapshot.schema.fields().iter().map(|field| field.name().clone());
        columns.insert(table, names.collect());
        let updated = UpdatedKeys::read(&snapshot, None).await.unwrap().unwrap_or_default();
        for file in &snapshot.files {
            let batches = warehouse::read(snapshot.store.clone(), file, None, 1024);
            for batch in batches.try_collect::<Vec<_>>().await.unwrap() {
                let keys = batch[KEY].as_primitive::<Int64Type>().values();
                let newest: Vec<_> = updated.are_newest(file, keys).collect();
                let newest = (0..batch.num_rows()).filter(|i| newest[*i]);
                for row in newest.map(|i| row(&batch, i)) {
                    let id = identity(table, &row);
                    assert_eq!(by_id.insert(id, row), None, "{} {id:?} twice", table.name());
                }
            }
        }
    }
    Stored { rows, columns }
}

/// A row without its nulls.
fn row(batch: &RecordBatch, i: usize) -> Row {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let set = columns.filter(|(_, column)| column.is_valid(i));
    set.map(|(field, column)| (field.name().clone(), value(column, i))).collect()
}

fn value(column: &dyn Array, i: usize) -> Value {
    match column.data_type() {
        DataType::Boolean => json!(column.as_boolean().value(i)),
        DataType::Int32 => json!(column.as_primitive::<Int32Type>().value(i)),
        DataType::Int64 => json!(column.as_primitive::<Int64Type>().value(i)),
        DataType::Float32 => json!(column.as_primitive::<Float32Type>().value(i)),
        DataType::Float64 => json!(column.as_primitive::<Float64Type>().value(i)),
        DataType::Utf8 => json!(column.as_string::<i32>().value(i)),
        other => panic!("no column is of type {other}"),
    }
}

fn columns_of_objects(enriched: bool) -> BTreeSet<String> {
    let rubin = "diaObjectId observation_reason target_name validityStartMjdTai ra dec nDiaSources r_psfFluxMean";
    let fink = "is_sso main_label_classifier firstDiaSourceMjdTaiFink";
    let names = rubin.split(' ').chain(fink.split(' ').filter(|_| enriched));
    let provenance = provenance::fields(Table::Objects);
    names.chain(provenance.iter().map(|field| field.name().as_str())).map(String::from).collect()
}
