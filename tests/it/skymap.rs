//! The search in a region of the sky: what it finds is what a look at every light curve finds, and what astropy and mocpy expect.

use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use diaflight::limits::Budget;
use diaflight::query::{ActiveTime, RegionQuery, TimeKind};
use diaflight::region::{MocCells, Region};
use futures::TryStreamExt;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::cone::{Source, cone, covered, engine, newest, searches};
use crate::server::Server;
use crate::{program, python};

/// The region of the cells of an order around the sources.
fn around(sources: &[Source], order: u8, every: usize) -> Region {
    let mut cells: Vec<_> = sources
        .iter()
        .step_by(every)
        .filter_map(|source| {
            diaflight::astronomy::cell(order, [source.place[0]?, source.place[1]?])
        })
        .collect();
    cells.sort_unstable();
    cells.dedup();
    let mut moc = MocCells::new(Budget::new("regions", 1 << 20).hold());
    for cell in cells {
        moc.push(order, cell as u64).unwrap();
    }
    moc.into_region().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_region_has_what_a_look_at_every_source_finds(
        (circle, sources, most) in searches(),
        order in 0..=29u8,
        every in 1..4usize,
        time in prop::option::of((60000.0..62000.0f64, 0.0..1000.0f64)),
        covered in covered(),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let engine = engine(&sources, covered).await;
            let region = Arc::new(around(&sources, order, every));
            let time = time.map(|(from_mjd, days)| {
                ActiveTime { from_mjd, to_mjd: from_mjd + days, kind: TimeKind::First }
            });
            let mut search = cone(circle, most).search;
            search.time = time;
            let query = RegionQuery { region: region.clone(), event_mjd: None, most, search };
            let found = engine.find_in_region(&query).await.unwrap();
            let expected: Vec<_> = newest(&sources).into_iter().filter(|(object, (_, _, place))| {
                let [Some(ra), Some(dec)] = *place else { return false };
                let times = sources.iter().filter(|source| source.object == *object);
                let first = times.filter_map(|source| source.mjd).fold(f64::NAN, f64::min);
                let in_time = time.is_none_or(|time| (time.from_mjd..=time.to_mjd).contains(&first));
                in_time && region.level([ra, dec]).is_some()
            }).map(|(object, (_, id, _))| (object, id)).collect();
            assert_eq!(found.total, expected.len());
            let answer = engine.newest_sources(found).await.unwrap();
            let batches: Vec<_> = answer.rows.try_collect().await.unwrap();
            let rows: Vec<_> = batches.iter().flat_map(|rows| {
                let long = |name: &str| rows[name].as_primitive::<Int64Type>().values().to_vec();
                long("r:diaObjectId").into_iter().zip(long("r:diaSourceId"))
            }).collect();
            assert_eq!(rows, expected[..most.min(expected.len())]);
        });
    }
}

#[tokio::test]
async fn maps_mocs_and_polygons_are_those_of_their_clients() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = folder.path().to_str().unwrap();
    program::run(["generate", "--warehouse", warehouse, "--objects", "2000", "--seed", "7"])
        .succeeded();
    let newest = "SELECT diaObjectId, ra, dec, coalesce(firstDiaSourceMjdTaiFink, first_mjd) AS first_mjd FROM (
        SELECT diaObjectId, last_value(ra ORDER BY midpointMjdTai, diaSourceId) AS ra,
          last_value(dec ORDER BY midpointMjdTai, diaSourceId) AS dec, min(midpointMjdTai) AS first_mjd
        FROM sources GROUP BY diaObjectId
      ) LEFT JOIN (SELECT diaObjectId AS id, firstDiaSourceMjdTaiFink FROM objects) ON id = diaObjectId";
    let newest = program::run(["sql", "--warehouse", warehouse, "--format", "csv", newest]);
    let csv = folder.path().join("newest.csv");
    std::fs::write(&csv, newest.succeeded().stdout).unwrap();
    let server = Server::serve(warehouse, &[]).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/skymap.py");
    let said = python::run(&script, &[&server.url, csv.to_str().unwrap()], &[]);
    assert_eq!(said.lines().last(), Some("2000 objects"));

    // A GET has the same answer, and says whether it has changed.
    let path =
        "/api/v1/skymap?moc={\"0\":[8,9,10,11]}&n=3&columns=r:diaObjectId&as_of=0;%20objects=0";
    let answer = server.get(path).await;
    let tag = answer.headers()["etag"].clone();
    let rows: Vec<Value> = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    assert_eq!(rows.len(), 3);
    let body = json!({"moc": {"0": [8, 9, 10, 11]}, "n": 3, "columns": "r:diaObjectId"});
    let posted = server.post("/api/v1/skymap", &body).await;
    assert_eq!((posted.status().as_u16(), &posted.headers()["etag"]), (200, &tag));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let again = client.get(format!("{}{path}", server.url)).header("If-None-Match", tag);
    assert_eq!(again.send().await.unwrap().status(), 304);
    let other =
        client.post(format!("{}/api/v1/skymap", server.url)).header("Content-Type", "text/csv");
    let other = other.body("ra,dec").send().await.unwrap();
    assert_eq!(other.status(), 415);
    assert!(other.text().await.unwrap().contains("application/fits"));
}
