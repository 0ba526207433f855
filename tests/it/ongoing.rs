//! A survey that goes on: visit by visit, and while `demo --live` serves it.

use std::path::Path;
use std::time::{Duration, Instant};

use diaflight::schema::Table;
use diaflight::survey::{Nights, OngoingSurvey, SurveyOptions, generate};
use diaflight::warehouse::Warehouse;
use tokio_util::sync::CancellationToken;

use crate::browser::{chromium, script};
use crate::cli::assert_refused;
use crate::ingest_properties::{Tables, stored};
use crate::program::{diaflight, run};
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(300);

fn warehouse() -> Warehouse {
    Warehouse::open(&format!("memory://{}", uuid::Uuid::new_v4())).unwrap()
}

async fn rows(warehouse: &Warehouse) -> Tables {
    stored(warehouse).await.rows
}

/// Each round gives the tables that the whole survey has, also if it is taken up in the middle.
#[tokio::test(flavor = "multi_thread")]
async fn after_its_last_night_it_is_whole_and_begins_again() {
    let options = SurveyOptions { objects: 150, seed: 3, nights: "396..399".parse().unwrap() };
    let (whole, ongoing) = (warehouse(), warehouse());
    let all = SurveyOptions { nights: Nights::ALL, ..options.clone() };
    generate(&whole, &all, &|_| ()).await.unwrap();
    let whole = rows(&whole).await;
    assert!(!OngoingSurvey::has_begun(&ongoing).await.unwrap());
    OngoingSurvey::begin(&ongoing, &options).await.unwrap();
    assert!(OngoingSurvey::has_begun(&ongoing).await.unwrap());
    let first = rows(&ongoing).await;
    let open = || OngoingSurvey::open(&ongoing, &options, &CancellationToken::new()).unwrap();
    let mut survey = open();
    assert!(survey.visits() > 10, "{}", survey.visits());
    let sources = |rows: &Tables| rows[&Table::Sources].len();
    for _ in 0..2 {
        survey.observe().await.unwrap();
        let now = rows(&ongoing).await;
        assert!(sources(&now) > sources(&first) && sources(&now) < sources(&whole));
        survey = open();
        for _ in 1..survey.visits() {
            survey.observe().await.unwrap();
        }
        assert_eq!(rows(&ongoing).await, whole);
    }
}

fn demo(folder: &Path) -> Server {
    let arguments = ["demo", "--live", "--listen", "127.0.0.1:0", "--warehouse"];
    Server::start(diaflight().args(arguments).arg(folder))
}

/// The version of the sources and their number.
async fn sources(warehouse: &Warehouse) -> (u64, u64) {
    let snapshot = warehouse.snapshot(Table::Sources, None).await.unwrap().unwrap();
    (snapshot.version, snapshot.rows().unwrap())
}

/// Waits until the sources are as they are wanted.
async fn until(warehouse: &Warehouse, is_so: impl Fn((u64, u64)) -> bool) {
    let start = Instant::now();
    while !is_so(sources(warehouse).await) {
        assert!(start.elapsed() < PATIENCE, "{:?}", sources(warehouse).await);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_goes_on_observing_until_it_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (path, url) = (folder.path(), folder.path().to_str().unwrap());
    let warehouse = Warehouse::open(url).unwrap();
    let mut server = demo(path);
    let (version, begun) = sources(&warehouse).await;
    until(&warehouse, |(newer, rows)| newer > version + 1 && rows > begun).await;
    let start = Instant::now();
    let is_merge = |entry: &diaflight::warehouse::LedgerEntry| entry.operation == "Compact";
    while !warehouse.ledger(Table::Sources, 100).await.unwrap().iter().any(is_merge) {
        assert!(start.elapsed() < PATIENCE, "small files are not merged");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let home = server.get("/").await.text().await.unwrap();
    assert!(home.contains("/api/v1/sources"), "{home}");
    assert_eq!(server.end("TERM").code(), Some(0), "{}", server.log());
    assert_eq!(server.log(), "", "it has nothing to complain of");
    run(["maintain", "check", "--warehouse", url]).succeeded();

    let (version, before) = sources(&warehouse).await;
    let mut again = demo(path);
    until(&warehouse, |(newer, rows)| newer > version && rows > before).await;
    assert_eq!(again.end("TERM").code(), Some(0), "{}", again.log());
    let mut stopped_at_once = demo(path);
    assert_eq!(stopped_at_once.end("INT").code(), Some(0), "{}", stopped_at_once.log());
    run(["maintain", "check", "--warehouse", url]).succeeded();
}

#[test]
fn a_demo_does_not_add_to_tables_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let url = folder.path().to_str().unwrap();
    run(["generate", "--objects", "2", "--warehouse", url]).succeeded();
    let refused = run(["demo", "--live", "--listen", "127.0.0.1:0", "--warehouse", url]);
    assert_refused(&refused, 2, "--live: the tables in ");
}

/// See `tests/python/browser_live.py`.
#[tokio::test(flavor = "multi_thread")]
async fn pages_show_new_alerts_by_themselves() {
    let Some(chromium) = chromium() else { return };
    let folder = tempfile::tempdir().unwrap();
    let [observed, shown] = ["observed", "shown"].map(|name| folder.path().join(name));
    // What the demo observes, and the object that is seen most often in the first minutes.
    let observed = observed.to_str().unwrap();
    let survey = ["generate", "--objects", "2000", "--nights", "300..310", "--warehouse", observed];
    run(survey).succeeded();
    let often = "WITH first AS (SELECT DISTINCT visit FROM sources WHERE visit > 2026072400000 ORDER BY visit LIMIT 60)
        SELECT diaObjectId FROM sources WHERE visit IN (SELECT visit FROM first) GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1";
    let id = run(["sql", "--format", "csv", "--warehouse", observed, often]).succeeded().stdout;
    let id = id.lines().nth(1).unwrap();
    let server = demo(&shown);
    println!("{}", script("browser_live.py", &[&server.url, id, &chromium]));
}
