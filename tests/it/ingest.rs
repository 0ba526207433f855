//! Ingest of alert files: what comes out of the real ones, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int32Type, Int64Type, Schema};
use arrow_avro::compression::CompressionCodec;
use diaflight::error::{Error, Kind, Result};
use diaflight::ingest::{IngestOptions, Progress, Summary, ingest};
use diaflight::schema::{Table, served_columns};
use diaflight::warehouse::Warehouse;
use object_store::ObjectStoreExt;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::alerts::{Alert, Layout, packets};

/// A warehouse and a folder for inputs, gone after the test.
struct Place {
    dir: TempDir,
    warehouse: Warehouse,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(dir.path().join("warehouse").to_str().unwrap()).unwrap();
        Self { dir, warehouse }
    }

    /// Writes an input file.
    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join("in").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_string()
    }

    async fn ingest_with(&self, inputs: &[&str], history: bool) -> Result<Summary> {
        let inputs: Vec<_> = inputs.iter().map(|input| input.to_string()).collect();
        let options = IngestOptions { history, memory_bytes: 64 << 20, temp_dir: None };
        ingest(&self.warehouse, &inputs, &options, &|_| {}).await
    }

    async fn ingest(&self, inputs: &[&str]) -> Result<Summary> {
        self.ingest_with(inputs, false).await
    }

    /// Ingests one file of packets and gives the error.
    async fn refusal(&self, name: &str, bytes: impl AsRef<[u8]>) -> Error {
        let file = self.file(name, bytes);
        let error = self.ingest(&[&file]).await.expect_err(name);
        assert!(error.to_string().contains(name), "{error} does not name {name}");
        assert!(self.is_empty().await, "{name} left something behind");
        error
    }

    async fn is_empty(&self) -> bool {
        let mut empty = true;
        for table in Table::ALL {
            empty &= self.warehouse.snapshot(table, None).await.unwrap().is_none();
        }
        empty
    }

    /// The served columns of a table, by served name; rows by id.
    async fn served(&self, table: Table) -> RecordBatch {
        let snapshot = self.warehouse.snapshot(table, None).await.unwrap().expect("the table");
        let mut batches = Vec::new();
        for file in &snapshot.files {
            let bytes = snapshot.store.get(&file.path).await.unwrap().bytes().await.unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap();
            batches.extend(reader.map(|batch| {
                let batch = batch.unwrap();
                let column = |name: &String| batch.column_by_name(name).unwrap().clone();
                let names = snapshot.schema.fields().iter().map(|field| field.name());
                RecordBatch::try_from_iter(names.map(|name| (name, column(name)))).unwrap()
            }));
        }
        let all = match batches.first() {
            Some(first) => concat_batches(&first.schema(), &batches).unwrap(),
            None => RecordBatch::new_empty(snapshot.schema.clone()),
        };
        let served = served_columns(&snapshot.schema).into_iter();
        let served = served.map(|(name, at)| (name, all.column(at).clone()));
        by_id(
            &RecordBatch::try_from_iter_with_nullable(served.map(|(n, a)| (n, a, true))).unwrap(),
            table,
        )
    }
}

fn by_id(batch: &RecordBatch, table: Table) -> RecordBatch {
    let values = batch.column_by_name(&format!("r:{}", table.id_column())).unwrap().clone();
    let order =
        lexsort_to_indices(&[arrow::compute::SortColumn { values, options: None }], None).unwrap();
    take_record_batch(batch, &order).unwrap()
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    batch.column_by_name(name).unwrap_or_else(|| panic!("no column {name}"))
}

fn longs(batch: &RecordBatch, name: &str) -> Vec<i64> {
    column(batch, name).as_primitive::<Int64Type>().values().to_vec()
}

fn names_and_types(schema: &Schema) -> Vec<(String, DataType)> {
    schema.fields().iter().map(|f| (f.name().clone(), f.data_type().clone())).collect()
}

/// A file beside the project; `None`, said aloud, where there is none.
fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(path);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

fn real_alerts(name: &str) -> Option<String> {
    Some(shared(&format!("data/rubin-alerts/{name}"))?.to_str().unwrap().to_string())
}

fn expected(table: Table) -> RecordBatch {
    let path = format!("conformance/cases/expected/{}-all-full.parquet", table.name());
    let file = std::fs::File::open(shared(&path).unwrap()).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let schema = builder.schema().clone();
    let batches: Vec<_> = builder.build().unwrap().map(|batch| batch.unwrap()).collect();
    by_id(&concat_batches(&schema, &batches).unwrap(), table)
}

const SET_A: &str = "part-2-918301.avro";
const SCIENCE: &str = "fink-science-v10_0-first12.parquet";

#[tokio::test]
async fn real_alerts_give_the_expected_tables() {
    let Some(file) = real_alerts(SET_A) else { return };
    let place = Place::new();
    let summary = place.ingest(&[&file]).await.unwrap();
    assert_eq!((summary.files, summary.packets, summary.solar_system), (1, 7, 2));
    assert_eq!((summary.sources.added, summary.objects.added, summary.fp.added), (5, 5, 2321));
    assert_eq!((summary.refused.len(), summary.notes.len()), (0, 0));
    for table in Table::ALL {
        let (got, want) = (place.served(table).await, expected(table));
        assert_eq!(names_and_types(got.schema_ref()), names_and_types(want.schema_ref()));
        for (field, (got, want)) in
            want.schema().fields().iter().zip(got.columns().iter().zip(want.columns()))
        {
            assert_eq!(got, want, "{} {}", table.name(), field.name());
        }
    }
}

#[tokio::test]
async fn history_adds_sources_with_rubin_columns_alone() {
    let Some(file) = real_alerts(SET_A) else { return };
    let place = Place::new();
    place.ingest(&[&file]).await.unwrap();
    let without = place.served(Table::Sources).await;
    let summary = place.ingest_with(&[&file], true).await.unwrap();
    assert_eq!((summary.sources.added, summary.sources.present), (1734, 5));
    let sources = place.served(Table::Sources).await;
    assert_eq!(sources.num_rows(), 1739);
    assert_eq!(sources.schema(), without.schema());

    let ids = longs(&sources, "r:diaSourceId");
    let pair = [170050478892122162, 170050478892122163].map(|id| ids.binary_search(&id).unwrap());
    let times = column(&sources, "r:midpointMjdTai").as_primitive::<Float64Type>();
    for at in pair {
        assert_eq!(longs(&sources, "r:diaObjectId")[at], 313897383979122767);
        assert_eq!(format!("{:.10}", times.value(at)), "61095.0636826744");
        for (field, values) in sources.schema().fields().iter().zip(sources.columns()) {
            let of_alert = field.name().starts_with("f:");
            let of_alert = of_alert
                || ["r:observation_reason", "r:target_name"].contains(&field.name().as_str());
            assert!(!of_alert || values.is_null(at), "{} of {}", field.name(), ids[at]);
        }
        assert!(column(&sources, "r:psfFlux").is_valid(at));
    }
    let own =
        ids.iter().enumerate().filter(|(_, id)| longs(&without, "r:diaSourceId").contains(id));
    let own = Int64Array::from(own.map(|(at, _)| at as i64).collect::<Vec<_>>());
    assert_eq!(take_record_batch(&sources, &own).unwrap(), without);
}

#[tokio::test]
async fn science_parquet_gives_its_nested_values() {
    let Some(file) = real_alerts(SCIENCE) else { return };
    let place = Place::new();
    let summary = place.ingest(&[&file]).await.unwrap();
    assert_eq!((summary.packets, summary.solar_system, summary.refused.len()), (12, 0, 0));
    assert_eq!((summary.sources.added, summary.objects.added, summary.fp.added), (12, 12, 0));

    let reader = std::fs::File::open(&file).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(reader).unwrap().build().unwrap();
    let nested = reader.map(|batch| batch.unwrap()).next().unwrap();
    let section = |name: &str| nested.column_by_name(name).unwrap().as_struct().clone();
    let sources = place.served(Table::Sources).await;
    let id = section("diaSource").column_by_name("diaSourceId").unwrap().clone();
    let order = arrow::compute::sort_to_indices(&id, None, None).unwrap();
    for (record, prefix) in [("diaSource", "r:"), ("xm", "f:xm_"), ("clf", "f:clf_")] {
        for (field, values) in section(record).fields().iter().zip(section(record).columns()) {
            let want = arrow::compute::take(values, &order, None).unwrap();
            let name = format!("{prefix}{}", field.name());
            assert_eq!(column(&sources, &name), &want, "{name}");
        }
    }
    assert_eq!(column(&sources, "f:xm_spicy_SPICY").data_type(), &DataType::Int32);
    let fp = place.served(Table::Fp).await;
    assert_eq!((fp.num_rows(), fp.num_columns()), (0, expected(Table::Fp).num_columns()));
}

#[tokio::test]
async fn raw_packets_of_both_schemas_take_the_object_of_their_alert() {
    for (name, source_columns) in
        [("lsst-v10_0-fakeAlert.avro", 100), ("lsst-v7_4-fakeAlert.avro", 140)]
    {
        let Some(file) = real_alerts(name) else { return };
        let place = Place::new();
        let summary = place.ingest_with(&[&file], true).await.unwrap();
        assert_eq!((summary.packets, summary.refused.len()), (1, 0), "{name}");
        assert_eq!(
            (summary.sources.added, summary.objects.added, summary.fp.added),
            (3, 1, 1),
            "{name}"
        );
        for table in Table::ALL {
            let served = place.served(table).await;
            let objects = longs(&served, "r:diaObjectId");
            assert!(objects.iter().all(|id| *id == 281323062375219201), "{name}: {objects:?}");
            assert!(!served.schema().fields().iter().any(|f| f.name().starts_with("f:")), "{name}");
        }
        let sources = place.served(Table::Sources).await;
        assert_eq!(sources.num_columns(), source_columns, "{name}");
        assert!(longs(&sources, "r:diaSourceId").contains(&281323062375219200), "{name}");
    }
}

/// Alerts of two objects with history, forced photometry, and a Solar System alert between them.
fn some_alerts() -> Vec<Alert> {
    vec![
        Alert::new(301, 1007, 61000.5).with_history(1001, 60990.5).with_forced(5001, 60990.5),
        Alert::of_solar_system(1008, 61000.5),
        Alert::new(302, 1009, 61000.75).with_forced(5002, 60990.5).with_forced(5003, 60991.5),
    ]
}

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
    // A union branch that does not exist, where the first record begins: after the count and length.
    let mut branch = whole.clone();
    branch[header + 3] = 8;
    let error = place.refusal("branch.avro", branch).await;
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
        assert_eq!(summary.refused.len(), changes.len(), "{summary}");
        for (at, (refused, (_, _, reason))) in summary.refused.iter().zip(changes).enumerate() {
            assert_eq!((&refused.file, refused.record), (&file, at as u64 + 1));
            assert!(refused.reason.starts_with(reason), "{} is not {reason}", refused.reason);
        }
        let ids =
            async |table| longs(&place.served(table).await, &format!("r:{}", table.id_column()));
        assert_eq!(ids(Table::Sources).await, [1000, 1001, 1002]);
        assert_eq!(ids(Table::Objects).await, [301, 302]);
        assert_eq!(ids(Table::Fp).await, [5001]);
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(json["refused"][0]["record"], 1);
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
    assert_eq!((summary.solar_system, summary.refused.len(), summary.sources.added), (1, 0, 0));
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
    assert_eq!(column(&sources, "r:glow").data_type(), &DataType::Float32);
    assert!(sources.column_by_name("r:shape").is_none());
    let fp = place.served(Table::Fp).await;
    assert_eq!(column(&fp, "r:seeing").as_primitive::<Float64Type>().value(0), 0.75);
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

#[tokio::test]
async fn folders_and_prefixes_are_read_with_all_below() {
    let place = Place::new();
    let alert = |id| Layout::raw().avro(&[Alert::new(id, id, 61000.5).packet()], None, 1);
    place.file("night/b/1.avro", alert(1));
    place.file("night/a/2", alert(2));
    place.file("night/a/3.parquet", Layout::raw().parquet(&[Alert::new(3, 3, 61000.5).packet()]));
    place.file("night/_SUCCESS", "");
    place.file("night/a/.2.crc", "crc");
    place.file("night/_temporary/0", "half");
    let folder = place.dir.path().join("in/night");
    let summary = place.ingest(&[folder.to_str().unwrap()]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (3, 3));
    let url = url::Url::from_directory_path(&folder).unwrap();
    assert_eq!(place.ingest(&[url.as_str()]).await.unwrap().sources.present, 3);

    let store = diaflight::warehouse::Location::parse("memory://ingest-prefix").unwrap().store;
    for (path, id) in [("night/b/1.avro", 4), ("night/a/2", 5), ("nightly", 6)] {
        store.put(&path.into(), alert(id).into()).await.unwrap();
    }
    store.put(&"night/_SUCCESS".into(), Vec::new().into()).await.unwrap();
    store.put(&"night/a".into(), Vec::new().into()).await.unwrap();
    let summary = place.ingest(&["memory://ingest-prefix/night"]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (2, 2));
    let summary = place.ingest(&["memory://ingest-prefix/nightly"]).await.unwrap();
    assert_eq!((summary.files, summary.sources.added), (1, 1));
}

#[tokio::test]
async fn an_input_without_files_is_refused_by_name() {
    let place = Place::new();
    let empty = place.dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (inputs, kind, said) in [
        (vec![], Kind::Argument, "nothing to ingest"),
        (vec![" "], Kind::Argument, "empty"),
        (vec!["/no/such/folder"], Kind::NotFound, "/no/such/folder"),
        (vec![empty.to_str().unwrap()], Kind::Input, "no file in it"),
        (vec!["memory://ingest-nothing/here"], Kind::Input, "memory://ingest-nothing/here"),
        (vec!["ftp://host/alerts"], Kind::Argument, "ftp"),
    ] {
        let error = place.ingest(&inputs).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[tokio::test]
async fn progress_reaches_the_whole() {
    let place = Place::new();
    let alerts = packets(&some_alerts());
    let inputs = [
        place.file("1", Layout::raw().avro(&alerts, None, 1)),
        place.file("2", Layout::raw().parquet(&alerts)),
    ];
    let seen = std::sync::Mutex::new(Vec::<Progress>::new());
    let options = IngestOptions { history: false, memory_bytes: 64 << 20, temp_dir: None };
    let note = |progress| seen.lock().unwrap().push(progress);
    let summary = ingest(&place.warehouse, &inputs, &options, &note).await.unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.is_sorted_by_key(|p| (p.files, p.bytes, p.packets)), "{seen:?}");
    let last = seen.last().unwrap();
    assert_eq!((last.files, last.files_total, last.packets), (2, 2, 6));
    assert_eq!((last.bytes, last.bytes_total), (summary.bytes, summary.bytes));
}
