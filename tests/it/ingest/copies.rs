//! Which copy of a row an ingest keeps, tested through the program.

use std::fs;
use std::path::Path;

use arrow::array::AsArray;
use arrow::datatypes::{Float32Type, Int32Type};
use diaflight::schema::Table;
use serde_json::{Value, json};

use super::{Place, column, longs};
use crate::alerts::{Alert, Layout};
use crate::program::run;
use crate::{nights, program};

fn ingest(warehouse: &Path, arguments: &[&str]) -> program::Finished {
    let warehouse = ["ingest", "--warehouse", warehouse.to_str().unwrap()];
    run(warehouse.iter().chain(arguments)).succeeded()
}

/// The actions of a version of a table's log.
fn log(warehouse: &Path, table: &str, version: u64) -> Vec<Value> {
    let path = warehouse.join(format!("{table}/_delta_log/{version:020}.json"));
    fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// An alert of one object with the forced photometry of all nights until then.
fn alert(night: i64) -> Alert {
    let mjd = |night: i64| 61000.25 + night as f64;
    let alert = Alert::new(301, 1000 + night, mjd(night));
    (0..30 + night).fold(alert, |alert, visit| alert.with_forced(5000 + visit, mjd(visit - 30)))
}

#[test]
fn forced_photometry_that_comes_again_is_present_and_no_file_is_written_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse");
    let nights = [1, 2].map(|night| {
        nights::write_packets(folder.path(), &format!("{night}.avro"), &[alert(night).packet()])
    });
    ingest(&warehouse, &[&nights[0]]);
    let second = ingest(&warehouse, &[&nights[1]]);
    let expected = "fp: 1 added, 0 replaced, 31 already present";
    assert!(second.stdout.contains(expected), "{}", second.stdout);
    let actions = log(&warehouse, "fp", 1);
    let count = |kind: &str| actions.iter().filter(|action| action.get(kind).is_some()).count();
    assert_eq!((count("add"), count("remove")), (1, 0), "{actions:?}");
    // The first night again, though its alert is the older one.
    let first = ingest(&warehouse, &["--json", &nights[0]]).json();
    assert_eq!(first["fp"], json!({ "added": 0, "replaced": 0, "present": 31 }));
    assert!(!warehouse.join(format!("fp/_delta_log/{:020}.json", 2)).exists());
}

#[test]
fn times_that_are_none_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().join("warehouse");
    let mut wrong = alert(1).packet();
    wrong["diaSource"]["midpointMjdTai"] = json!(1480360995.0);
    let good = Alert::new(302, 900, 61000.25).packet();
    let few = nights::write_packets(folder.path(), "few.avro", &[good, wrong.clone()]);
    let summary = ingest(&warehouse, &["--json", &few]).json();
    let expected = json!({ "count": 1, "first": [{
        "file": few, "record": 1, "column": "diaSource.midpointMjdTai", "value": 1480360995.0,
        "expected": "an MJD from 40000 to 100000",
    }] });
    assert_eq!(summary["implausible_times"], expected);
    assert_eq!(summary["sources"]["added"], 2);

    for entry in wrong["prvDiaForcedSources"].as_array_mut().unwrap() {
        entry["midpointMjdTai"] = json!(0.5);
    }
    let many = nights::write_packets(folder.path(), "many.avro", &[wrong]);
    let summary = ingest(&warehouse, &[&many]).stdout;
    for part in [
        "32 times are implausible",
        "many.avro, record 0 (the first is 0): diaSource.midpointMjdTai is 1480360995; an MJD from 40000 to 100000 is expected",
        "prvDiaForcedSources[18].midpointMjdTai is 0.5",
        "and 12 more",
    ] {
        assert!(summary.contains(part), "no {part}: {summary}");
    }
    assert!(!summary.contains("prvDiaForcedSources[19]"), "{summary}");
}

/// A time of seconds since 1970 is later than any other, and no alert would ever have replaced it.
#[tokio::test]
async fn an_object_is_not_kept_by_a_time_that_is_none() {
    let wrong = {
        let mut packet = alert(7).packet();
        packet["diaSource"]["midpointMjdTai"] = json!(1480360995.0);
        packet
    };
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let place = Place::new();
        let packets = [alert(1).packet(), wrong.clone(), alert(2).packet()];
        for at in order {
            let file = place.file("alert.avro", Layout::raw().avro(&packets[at..=at], None, 1));
            assert!(place.ingest(&[&file]).await.unwrap().refused.count == 0);
        }
        let objects = place.served(Table::Objects).await;
        let flux = column(&objects, "r:r_psfFluxMean").as_primitive::<Float32Type>().value(0);
        assert_eq!(flux, alert(2).source.flux, "{order:?}");
        assert_eq!(longs(&place.served(Table::Sources).await, "r:diaSourceId"), [1001, 1002, 1007]);
    }
}

/// Fink processes an alert again: the newest version of source and object stays, whichever came first.
#[tokio::test]
async fn the_newest_version_of_an_alert_stays() {
    let copy = |version: &str, class: i32| {
        let mut packet = alert(1).packet();
        packet["fink_broker_version"] = json!(version);
        packet["clf"]["cats_class"] = json!(class);
        packet["pred"]["main_label_classifier"] = json!(class);
        packet
    };
    let copies = [copy("8.39", 11), copy("9.0", 12), copy("10.0", 13)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let place = Place::new();
        for at in order {
            let file = place.file("copy.avro", Layout::enriched().avro(&copies[at..=at], None, 1));
            place.ingest(&[&file]).await.unwrap();
        }
        for (table, name) in
            [(Table::Sources, "f:clf_cats_class"), (Table::Objects, "f:main_label_classifier")]
        {
            let rows = place.served(table).await;
            let class = column(&rows, name).as_primitive::<Int32Type>().iter().collect::<Vec<_>>();
            assert_eq!(class, [Some(13)], "{order:?}");
        }
    }
}
