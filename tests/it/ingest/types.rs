//! The types of columns: the catalog's, whatever a file has; and what does not fit is refused by column and record.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, Float32Type, Int64Type};
use diaflight::error::Kind;
use diaflight::schema::Table;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::{WriterProperties, WriterVersion};
use serde_json::{Value, json};

use super::{Place, column, longs, names_and_types, real_alerts, some_alerts};
use crate::alerts::{Alert, Layout, packets};
use crate::python;
use crate::shared::FINK_PARQUET;

/// The same alerts through a data frame, and the type of each of its columns.
fn framed(place: &Place, alerts: &str) -> (String, String) {
    let frame = place.file("frame.parquet", "");
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/frame.py");
    let types = python::run(&script, &[alerts, &frame], &[]);
    (frame, types)
}

/// Writers begin a new page when one is full. The sections of many alerts fill several, of which none begins with an alert's first entry.
#[tokio::test]
async fn sections_may_have_many_pages() {
    let alerts: Vec<_> = (1..61)
        .map(|id| {
            let history = (1..5).map(|past| (1000 * past + id, 61100.0 + past as f64));
            let alert = Alert::new(id, 5000 + id, 61105.0).with_forced(id, 61105.0);
            history.fold(alert, |alert, (source, time)| alert.with_history(source, time))
        })
        .collect();
    let whole = Layout::enriched().parquet(&packets(&alerts));
    let rows = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(whole.clone())).unwrap();
    let rows: Vec<_> = rows.build().unwrap().map(Result::unwrap).collect();
    let mut served = Vec::new();
    for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
        let properties = WriterProperties::builder()
            .set_writer_version(version)
            .set_data_page_row_count_limit(7)
            .set_write_batch_size(7)
            .build();
        let mut writer =
            ArrowWriter::try_new(Vec::new(), rows[0].schema(), Some(properties)).unwrap();
        rows.iter().for_each(|batch| writer.write(batch).unwrap());
        served.push(writer.into_inner().unwrap());
    }
    let mut tables = Vec::new();
    for file in [&whole].into_iter().chain(&served) {
        let place = Place::new();
        let path = place.file("alerts.parquet", file);
        let summary = place.ingest_with(&[&path], true).await.unwrap();
        assert_eq!(summary.refused.count, 0, "{summary}");
        tables.push((place.served(Table::Sources).await, place.served(Table::Fp).await));
    }
    assert_eq!(tables[0].0.num_rows(), 300);
    assert!(tables[1..].iter().all(|other| *other == tables[0]));
}

/// Ingests the files one after the other in both orders, and the first alone: the tables are the same.
async fn assert_order_is_irrelevant(one: &str, other: &str, history: bool) {
    let mut tables = Vec::new();
    for files in [vec![one], vec![one, other], vec![other, one]] {
        let place = Place::new();
        for file in &files {
            let summary = place.ingest_with(&[file], history).await.unwrap();
            assert_eq!(summary.refused.count, 0, "{summary}");
        }
        let mut served = Vec::new();
        for table in Table::ALL {
            served.push(place.served(table).await);
        }
        tables.push(served);
    }
    for other in &tables[1..] {
        for (expected, got) in tables[0].iter().zip(other) {
            let sorted = |batch: &arrow::array::RecordBatch| {
                let mut columns = names_and_types(batch.schema_ref());
                columns.sort_by(|a, b| a.0.cmp(&b.0));
                columns
            };
            assert_eq!(sorted(expected), sorted(got));
            for field in expected.schema().fields() {
                assert_eq!(column(expected, field.name()), column(got, field.name()), "{field}");
            }
        }
    }
}

#[tokio::test]
async fn avro_and_a_data_frame_give_the_same_tables_in_any_order() {
    let place = Place::new();
    let alerts = packets(&some_alerts());
    let avro = place.file("alerts.avro", Layout::enriched().avro(&alerts, None, 2));
    let parquet = place.file("alerts.parquet", Layout::enriched().parquet(&alerts));
    let (frame, types) = framed(&place, &parquet);
    assert!(types.contains("psfFlux: double") && types.contains("detector: int64"), "{types}");
    for history in [false, true] {
        assert_order_is_irrelevant(&avro, &frame, history).await;
    }
}

#[tokio::test]
async fn real_alerts_and_their_data_frame_give_the_same_tables_in_any_order() {
    let Some(parquet) = real_alerts(FINK_PARQUET) else { return };
    let place = Place::new();
    let (frame, types) = framed(&place, &parquet);
    assert!(types.contains("psfFlux: double"), "{types}");
    assert_order_is_irrelevant(&parquet, &frame, false).await;
}

/// One alert whose `field` of a section has another type and value.
fn changed(section: &str, field: &str, data_type: DataType, value: Value) -> Vec<u8> {
    let mut packet = Alert::new(301, 1001, 61000.5).with_forced(5001, 60990.5).packet();
    let place = match section {
        "prvDiaForcedSources" => &mut packet[section][0],
        _ => &mut packet[section],
    };
    place[field] = value;
    let mut good = Alert::of_solar_system(1002, 61000.5).packet();
    if section == "diaSource" {
        good[section][field] = Value::Null;
    }
    let layout = Layout::raw().without(section, field).with(section, field, data_type);
    layout.parquet(&[good, packet])
}

#[tokio::test]
async fn a_value_that_is_not_exact_is_refused_by_column_and_record() {
    use DataType::{Boolean, Float64, Int64, Utf8};
    let place = Place::new();
    let forced = "prvDiaForcedSources";
    for (section, field, data_type, value, said) in [
        (
            "diaSource",
            "psfFlux",
            Float64,
            json!(0.1),
            "diaSource.psfFlux is 0.1, which is not exactly a float",
        ),
        (
            "diaSource",
            "detector",
            Int64,
            json!(1_i64 << 31),
            "diaSource.detector is 2147483648, which is not",
        ),
        (
            "diaSource",
            "diaSourceId",
            Float64,
            json!(1.700944562723227e17),
            "diaSource.diaSourceId is 1.7",
        ),
        (
            "diaObject",
            "diaObjectId",
            Float64,
            json!(301.5),
            "diaObject.diaObjectId is 301.5, which is not",
        ),
        (
            forced,
            "psfFlux",
            Float64,
            json!(0.1),
            "prvDiaForcedSources[0].psfFlux is 0.1, which is not",
        ),
    ] {
        let bytes = changed(section, field, data_type, value);
        let error = place.refusal("inexact.parquet", bytes).await;
        assert_eq!(error.kind(), Kind::Input, "{error}");
        for part in ["record 1 (the first is 0)", said] {
            assert!(error.to_string().contains(part), "{part}: {error}");
        }
    }
    for (field, data_type, value, said) in [
        ("psfFlux", Utf8, json!("0.5"), "diaSource.psfFlux is of type string; float is expected"),
        (
            "detector",
            Boolean,
            json!(true),
            "diaSource.detector is of type boolean; int is expected",
        ),
        ("band", Int64, json!(3), "diaSource.band is of type long; string is expected"),
    ] {
        let error =
            place.refusal("kind.parquet", changed("diaSource", field, data_type, value)).await;
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn what_is_exact_takes_the_columns_type() {
    let place = Place::new();
    let id = place
        .file("id.parquet", changed("diaSource", "diaSourceId", DataType::Float64, json!(1001.0)));
    place.ingest(&[&id]).await.unwrap();
    let nan = changed("diaSource", "psfFlux", DataType::Float64, json!("NaN"));
    place.ingest(&[&place.file("nan.parquet", nan)]).await.unwrap();
    let sources = place.served(Table::Sources).await;
    assert_eq!(longs(&sources, "r:diaSourceId"), [1001]);
    assert_eq!(column(&sources, "r:psfFlux").data_type(), &DataType::Float32);
}

#[tokio::test]
async fn unknown_columns_do_not_depend_on_the_width_that_comes_first() {
    use DataType::{Float32, Float64, Int32, Int64};
    let file = |place: &Place, id: i64, count: DataType, glow: DataType| {
        let layout =
            Layout::raw().with("diaSource", "count", count).with("diaSource", "glow", glow);
        let mut packet = Alert::new(301, id, 61000.5).packet();
        packet["diaSource"]["count"] = json!(7);
        packet["diaSource"]["glow"] = json!(2.5);
        place.file(&format!("{id}.parquet"), layout.parquet(&[packet]))
    };
    for together in [true, false] {
        for narrow_first in [true, false] {
            let place = Place::new();
            let narrow = file(&place, 1001, Int32, Float32);
            let wide = file(&place, 1002, Int64, Float64);
            let files = if narrow_first { [&*narrow, &*wide] } else { [&*wide, &*narrow] };
            match together {
                true => drop(place.ingest(&files).await.unwrap()),
                false => {
                    for file in files {
                        place.ingest(&[file]).await.unwrap();
                    }
                }
            }
            let sources = place.served(Table::Sources).await;
            assert_eq!(column(&sources, "r:count").as_primitive::<Int64Type>().values(), &[7, 7]);
            assert_eq!(column(&sources, "r:glow").data_type(), &Float64);
        }
    }
}

#[tokio::test]
async fn files_without_history_are_as_those_without_the_sections() {
    let place = Place::new();
    let alone = packets(&[Alert::new(301, 1001, 61000.5), Alert::new(302, 1002, 61000.5)]);
    let sections = ["prvDiaSources", "prvDiaForcedSources"];
    let nothing = |value: Value| {
        let mut alerts = alone.clone();
        for alert in &mut alerts {
            sections.iter().for_each(|section| alert[*section] = value.clone());
        }
        alerts
    };
    for (alerts, said) in [(nothing(Value::Null), "null"), (nothing(json!([])), "list<")] {
        let parquet = place.file("alone.parquet", Layout::enriched().parquet(&alerts));
        let (frame, types) = framed(&place, &parquet);
        assert!(types.contains(&format!("prvDiaForcedSources {said}")), "{types}");
        assert!(!types.contains("prvDiaForcedSources list<element: struct"), "{types}");
        let target = Place::new();
        let summary = target.ingest_with(&[&frame], true).await.unwrap();
        assert_eq!((summary.sources.added, summary.fp.added), (2, 0), "{summary}");
        let night = Place::new();
        let full =
            place.file("full.avro", Layout::enriched().avro(&packets(&some_alerts()), None, 2));
        let summary = night.ingest_with(&[&frame, &full], true).await.unwrap();
        // One of the frame's sources is in the history of another alert, too.
        assert_eq!((summary.sources.added, summary.fp.added), (4, 3), "{summary}");
    }
}

#[tokio::test]
async fn files_of_solar_system_alerts_alone_are_taken() {
    let place = Place::new();
    let alerts = [Alert::of_solar_system(1008, 61000.5), Alert::of_solar_system(1009, 61000.5)];
    let parquet = place.file("sso.parquet", Layout::enriched().parquet(&packets(&alerts)));
    let (frame, types) = framed(&place, &parquet);
    assert!(types.contains("diaObject null"), "{types}");
    let summary = place.ingest(&[&frame]).await.unwrap();
    assert_eq!((summary.packets, summary.solar_system, summary.refused.count), (2, 2, 0));
    let avro = place.file("full.avro", Layout::enriched().avro(&packets(&some_alerts()), None, 2));
    assert_eq!(place.ingest(&[&frame, &avro]).await.unwrap().objects.added, 2);
    let sources = place.served(Table::Sources).await;
    assert_eq!(column(&sources, "r:psfFlux").as_primitive::<Float32Type>().null_count(), 0);
}

#[tokio::test]
async fn names_that_differ_in_case_alone_are_refused_before_anything_is_read() {
    let place = Place::new();
    let layout = Layout::raw().with("diaSource", "psffLux", DataType::Float32);
    let alerts = packets(&some_alerts());
    let error = place.refusal("twice.avro", layout.avro(&alerts, None, 3)).await.to_string();
    assert!(error.contains("diaSource.psffLux") && error.contains("diaSource.psfFlux"), "{error}");

    place.ingest(&[&place.file("good.avro", Layout::raw().avro(&alerts, None, 3))]).await.unwrap();
    let other = Layout::raw().without("diaSource", "psfFlux");
    let other = other.with("diaSource", "psffLux", DataType::Float32);
    let mut broken = other.avro(&alerts, None, 3);
    // The records are damaged: the names are told without them.
    let end = broken.len();
    broken[end - 40] ^= 0xff;
    let error = place.ingest(&[&place.file("other.avro", broken)]).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Input);
    for part in ["other.avro", "table sources", "psffLux", "psfFlux"] {
        assert!(error.to_string().contains(part), "{error}");
    }
}
