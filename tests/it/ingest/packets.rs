//! Synthetic packets: every container alike, bad packets listed, new fields.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, Float64Type, Int32Type};
use arrow_avro::compression::CompressionCodec;
use diaflight::schema::Table;
use serde_json::{Value, json};

use super::{Place, column, longs, some_alerts};
use crate::alerts::{Alert, Layout, packets};

#[tokio::test]
async fn every_container_gives_the_same_tables() {
    let alerts = packets(&some_alerts());
    let layout = Layout::enriched();
    let mut files = vec![
        ("parquet".to_string(), layout.parquet(&alerts)),
        ("nulls last".to_string(), layout.clone().nulls_last().avro(&alerts, None, 2)),
    ];
    for codec in [
        None,
        Some(CompressionCodec::Deflate),
        Some(CompressionCodec::Snappy),
        Some(CompressionCodec::ZStandard),
    ] {
        for per_block in [1, 3] {
            let name = format!("{codec:?}, {per_block} a block");
            files.push((name, layout.avro(&alerts, codec, per_block)));
        }
    }
    let mut first = None;
    for (name, bytes) in &files {
        let place = Place::new();
        let file = place.file("alerts", bytes);
        let summary = place.ingest_with(&[&file], true).await.unwrap();
        assert_eq!((summary.packets, summary.solar_system), (3, 1), "{name}");
        let tables = [
            place.served(Table::Sources).await,
            place.served(Table::Objects).await,
            place.served(Table::Fp).await,
        ];
        assert_eq!(longs(&tables[0], "r:diaSourceId"), [1001, 1007, 1009], "{name}");
        assert_eq!(longs(&tables[0], "r:diaObjectId"), [301, 301, 302], "{name}");
        assert_eq!(longs(&tables[1], "r:diaObjectId"), [301, 302], "{name}");
        assert_eq!(longs(&tables[2], "r:diaObjectId"), [301, 302, 302], "{name}");
        let types = column(&tables[0], "f:clf_cats_class").as_primitive::<Int32Type>();
        assert_eq!(types.iter().collect::<Vec<_>>(), [None, Some(11), Some(11)], "{name}");
        assert_eq!(first.get_or_insert(tables.clone()), &tables, "{name}");
    }
}

#[tokio::test]
async fn one_bad_packet_is_listed_and_the_rest_stay() {
    let good =
        Alert::new(301, 1001, 61000.5).with_history(1000, 60999.5).with_forced(5001, 60990.5);
    let changes: &[(&str, Value, &str)] = &[
        ("/diaSource/diaSourceId", json!(0), "diaSource.diaSourceId is 0"),
        ("/diaSource/diaSourceId", json!(-4), "diaSource.diaSourceId is -4"),
        ("/diaSource/diaSourceId", Value::Null, "diaSource.diaSourceId is missing"),
        ("/diaSource", Value::Null, "diaSource.diaSourceId is missing"),
        ("/diaSource/diaObjectId", json!(0), "diaSource.diaObjectId is 0"),
        ("/diaSource/midpointMjdTai", Value::Null, "diaSource.midpointMjdTai is missing"),
        ("/diaSource/midpointMjdTai", json!("NaN"), "diaSource.midpointMjdTai is NaN"),
        ("/diaObject/diaObjectId", Value::Null, "diaObject.diaObjectId is missing"),
        ("/diaObject/diaObjectId", json!(0), "diaObject.diaObjectId is 0"),
        ("/diaObject/diaObjectId", json!(-1), "diaObject.diaObjectId is -1"),
        (
            "/prvDiaForcedSources/0/diaForcedSourceId",
            Value::Null,
            "prvDiaForcedSources[0].diaForcedSourceId is missing",
        ),
        (
            "/prvDiaForcedSources/0/midpointMjdTai",
            Value::Null,
            "prvDiaForcedSources[0].midpointMjdTai is missing",
        ),
        (
            "/prvDiaForcedSources/0",
            Value::Null,
            "prvDiaForcedSources[0].diaForcedSourceId is missing",
        ),
        ("/prvDiaSources/0/diaSourceId", json!(0), "prvDiaSources[0].diaSourceId is 0"),
        (
            "/prvDiaSources/0/midpointMjdTai",
            Value::Null,
            "prvDiaSources[0].midpointMjdTai is missing",
        ),
    ];
    let mut alerts = vec![good.packet()];
    for (at, (pointer, value, _)) in changes.iter().enumerate() {
        let at = at as i64;
        let mut bad = Alert::new(400 + at, 2000 + at, 61000.5)
            .with_history(3000 + at, 60999.5)
            .with_forced(6000 + at, 60990.5)
            .packet();
        *bad.pointer_mut(pointer).unwrap() = value.clone();
        alerts.push(bad);
    }
    alerts.push(Alert::new(302, 1002, 61000.5).packet());
    for bytes in [Layout::raw().avro(&alerts, None, 4), Layout::raw().parquet(&alerts)] {
        let place = Place::new();
        let file = place.file("some.bad", bytes);
        let summary = place.ingest_with(&[&file], true).await.unwrap();
        assert_eq!(summary.packets, alerts.len() as u64);
        assert_eq!(summary.refused.count, changes.len() as u64, "{summary}");
        for (at, (refused, (_, _, reason))) in summary.refused.first.iter().zip(changes).enumerate()
        {
            assert_eq!((&refused.file, refused.record), (&file, at as u64 + 1));
            assert!(refused.reason.starts_with(reason), "{} is not {reason}", refused.reason);
        }
        let ids =
            async |table| longs(&place.served(table).await, &format!("r:{}", table.id_column()));
        assert_eq!(ids(Table::Sources).await, [1000, 1001, 1002]);
        assert_eq!(ids(Table::Objects).await, [301, 302]);
        assert_eq!(ids(Table::Fp).await, [5001]);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["refused"]["first"][0]["record"], 1);
        assert_eq!(json["sources"]["added"], 3);
    }
}

#[tokio::test]
async fn a_record_of_nulls_is_a_solar_system_alert() {
    let place = Place::new();
    let mut packet = Alert::of_solar_system(1001, 61000.5).packet();
    packet["diaObject"] = json!({});
    let file = place.file("sso.avro", Layout::raw().avro(&[packet], None, 1));
    let summary = place.ingest(&[&file]).await.unwrap();
    assert_eq!((summary.solar_system, summary.refused.count, summary.sources.added), (1, 0, 0));
}

#[tokio::test]
async fn a_new_scalar_field_is_a_column_and_a_nested_one_is_noted() {
    let item = Arc::new(arrow::datatypes::Field::new("item", DataType::Int32, true));
    let layout = Layout::enriched()
        .with("diaSource", "glow", DataType::Float32)
        .with("diaSource", "shape", DataType::List(item))
        .with("xm", "sky", DataType::Binary)
        .with("prvDiaForcedSources", "seeing", DataType::Float64);
    let mut packet = Alert::new(301, 1001, 61000.5).with_forced(5001, 60990.5).packet();
    packet["diaSource"]["glow"] = json!(2.5);
    packet["prvDiaForcedSources"][0]["seeing"] = json!(0.75);
    let place = Place::new();
    let file = place.file("new.avro", layout.avro(&[packet.clone()], None, 1));
    let again = place.file("again.parquet", layout.parquet(&[packet]));
    let summary = place.ingest(&[&file, &again]).await.unwrap();
    assert_eq!(summary.notes.len(), 2, "{:?}", summary.notes);
    assert!(summary.notes[0].starts_with("diaSource.shape is an array"));
    assert!(summary.notes[1].starts_with("xm.sky is bytes"));
    let sources = place.served(Table::Sources).await;
    assert_eq!(column(&sources, "r:glow").data_type(), &DataType::Float64);
    assert!(sources.column_by_name("r:shape").is_none());
    let fp = place.served(Table::Fp).await;
    assert_eq!(column(&fp, "r:seeing").as_primitive::<Float64Type>().value(0), 0.75);
}
