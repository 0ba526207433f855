//! The tables are a function of the set of alerts: however it is split into files and ingests, in any order,
//! with any repetition, they equal a plain model row for row, provenance included.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::schema::{KEY, Table, provenance};
use diaflight::warehouse::{self, Warehouse};
use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::alerts::{Alert, Layout, Measurement};

type Row = Map<String, Value>;
/// The rows of each table by LSST id.
type Tables = BTreeMap<Table, BTreeMap<i64, Row>>;

/// Alert numbers, and whether to take the enriched packet of each: one file.
type File = Vec<(usize, bool)>;
/// Ingests, each of several files.
type Calls = Vec<Vec<File>>;

/// Times are multiples of 1/64 day, exact in every encoding.
fn mjd(visit: i64) -> f64 {
    61000.0 + visit as f64 / 64.0
}

/// A measurement as one of the alerts states it: copies in several alerts differ, so that it shows which won.
fn restated(id: i64, visit: i64, alert: usize) -> Measurement {
    Measurement { flux: alert as f32 + 0.5, ..Measurement::new(id, mjd(visit)) }
}

/// Alerts whose sources have the ids 1000, 1001, ... and whose histories and forced photometry overlap with
/// each other and with those sources, under one object or several.
fn alerts() -> impl Strategy<Value = Vec<Alert>> {
    let history = prop::collection::btree_set(996i64..1012, 0..5);
    let forced = prop::collection::btree_set(1i64..12, 0..6);
    let alert = (0i64..6, 0i64..5, history, forced);
    prop::collection::vec(alert, 1..10).prop_map(|alerts| {
        let made = alerts.into_iter().enumerate().map(|(n, (object, visit, history, forced))| {
            let id = 1000 + n as i64;
            let alert = match object {
                0 => Alert::of_solar_system(id, mjd(visit)),
                object => Alert::new(313_897_383_979_122_000 + object, id, mjd(visit)),
            };
            let history = history.into_iter().filter(|past| *past != id);
            Alert {
                history: history.map(|id| restated(id, id % 5, n)).collect(),
                forced: forced.into_iter().map(|id| restated(id, id % 7, n)).collect(),
                ..alert
            }
        });
        made.collect()
    })
}

/// Every packet at least once, some more often, in any order, cut into files and ingests anywhere.
fn calls(packets: Vec<(usize, bool)>) -> impl Strategy<Value = Calls> {
    let repeats = prop::sample::subsequence(packets.clone(), 0..=packets.len());
    let order = repeats.prop_map(move |repeats| [packets.clone(), repeats].concat()).prop_shuffle();
    let cut = prop_oneof![4 => Just(0), 2 => Just(1), 1 => Just(2)];
    order.prop_flat_map(move |order| {
        let cuts = prop::collection::vec(cut.clone(), order.len());
        (Just(order), cuts).prop_map(|(order, cuts)| {
            let mut calls = vec![vec![vec![]]];
            for (packet, cut) in order.into_iter().zip(cuts) {
                if cut == 2 {
                    calls.push(vec![vec![]]);
                } else if cut == 1 {
                    calls.last_mut().unwrap().push(vec![]);
                }
                calls.last_mut().unwrap().last_mut().unwrap().push(packet);
            }
            calls.retain(|files| files.iter().any(|file| !file.is_empty()));
            calls
        })
    })
}

/// Alerts, which packets of each there are (raw, enriched or both), and two ways to ingest them.
fn cases() -> impl Strategy<Value = (Vec<Alert>, bool, Calls, Calls)> {
    let kinds = prop_oneof![Just(vec![false]), Just(vec![true]), Just(vec![false, true])];
    let with_kinds = alerts().prop_flat_map(move |alerts| {
        let kinds = prop::collection::vec(kinds.clone(), alerts.len());
        (Just(alerts), kinds)
    });
    with_kinds.prop_flat_map(|(alerts, kinds)| {
        let packets = kinds.into_iter().enumerate();
        let packets: Vec<_> =
            packets.flat_map(|(n, kinds)| kinds.into_iter().map(move |kind| (n, kind))).collect();
        (Just(alerts), any::<bool>(), calls(packets.clone()), calls(packets))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn tables_depend_on_the_set_of_alerts_alone((alerts, history, one, other) in cases()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let expected = model(&alerts, history, &one);
        for calls in [&one, &other] {
            let tables = runtime.block_on(tables_after(&alerts, history, calls));
            prop_assert_eq!(&tables.rows, &expected);
            prop_assert_eq!(&tables.columns[&Table::Objects], &columns_of_objects(calls));
        }
    }
}

/// What is in a warehouse.
struct Stored {
    rows: Tables,
    columns: BTreeMap<Table, BTreeSet<String>>,
}

async fn tables_after(alerts: &[Alert], history: bool, calls: &Calls) -> Stored {
    let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
    let options = IngestOptions { history, memory_bytes: 64 << 20, temp_dir: None };
    for files in calls {
        let dir = tempfile::tempdir().unwrap();
        for (n, file) in files.iter().enumerate() {
            write(dir.path(), n, alerts, file);
        }
        let inputs = [dir.path().to_str().unwrap().to_string()];
        let summary = ingest(&warehouse, &inputs, &options, &|_| ()).await.unwrap();
        assert!(summary.refused.is_empty(), "{:?}", summary.refused);
    }
    stored(&warehouse).await
}

/// Writes the raw and the enriched packets of a file, each kind as a file of its own.
fn write(dir: &Path, n: usize, alerts: &[Alert], file: &File) {
    for (enriched, layout) in [(false, Layout::raw()), (true, Layout::enriched())] {
        let packets = file.iter().filter(|(_, kind)| *kind == enriched);
        let packets: Vec<_> = packets.map(|(alert, _)| alerts[*alert].packet()).collect();
        if !packets.is_empty() {
            let path = dir.join(format!("{n}-{enriched}.avro"));
            fs::write(path, layout.avro(&packets, None, 3)).unwrap();
        }
    }
}

async fn stored(warehouse: &Warehouse) -> Stored {
    let (mut rows, mut columns) = (Tables::new(), BTreeMap::new());
    for table in Table::ALL {
        let by_id: &mut BTreeMap<_, _> = rows.entry(table).or_default();
        let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
        let names = snapshot.schema.fields().iter().map(|field| field.name().clone());
        columns.insert(table, names.collect());
        for file in &snapshot.files {
            let batches = warehouse::read(snapshot.store.clone(), file, None, 1024);
            for batch in batches.try_collect::<Vec<_>>().await.unwrap() {
                for row in (0..batch.num_rows()).map(|i| row(&batch, i)) {
                    let id = row[table.id_column()].as_i64().unwrap();
                    assert_eq!(by_id.insert(id, row), None, "{} {id} is there twice", table.name());
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

fn columns_of_objects(calls: &Calls) -> BTreeSet<String> {
    let rubin = "diaObjectId observation_reason target_name validityStartMjdTai ra dec nDiaSources \
                 r_psfFluxMean alertMidpointMjdTai alertDiaSourceId alertEnriched";
    let fink = "is_sso main_label_classifier firstDiaSourceMjdTaiFink";
    let enriched = calls.iter().flatten().flatten().any(|(_, enriched)| *enriched);
    let names = rubin.split(' ').chain(fink.split(' ').filter(|_| enriched));
    names.map(String::from).collect()
}

/// The precedence of copies, as tuples compare: own source, alert's time in 1/64 days, alert's id, enriched.
type Precedence = (bool, i64, i64, bool);

/// The tables that the alerts give, taken one by one from their JSON.
fn model(alerts: &[Alert], history: bool, calls: &Calls) -> Tables {
    let mut best: BTreeMap<(Table, i64), (Precedence, Row)> = BTreeMap::new();
    for &(n, enriched) in calls.iter().flatten().flatten() {
        let (alert, packet) = (&alerts[n], alerts[n].packet());
        let Some(object) = alert.object else { continue };
        let mut offer = |table: Table, own: bool, sections: &[(&str, &Value)]| {
            let mut row = Row::new();
            for (prefix, section) in sections {
                for (name, value) in section.as_object().unwrap() {
                    row.insert(format!("{prefix}{name}"), value.clone());
                }
            }
            row.insert(KEY.into(), json!(object));
            let [time, id, kind] = provenance::fields().map(|field| field.name().clone());
            row.insert(time, json!(alert.source.midpoint_mjd));
            row.insert(id, json!(alert.source.id));
            row.insert(kind, json!(enriched));
            row.retain(|_, value| !value.is_null());
            let time = (alert.source.midpoint_mjd * 64.0) as i64;
            let precedence = (own, time, alert.source.id, enriched);
            let key = (table, row[table.id_column()].as_i64().unwrap());
            if best.get(&key).is_none_or(|(held, _)| *held < precedence) {
                best.insert(key, (precedence, row));
            }
        };
        let pick = |names: &[&str]| -> Value {
            names.iter().map(|name| (name.to_string(), packet[*name].clone())).collect()
        };
        let about = pick(&["observation_reason", "target_name"]);
        let mut source = vec![("", &about), ("", &packet["diaSource"])];
        let mut dia_object = vec![("", &about), ("", &packet["diaObject"])];
        let versions =
            pick(&["fink_broker_version", "fink_science_version", "lsst_schema_version"]);
        if enriched {
            source.extend([("", &versions), ("clf_", &packet["clf"]), ("xm_", &packet["xm"])]);
            dia_object.extend([("", &packet["pred"]), ("", &packet["misc"])]);
        }
        offer(Table::Sources, true, &source);
        offer(Table::Objects, false, &dia_object);
        for entry in packet["prvDiaForcedSources"].as_array().unwrap() {
            offer(Table::Fp, false, &[("", entry)]);
        }
        let past = packet["prvDiaSources"].as_array().filter(|_| history);
        for entry in past.into_iter().flatten() {
            offer(Table::Sources, false, &[("", entry)]);
        }
    }
    let mut tables: Tables = Table::ALL.map(|table| (table, BTreeMap::new())).into();
    for ((table, id), (_, row)) in best {
        tables.entry(table).or_default().insert(id, row);
    }
    tables
}
