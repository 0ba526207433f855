//! The views of SQL over a generated survey and real alerts: their rows, held against the tables they read.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use arrow::json::ArrayWriter;
use chrono::DateTime;
use diaflight::ingest::{IngestOptions, ingest};
use diaflight::query::{Engine, EngineOptions};
use diaflight::sql::{RelationKind, Sql, SqlOptions};
use diaflight::survey::{Generated, Nights, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use diaflight::workers::Workers;
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::shared;

fn warehouse() -> Warehouse {
    Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap()
}

async fn sql(warehouse: &Warehouse) -> Sql {
    let engine = Engine::open(EngineOptions::from_warehouse(warehouse)).await.unwrap();
    Sql::new(engine, Workers::new().unwrap(), &SqlOptions::DEFAULT).unwrap()
}

async fn survey(objects: u64) -> (Sql, Generated) {
    let warehouse = warehouse();
    let options = SurveyOptions { objects, seed: 11, nights: Nights::ALL };
    let generated = generate(&warehouse, &options, &|_| {}).await.unwrap();
    (sql(&warehouse).await, generated)
}

/// The rows of a statement, as JSON objects.
async fn rows(sql: &Sql, text: &str) -> Vec<Value> {
    let rows = sql.prepare(text, None).await.unwrap().run().await.unwrap();
    let batches: Vec<_> = rows.try_collect().await.unwrap();
    let mut writer = ArrayWriter::new(Vec::new());
    writer.write_batches(&batches.iter().collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    serde_json::from_slice(&writer.into_inner()).unwrap()
}

async fn physical_plan(sql: &Sql, text: &str) -> String {
    let plan = sql.prepare(&format!("EXPLAIN FORMAT INDENT {text}"), None).await.unwrap();
    let batches: Vec<_> = plan.run().await.unwrap().try_collect().await.unwrap();
    let plans = batches[0].column_by_name("plan").unwrap().as_string::<i32>();
    plans.iter().flatten().last().unwrap().to_string()
}

fn double(row: &Value, column: &str) -> f64 {
    row[column].as_f64().unwrap_or_else(|| panic!("{column} of {row}"))
}

fn long(row: &Value, column: &str) -> i64 {
    row[column].as_i64().unwrap_or_else(|| panic!("{column} of {row}"))
}

fn near(got: f64, want: f64) -> bool {
    (got - want).abs() <= 1e-5 * want.abs().max(1.0)
}

/// In the years of 37 leap seconds, which a survey is in.
fn utc(mjd_tai: f64) -> String {
    let ms = ((mjd_tai - 40_587.0) * 86_400_000.0).round() as i64 - 37_000;
    DateTime::from_timestamp_millis(ms).unwrap().format("%Y-%m-%dT%H:%M:%S%.3f").to_string()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_curve_is_all_that_was_measured_of_an_object() {
    let (sql, survey) = survey(60).await;
    for example in &survey.examples {
        let of = format!("WHERE diaObjectId = {}", example.dia_object_id);
        let curve = rows(&sql, &format!("SELECT * FROM light_curves {of}")).await;
        let measured = rows(&sql, &format!("SELECT *, false AS forced FROM sources {of}")).await;
        let forced = rows(&sql, &format!("SELECT *, true AS forced FROM fp {of}")).await;
        let key = |row: &Value| (row["forced"].as_bool().unwrap(), long(row, "visit"));
        let curve: BTreeMap<_, _> = curve.iter().map(|row| (key(row), row)).collect();
        assert_eq!(curve.len(), measured.len() + forced.len());
        for row in measured.iter().chain(&forced) {
            let got = curve[&key(row)];
            for column in ["diaObjectId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr"] {
                assert_eq!(got[column], row[column], "{column}");
            }
            let (flux, error) = (double(row, "psfFlux"), double(row, "psfFluxErr"));
            assert!(near(double(got, "snr"), flux / error), "{got}");
            assert_eq!(got["utc"], utc(double(row, "midpointMjdTai")));
            if flux > 0.0 {
                assert!(near(double(got, "ab_mag"), 31.4 - 2.5 * flux.log10()), "{got}");
                assert!(near(double(got, "ab_mag_err"), 1.085_736 * error / flux), "{got}");
            } else {
                assert!(got.get("ab_mag").is_none() && got.get("ab_mag_err").is_none(), "{got}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_light_curve_of_an_object_reads_only_its_pages() {
    let (sql, survey) = survey(60).await;
    let id = survey.examples[0].dia_object_id;
    let text = format!("SELECT * FROM light_curves WHERE diaObjectId = {id}");
    let plan = physical_plan(&sql, &text).await;
    assert_eq!(plan.matches("objects=1").count(), 2, "{plan}");
    for blocks in ["FilterExec", "SortExec", "AggregateExec", "WindowAggExec"] {
        assert!(!plan.contains(blocks), "{plan}");
    }
    let text =
        format!("SELECT utc FROM light_curves WHERE diaObjectId IN ({id}, 5) AND NOT forced");
    let plan = physical_plan(&sql, &text).await;
    assert_eq!(plan.matches("LookupExec: table=sources, objects=2").count(), 1, "{plan}");
    assert!(!plan.contains("table=fp") && !plan.contains("psfFlux"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nights_count_their_sources() {
    let (sql, _) = survey(60).await;
    let mut nights: BTreeMap<(i64, String), Vec<Value>> = BTreeMap::new();
    for source in rows(&sql, "SELECT * FROM sources").await {
        let band = source["band"].as_str().unwrap().to_string();
        nights.entry((long(&source, "visit") / 100_000, band)).or_default().push(source);
    }
    let got = rows(&sql, "SELECT * FROM nights").await;
    assert_eq!(got.len(), nights.len());
    let order = |row: &Value| (-long(row, "day_obs"), row["band"].as_str().unwrap().to_string());
    assert!(got.is_sorted_by_key(order));
    for night in &got {
        let key = (long(night, "day_obs"), night["band"].as_str().unwrap().to_string());
        let sources = &nights[&key];
        let distinct = |column: &str| {
            sources.iter().map(|row| long(row, column)).collect::<BTreeSet<_>>().len() as i64
        };
        let values =
            |column: &str| -> Vec<f64> { sources.iter().map(|row| double(row, column)).collect() };
        assert_eq!(long(night, "sources"), sources.len() as i64);
        assert_eq!(long(night, "visits"), distinct("visit"));
        assert_eq!(long(night, "objects"), distinct("diaObjectId"));
        let times = values("midpointMjdTai");
        let (first, last) = (f64::min, f64::max);
        assert_eq!(night["first_utc"], utc(times.iter().copied().reduce(first).unwrap()));
        assert_eq!(night["last_utc"], utc(times.iter().copied().reduce(last).unwrap()));
        assert!(near(double(night, "median_flux_njy"), median(values("psfFlux"))), "{night}");
        let depth = 31.4 - 2.5 * (5.0 * median(values("psfFluxErr"))).log10();
        assert!(near(double(night, "depth_ab_mag"), depth), "{night} {depth}");
    }

    // Of one night, only its sources leave the reader to be counted.
    let one = long(&got[0], "day_obs");
    let text = format!("SELECT * FROM nights WHERE day_obs = {one}");
    let of_one = rows(&sql, &text).await;
    assert!(of_one.iter().eq(got.iter().filter(|night| long(night, "day_obs") == one)));
    let plan = physical_plan(&sql, &text).await;
    assert!(plan.contains("predicate=day_obs(midpointMjdTai"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_objects_come_first() {
    let (sql, _) = survey(60).await;
    let objects = rows(&sql, "SELECT * FROM objects").await;
    let mut want: Vec<_> = objects
        .iter()
        .map(|object| (double(object, "firstDiaSourceMjdTai"), long(object, "diaObjectId")))
        .collect();
    want.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let newest = |row: &Value| (double(row, "first_mjd_tai"), long(row, "diaObjectId"));
    let all = rows(&sql, "SELECT * FROM newest_objects").await;
    assert_eq!(all.iter().map(newest).collect::<Vec<_>>(), want);
    let some = rows(&sql, "SELECT * FROM newest_objects LIMIT 7").await;
    assert_eq!(some, all[..7]);
    assert!(some.iter().all(|row| row["first_utc"] == utc(double(row, "first_mjd_tai"))));

    // Only the newest are kept while the table goes by, and only they get a text.
    let plan = physical_plan(&sql, "SELECT * FROM newest_objects LIMIT 7").await;
    assert!(plan.contains("TopK(fetch=7)"), "{plan}");
    assert!(plan.find("mjd_to_iso_utc") < plan.find("TopK"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn real_alerts_have_every_view() {
    let Some(alerts) = shared::path(shared::FINK_PARQUET) else { return };
    let Some(others) = shared::path(shared::SET_A) else { return };
    let warehouse = warehouse();
    let options =
        IngestOptions { history: true, memory_bytes: 64 << 20, ..IngestOptions::default() };
    let inputs = [alerts, others].map(|path| path.to_str().unwrap().to_string());
    ingest(&warehouse, &inputs, &options, &|_| {}).await.unwrap();
    let sql = sql(&warehouse).await;
    let relations = sql.relations().await.unwrap();
    let views = relations.iter().filter(|relation| relation.kind == RelationKind::View);
    let views: Vec<_> = views.map(|view| view.name.as_str()).collect();
    assert_eq!(views, ["light_curves", "newest_objects", "nights", "tagged_sources"]);

    // The visits say what night they are of.
    let text =
        "SELECT count(*) AS n FROM light_curves WHERE visit / 100000 <> day_obs(midpointMjdTai)";
    assert_eq!(rows(&sql, text).await, [json!({ "n": 0 })]);
    let text = "SELECT sum(sources) AS n FROM nights WHERE day_obs = 20251231";
    assert_eq!(rows(&sql, text).await, [json!({ "n": 12 })]);
    // Rubin gives no first detection yet; Fink does.
    let text = "SELECT count(first_mjd_tai) AS n, max(first_utc) AS utc FROM newest_objects";
    let found = rows(&sql, text).await;
    assert_eq!(long(&found[0], "n"), 17);
    let text = "SELECT first_utc, diaObjectId FROM newest_objects LIMIT 1";
    assert_eq!(rows(&sql, text).await[0]["first_utc"], found[0]["utc"]);
}
