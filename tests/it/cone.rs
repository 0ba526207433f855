//! The search in a circle: what it finds is what a look at every light curve finds, and what a client is told of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema, SchemaRef};
use diaflight::astronomy::separation_deg;
use diaflight::query::{
    Circle, Columns, ConeQuery, CrossmatchQuery, Engine, EngineOptions, SkySearch,
};
use diaflight::schema::{self, Family, KEY, TIME, Table};
use diaflight::warehouse::{Change, DataFile, Operation, SortedWriter, Warehouse};
use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::program;
use crate::server::Server;

/// A source: object, time and place. Its id is its number.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    pub object: i64,
    pub mjd: Option<f64>,
    pub place: [Option<f64>; 2],
}

/// How many of the files of sources say that their places are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Covered {
    None,
    Some,
    All,
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns
        .into_iter()
        .map(|(name, column)| {
            (schema::stored_field(Family::Rubin, name, column.data_type().clone()), column)
        })
        .unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap()
}

async fn files(warehouse: &Warehouse, table: Table, rows: &RecordBatch) -> Vec<DataFile> {
    let mut writer = SortedWriter::new(warehouse, table, rows.schema());
    writer.write(rows).await.unwrap();
    writer.finish().await.unwrap()
}

async fn commit(warehouse: &Warehouse, table: Table, schema: SchemaRef, add: Vec<DataFile>) {
    let operation = Operation::Ingest;
    let change = Change { operation, schema, add, remove: vec![] };
    warehouse.commit(table, None, change).await.unwrap();
}

/// Two files of sources, of whose places some are known.
async fn write_sources(warehouse: &Warehouse, sources: &RecordBatch, covered: Covered) {
    let mut add = Vec::new();
    for part in 0..2 {
        let of_part: BooleanArray =
            (0..sources.num_rows()).map(|row| Some(row % 2 == part)).collect();
        let rows = filter_record_batch(sources, &of_part).unwrap();
        let mut new = files(warehouse, Table::Sources, &rows).await;
        if covered == Covered::All || (covered == Covered::Some && part == 0) {
            warehouse.add_places(&mut new, &std::env::temp_dir()).await.unwrap();
        }
        add.extend(new);
    }
    commit(warehouse, Table::Sources, sources.schema(), add).await;
}

pub async fn engine(sources: &[Source], covered: Covered) -> Engine {
    let warehouse = Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap();
    fill(&warehouse, sources, covered).await;
    Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap()
}

/// Tables of these sources, and of states of every other object.
async fn fill(warehouse: &Warehouse, sources: &[Source], covered: Covered) {
    let mut numbered: Vec<_> = (0..).zip(sources).collect();
    // Null comes first, as in the files.
    let time = |mjd: Option<f64>| mjd.unwrap_or(f64::NEG_INFINITY);
    numbered.sort_by(|(a, one), (b, other)| {
        let by_time = time(one.mjd).total_cmp(&time(other.mjd));
        one.object.cmp(&other.object).then(by_time).then(a.cmp(b))
    });
    let double = |of: fn(&Source) -> Option<f64>| -> ArrayRef {
        Arc::new(numbered.iter().map(|(_, source)| of(source)).collect::<Float64Array>())
    };
    let objects = Int64Array::from_iter_values(numbered.iter().map(|(_, source)| source.object));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (KEY, Arc::new(objects)),
        (TIME, double(|source| source.mjd)),
        ("diaSourceId", Arc::new(Int64Array::from_iter_values(numbered.iter().map(|(id, _)| *id)))),
        ("ra", double(|source| source.place[0])),
        ("dec", double(|source| source.place[1])),
    ];
    write_sources(warehouse, &rows(columns), covered).await;
    let mut with_state: Vec<_> = sources.iter().map(|source| source.object).collect();
    with_state.retain(|object| object % 2 == 0);
    with_state.push(i64::MAX);
    with_state.sort_unstable();
    with_state.dedup();
    let states = Arc::new(Int64Array::from_iter_values(with_state.iter().copied()));
    // The place of the object is another than that of its newest source.
    let elsewhere = || Arc::new(Float64Array::from(vec![0.0; with_state.len()]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (KEY, states.clone()),
        ("nDiaSources", states),
        ("ra", elsewhere()),
        ("dec", elsewhere()),
    ];
    let states = rows(columns);
    let add = files(warehouse, Table::Objects, &states).await;
    commit(warehouse, Table::Objects, states.schema(), add).await;
}

pub fn cone(circle: Circle, most: usize) -> ConeQuery {
    let columns = Columns::All;
    let search = SkySearch { time: None, columns, as_of: None, objects_version: None };
    ConeQuery { circle, most, search }
}

/// Object, source and separation of each row, and how many objects there are.
async fn found(engine: &Engine, query: &ConeQuery) -> (Vec<(i64, i64, f64)>, usize) {
    let found = engine.find(query).await.unwrap();
    let (objects, total) = (found.objects.clone(), found.total);
    let answer = engine.newest_sources(found).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    if let Some(few) = engine.find_if_few(query).await.unwrap() {
        assert_eq!((&few.objects, few.total), (&objects, total));
        let answer = engine.newest_sources(few).await.unwrap();
        assert_eq!(answer.rows.try_collect::<Vec<_>>().await.unwrap(), batches);
    }
    let rows = batches.iter().flat_map(|rows| {
        let long = |name: &str| rows[name].as_primitive::<Int64Type>().clone();
        let (objects, sources) = (long("r:diaObjectId"), long("r:diaSourceId"));
        let states = long("r:nDiaSources");
        let separations = rows["v:separation_degree"].as_primitive::<Float64Type>().clone();
        (0..rows.num_rows()).map(move |row| {
            let object = objects.value(row);
            let state = (!arrow::array::Array::is_null(&states, row)).then(|| states.value(row));
            assert_eq!(state, (object % 2 == 0).then_some(object));
            (object, sources.value(row), separations.value(row))
        })
    });
    (rows.collect(), total)
}

/// The time, the id and the place of the newest source of each object.
pub fn newest(sources: &[Source]) -> BTreeMap<i64, (f64, i64, [Option<f64>; 2])> {
    let mut newest = BTreeMap::new();
    for (id, source) in (0..).zip(sources) {
        let mjd = source.mjd.unwrap_or(f64::NEG_INFINITY);
        let known = newest.entry(source.object).or_insert((mjd, id, source.place));
        if known.0.total_cmp(&mjd).then(known.1.cmp(&id)).is_le() {
            *known = (mjd, id, source.place);
        }
    }
    newest
}

/// The same, by a look at every source.
fn expected(sources: &[Source], circle: Circle) -> Vec<(i64, i64, f64)> {
    let rows = newest(sources).into_iter().filter_map(|(object, (_, id, [ra, dec]))| {
        let separation = separation_deg([circle.ra_deg, circle.dec_deg], [ra?, dec?])?;
        (separation <= circle.radius_deg).then_some((object, id, separation))
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|one, other| one.2.total_cmp(&other.2).then(one.0.cmp(&other.0)));
    rows
}

const ARCSEC: f64 = 1.0 / 3600.0;

/// Places where circles are hard: poles, the beginning of right ascension, and anywhere.
fn centre() -> impl Strategy<Value = [f64; 2]> {
    let ra = prop_oneof![Just(0.0), Just(359.999_999_9), Just(180.0), 0.0..360.0];
    let dec = prop_oneof![Just(90.0), Just(-90.0), Just(89.999_9), Just(0.0), -90.0..=90.0];
    (ra, dec).prop_map(|(ra, dec)| [ra, dec])
}

/// Radii from 1e-3 arcseconds to 5 degrees.
fn radius_deg() -> impl Strategy<Value = f64> {
    (-3.0..4.255f64).prop_map(|exponent| 10f64.powf(exponent) * ARCSEC)
}

/// Sources of a few objects, in and around a circle; some without a time or a place.
fn sources(centre: [f64; 2], radius_deg: f64) -> impl Strategy<Value = Vec<Source>> {
    let near = move |of: f64| (of - 1.5 * radius_deg)..(of + 1.5 * radius_deg);
    let ra = prop_oneof![8 => near(centre[0]), 8 => 0.0..360.0f64, 1 => Just(f64::NAN)];
    let dec = prop_oneof![30 => near(centre[1]), 1 => Just(f64::NAN)];
    let dec = dec.prop_map(|dec: f64| dec.clamp(-90.0, 90.0));
    let mjd = prop::option::weighted(0.95, prop_oneof![Just(61000.0), 60000.0..62000.0f64]);
    let place = (prop::option::weighted(0.97, ra), prop::option::weighted(0.97, dec));
    let source = (0..12i64, mjd, place);
    let source =
        source.prop_map(|(object, mjd, (ra, dec))| Source { object, mjd, place: [ra, dec] });
    prop::collection::vec(source, 1..60)
}

pub fn covered() -> impl Strategy<Value = Covered> {
    prop::sample::select(vec![Covered::None, Covered::Some, Covered::All])
}

pub fn searches() -> impl Strategy<Value = (Circle, Vec<Source>, usize)> {
    let circles = (centre(), radius_deg()).prop_flat_map(|(centre, radius_deg)| {
        let circle = Circle { ra_deg: centre[0], dec_deg: centre[1], radius_deg };
        (Just(circle), sources(centre, radius_deg))
    });
    // Or the rim goes right through a source.
    let on_the_rim = (circles, any::<bool>(), 1..14usize);
    on_the_rim.prop_map(|((mut circle, sources), is_on_the_rim, most)| {
        let [ra, dec] = sources[0].place;
        if let (true, Some(ra), Some(dec)) = (is_on_the_rim, ra, dec)
            && let Some(rim) = separation_deg([circle.ra_deg, circle.dec_deg], [ra, dec])
            && rim <= 5.0
        {
            circle.radius_deg = rim;
        }
        (circle, sources, most)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_circle_has_what_a_look_at_every_source_finds(
        (circle, sources, most) in searches(),
        covered in covered(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = engine(&sources, covered).await;
            let all = expected(&sources, circle);
            let (rows, total) = found(&engine, &cone(circle, most)).await;
            assert_eq!(total, all.len());
            assert_eq!(rows, all[..most.min(total)]);
        });
    }
}

/// The rows of more objects than are put in order at once, with so few columns that a part has many: they are all there, in order, and
/// no batch is long.
#[tokio::test]
async fn rows_of_many_objects_come_in_order() {
    let mut sources = Vec::new();
    for object in 0..150_000 {
        let turn = object as f64 * 0.618_033_988_75;
        let place = [Some(40.0 + turn.fract()), Some((object * 7919 % 150_000) as f64 * 1e-5)];
        sources.push(Source { object, mjd: Some(61000.0 + (object % 5) as f64), place });
    }
    let circle = Circle { ra_deg: 40.5, dec_deg: 0.7, radius_deg: 1.0 };
    let engine = engine(&sources, Covered::All).await;
    let mut query = cone(circle, usize::MAX);
    query.search.columns = Columns::Named(vec!["v:separation_degree".to_string()]);
    let answer = engine.newest_sources(engine.find(&query).await.unwrap()).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    assert!(batches.iter().all(|rows| rows.num_rows() <= 1024));
    let column = |rows: &RecordBatch| {
        rows["v:separation_degree"].as_primitive::<Float64Type>().values().to_vec()
    };
    let separations: Vec<_> = batches.iter().flat_map(column).collect();
    let expected: Vec<_> = expected(&sources, circle).iter().map(|(_, _, deg)| *deg).collect();
    assert!(expected.len() > 100_000);
    assert_eq!(separations, expected);
}

/// Places within some radii of the centre of a circle, and that of a source.
fn places(circle: Circle, sources: &[Source], offsets: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let near = offsets.iter().map(|[ra, dec]| {
        let ra = circle.ra_deg + ra * circle.radius_deg;
        [ra, (circle.dec_deg + dec * circle.radius_deg).clamp(-90.0, 90.0)]
    });
    let of_sources = sources.iter().filter_map(|source| Some([source.place[0]?, source.place[1]?]));
    let of_sources = of_sources.filter(|[ra, dec]| ra.is_finite() && dec.is_finite());
    near.chain(of_sources.take(2)).collect()
}

/// The place, the object, the source and the separation of each row.
async fn matched(engine: &Engine, query: &CrossmatchQuery) -> Vec<(String, i64, i64, f64)> {
    let found = engine.crossmatch(query).await.unwrap();
    let answer = engine.newest_sources(found).await.unwrap();
    let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
    let rows = batches.iter().flat_map(|rows| {
        let long = |name: &str| rows[name].as_primitive::<Int64Type>().clone();
        let (objects, sources) = (long("r:diaObjectId"), long("r:diaSourceId"));
        let separations = rows["v:separation_degree"].as_primitive::<Float64Type>().clone();
        let places = rows["v:place"].as_string::<i32>().clone();
        (0..rows.num_rows()).map(move |row| {
            let place = places.value(row).to_string();
            (place, objects.value(row), sources.value(row), separations.value(row))
        })
    });
    rows.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn each_place_has_what_a_look_at_every_source_finds_near_it(
        (circle, sources, most) in searches(),
        offsets in prop::collection::vec([-2.0..2.0f64, -2.0..2.0f64], 1..8),
        covered in covered(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = engine(&sources, covered).await;
            let radius_deg = circle.radius_deg.min(60.0 * ARCSEC);
            let places = places(circle, &sources, &offsets);
            let search = cone(circle, most).search;
            let names: Vec<_> = (0..places.len()).map(|place| format!("p{place}")).collect();
            let query = CrossmatchQuery {
                places: places.clone(), names: names.clone().into(), radius_deg, most, search,
            };
            let expected: Vec<_> = places.iter().zip(&names).flat_map(|(place, name)| {
                let circle = Circle { ra_deg: place[0], dec_deg: place[1], radius_deg };
                let near = expected(&sources, circle).into_iter().take(most);
                near.map(|(object, source, separation)| (name.clone(), object, source, separation))
            }).collect();
            assert_eq!(matched(&engine, &query).await, expected);
        });
    }
}

/// The places of each night are added until files are merged, so that an object is there many times.
#[tokio::test]
async fn places_that_are_there_many_times_hide_none() {
    for (count, is_few) in [(200, true), (300, false)] {
        let source =
            |object| Source { object, mjd: Some(61000.0), place: [Some(10.0), Some(20.0)] };
        let sources: Vec<_> = (0..count).map(source).collect();
        let warehouse = Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap();
        fill(&warehouse, &sources, Covered::All).await;
        for _ in 0..4 {
            let table = warehouse.snapshot(Table::Sources, None).await.unwrap().unwrap();
            let mut again = table.files;
            again.iter_mut().for_each(|file| file.tag.places = None);
            warehouse.add_places(&mut again, &std::env::temp_dir()).await.unwrap();
        }
        let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
        let query = cone(Circle { ra_deg: 10.0, dec_deg: 20.0, radius_deg: ARCSEC }, 1000);
        let few = engine.find_if_few(&query).await.unwrap();
        assert_eq!(few.map(|found| found.total), is_few.then_some(count as usize));
        assert_eq!(found(&engine, &query).await.0, expected(&sources, query.circle));
    }
}

struct Served {
    server: Server,
    _folder: tempfile::TempDir,
}

/// A survey, and the place of one of its objects.
async fn survey() -> (Served, Value) {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    let generate = ["generate", "--warehouse", warehouse, "--objects", "300", "--seed", "7"];
    program::run(generate).succeeded();
    let server = Server::serve(warehouse, &[]).await;
    let first = program::run([
        "sql",
        "--warehouse",
        warehouse,
        "--format",
        "json",
        "SELECT ra, dec FROM sources ORDER BY midpointMjdTai DESC LIMIT 1",
    ]);
    let place: Value = serde_json::from_str(&first.succeeded().stdout).unwrap();
    (Served { server, _folder: folder }, place[0].clone())
}

#[tokio::test]
async fn an_answer_says_what_it_is_from_and_what_it_lacks() {
    let (served, place) = survey().await;
    let (ra, dec, server) = (&place["ra"], &place["dec"], &served.server);
    let ask = |more: Value| {
        let mut body = json!({"ra": ra, "dec": dec, "radius": 18000, "columns": "r:diaObjectId"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        async move { server.post("/api/v1/conesearch", &body).await }
    };
    let all = ask(json!({})).await;
    let header = |name: &str| all.headers()[name].to_str().unwrap().to_string();
    assert_eq!(header("x-diaflight-snapshot"), "0; objects=0");
    assert!(!all.headers().contains_key("x-diaflight-warning"));
    let tag = header("etag");
    let all: Vec<Value> = serde_json::from_slice(&all.bytes().await.unwrap()).unwrap();
    assert!(all.len() > 3, "{}", all.len());
    let total = all.len();
    assert_eq!(all[0]["v:separation_degree"].as_f64(), Some(0.0));
    assert!(all.is_sorted_by(|one, other| {
        one["v:separation_degree"].as_f64() <= other["v:separation_degree"].as_f64()
    }));

    let two = ask(json!({"n": 2, "x": 1})).await;
    let warning = two.headers()["x-diaflight-warning"].to_str().unwrap().to_string();
    assert!(
        warning.starts_with(&format!("2 of {total} objects, the nearest; n={total} gives all; "))
    );
    assert_eq!(
        serde_json::from_slice::<Vec<Value>>(&two.bytes().await.unwrap()).unwrap(),
        all[..2]
    );
    let nearest = ask(json!({"nearest": true})).await;
    assert!(!nearest.headers().contains_key("x-diaflight-warning"));
    assert_eq!(
        serde_json::from_slice::<Vec<Value>>(&nearest.bytes().await.unwrap()).unwrap(),
        all[..1]
    );

    let count = ask(json!({"count": true, "output-format": "csv"})).await;
    assert_eq!(count.text().await.unwrap().trim_end(), format!("v:count\n{total}"));
    let same = ask(json!({"as_of": "0; objects=0"})).await;
    assert_eq!(same.headers()["etag"].to_str().unwrap(), tag);
    let same: Vec<Value> = serde_json::from_slice(&same.bytes().await.unwrap()).unwrap();
    assert_eq!(same, all);
    let one_version = ask(json!({"as_of": 0})).await;
    assert_eq!(one_version.status(), 400);
    let text = one_version.text().await.unwrap();
    assert!(text.contains("as_of must be a time or both versions (`0; objects=7`"), "{text}");

    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = format!("/api/v1/conesearch?ra={ra}&dec={dec}&radius=18000&columns=r:diaObjectId");
    let again = client.get(format!("{}{path}", server.url)).header("If-None-Match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
}

#[tokio::test]
async fn ids_are_texts_in_json_where_that_is_asked_for() {
    let (served, place) = survey().await;
    let server = &served.server;
    let body = json!({"ra": place["ra"], "dec": place["dec"], "radius": 60, "ids": "text", "nearest": true});
    let rows = server.post("/api/v1/conesearch", &body).await.bytes().await.unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&rows).unwrap();
    let id = rows[0]["r:diaObjectId"].as_str().unwrap().to_string();
    assert!(rows[0]["r:nDiaSources"].is_i64(), "no id");
    for (endpoint, column) in
        [("sources", "r:diaSourceId"), ("objects", "r:diaObjectId"), ("fp", "r:diaForcedSourceId")]
    {
        let rows = async |ids: &str, format: &str| {
            let body =
                json!({"diaObjectId": id, "ids": ids, "columns": column, "output-format": format});
            let path = format!("/api/v1/{endpoint}");
            server.post(&path, &body).await.bytes().await.unwrap()
        };
        let [texts, numbers] = [rows("text", "json").await, rows("number", "json").await]
            .map(|rows| serde_json::from_slice::<Vec<Value>>(&rows).unwrap());
        let as_text = |row: &Value| row[column].as_i64().unwrap().to_string();
        assert!(!texts.is_empty());
        let shown: Vec<_> = texts.iter().map(|row| row[column].as_str().unwrap()).collect();
        assert_eq!(shown, numbers.iter().map(as_text).collect::<Vec<_>>());
        assert_eq!(rows("text", "csv").await, rows("number", "csv").await);
    }
}

#[tokio::test]
async fn places_are_matched_in_their_order_from_json_and_tables() {
    let (served, place) = survey().await;
    let (ra, dec, server) = (place["ra"].clone(), place["dec"].clone(), &served.server);
    let path = "/api/v1/crossmatch";
    let arguments = "radius=1&columns=r:diaObjectId";
    let named = json!({"places": {"far": [0, 80], "here": [ra, dec]}, "radius": 1, "columns": "r:diaObjectId"});
    let answer = server.post(path, &named).await;
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_string();
    assert_eq!(header("x-diaflight-unmatched"), "1");
    assert_eq!(header("x-diaflight-snapshot"), "0; objects=0");
    assert!(!answer.headers().contains_key("x-diaflight-warning"));
    let mut rows: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!((rows[0]["v:place"].take(), rows.as_array().unwrap().len()), (json!("here"), 1));
    let columns: Vec<_> = rows[0].as_object().unwrap().keys().cloned().collect();
    assert_eq!(columns.len(), 6, "{columns:?}");
    assert_eq!(rows[0]["v:separation_degree"].as_f64(), Some(0.0));

    let csv = format!("name,ra,dec\nfar,0,80\nhere,{ra},{dec}\n");
    let votable = format!(
        "<VOTABLE><RESOURCE><TABLE><FIELD name='ra'/><FIELD name='dec'/><DATA><TABLEDATA><TR><TD>0</TD><TD>80</TD></TR>\
         <TR><TD>{ra}</TD><TD>{dec}</TD></TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>"
    );
    for (media_type, body) in [("text/csv", csv), ("application/x-votable+xml", votable)] {
        let answer = server.post_body(&format!("{path}?{arguments}"), media_type, body).await;
        let mut same: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(same[0]["v:place"].take(), json!("1"));
        assert_eq!(same, rows, "{media_type}");
    }
    let query = format!("{path}?{arguments}&places=0+80,{ra}+{dec}");
    let mut same: Value =
        serde_json::from_slice(&server.get(&query).await.bytes().await.unwrap()).unwrap();
    assert_eq!(same[0]["v:place"].take(), json!("1"));
    assert_eq!(same, rows);

    // A table is a body of this endpoint alone.
    for (path, right) in [(path, "text/csv"), ("/api/v1/conesearch", "application/json")] {
        let refused = server.post_body(path, "text/plain", "x".to_string()).await;
        assert_eq!(refused.status(), 415);
        assert!(refused.text().await.unwrap().contains(right));
    }
}
