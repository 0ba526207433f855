//! Files that are damaged, or not of alerts: the whole call is refused, with the place.

use arrow::datatypes::DataType;
use arrow_avro::compression::CompressionCodec;
use diaflight::error::Kind;
use serde_json::json;

use super::{Place, some_alerts};
use crate::alerts::{Layout, packets};

#[tokio::test]
async fn a_damaged_file_is_refused_with_its_place() {
    let place = Place::new();
    let alerts = packets(&some_alerts());
    for codec in [None, Some(CompressionCodec::Deflate), Some(CompressionCodec::Snappy)] {
        let whole = Layout::raw().avro(&alerts, codec, 1);
        let sync = whole[whole.len() - 16..].to_vec();
        let is_sync = |at: &usize| whole[*at..].starts_with(&sync);
        let ends: Vec<_> = (0..=whole.len() - 16).filter(is_sync).map(|at| at + 16).collect();
        let [header, first, second, end] = ends[..] else { panic!("{ends:?}") };
        assert_eq!(end, whole.len());
        for cut in
            [2, header - 1, header + 1, header + 2, first - 20, first - 1, second + 5, end - 1]
        {
            let error = place.refusal("cut.avro", &whole[..cut]).await;
            assert_eq!(error.kind(), Kind::Input, "{cut}: {error}");
            let block = match cut {
                _ if cut < header => None,
                _ if cut < first => Some(format!("block 0 at byte {header}")),
                _ => Some(format!("block 2 at byte {second}")),
            };
            let text = error.to_string();
            assert!(block.is_none_or(|block| text.contains(&block)), "{cut}: {error}");
        }
        let mut marker = whole.clone();
        marker[first - 1] ^= 1;
        let error = place.refusal("marker.avro", marker).await.to_string();
        assert!(error.contains("block 0") && error.contains("sync marker"), "{error}");
    }
    let parquet = Layout::raw().parquet(&alerts);
    let error = place.refusal("cut.parquet", &parquet[..parquet.len() - 1]).await;
    assert_eq!(error.kind(), Kind::Input, "{error}");
}

#[tokio::test]
async fn damage_within_a_block_is_refused_with_its_record() {
    let place = Place::new();
    let whole = Layout::raw().avro(&packets(&some_alerts()), None, 3);
    let sync = whole[whole.len() - 16..].to_vec();
    let header = (0..whole.len()).find(|at| whole[*at..].starts_with(&sync)).unwrap() + 16;
    // The block of 3 records says it has 2, or 4.
    for (records, said) in [(2, "after its 2 records"), (4, "record 3")] {
        let mut other = whole.clone();
        assert_eq!(other[header], 3 << 1);
        other[header] = records << 1;
        let error = place.refusal("count.avro", other).await.to_string();
        assert!(error.contains("block 0") && error.contains(said), "{error}");
    }
    // A text of negative length: after the count, the length and diaSourceId comes observation_reason.
    let mut text = whole.clone();
    text[header + 7] = 0x7f;
    let error = place.refusal("text.avro", text).await;
    assert_eq!(error.kind(), Kind::Input, "{error}");
    assert!(error.to_string().contains("record 0"), "{error}");
}

#[tokio::test]
async fn what_is_not_a_file_of_alerts_is_refused() {
    let place = Place::new();
    let error = place.refusal("notes.txt", "not alerts").await;
    assert_eq!(error.kind(), Kind::Input);
    assert!(error.to_string().contains("neither Avro"), "{error}");
    assert!(place.refusal("nothing", "").await.to_string().contains("empty"));
    let alerts = packets(&some_alerts());
    for (section, field) in [
        ("", "diaSource"),
        ("", "diaObject"),
        ("diaSource", "diaSourceId"),
        ("diaSource", "midpointMjdTai"),
        ("diaObject", "diaObjectId"),
        ("prvDiaForcedSources", "diaForcedSourceId"),
        ("prvDiaForcedSources", "midpointMjdTai"),
    ] {
        let layout = Layout::raw().without(section, field);
        for (name, bytes) in
            [("a.avro", layout.avro(&alerts, None, 9)), ("a.parquet", layout.parquet(&alerts))]
        {
            let error = place.refusal(name, bytes).await;
            assert_eq!(error.kind(), Kind::Input, "{error}");
            let text = error.to_string();
            assert!(text.contains(section) && text.contains(field), "{section}.{field}: {error}");
        }
    }
    let twice = Layout::enriched().with("pred", "ra", DataType::Float64);
    let error = place.refusal("twice.avro", twice.avro(&alerts, None, 9)).await.to_string();
    assert!(error.contains("pred.ra") && error.contains("diaObject.ra"), "{error}");
    let text = Layout::raw().without("diaSource", "diaSourceId");
    let text = text.with("diaSource", "diaSourceId", DataType::Boolean);
    let bytes = text.parquet(&[json!({ "diaSource": { "diaSourceId": true } })]);
    let error = place.refusal("typed.parquet", bytes).await.to_string();
    assert!(error.contains("diaSource.diaSourceId is of type boolean; long"), "{error}");
}

#[tokio::test]
async fn an_error_in_one_file_leaves_nothing_of_the_others() {
    let place = Place::new();
    let good = Layout::raw().avro(&packets(&some_alerts()), None, 9);
    let good = place.file("a.avro", good);
    let bad = place.file("b.avro", "x");
    let error = place.ingest(&[&good, &bad]).await.unwrap_err();
    assert!(error.to_string().contains("b.avro"), "{error}");
    assert!(place.is_empty().await);
}
