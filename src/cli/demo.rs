//! `diaflight demo`: makes a small synthetic survey, serves it and prints URLs to try. With `--live` the survey goes on meanwhile.

use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;
use super::{announce, end, serve, stopping};
use crate::config::{DemoArgs, HttpArgs};
use crate::error::{Error, Result};
use crate::query::{Engine, Source};
use crate::schema::Table;
use crate::survey::{self, Nights, OngoingSurvey, SurveyOptions};
use crate::warehouse::{Snapshot, Warehouse};

/// Enough objects for a light curve of every kind, and made in a second or two.
const ALL: SurveyOptions = SurveyOptions { objects: 2_000, seed: 0, nights: Nights::ALL };
/// The nights that `--live` observes: at one visit every two seconds, in four hours.
const LIVE: SurveyOptions = SurveyOptions { nights: Nights { first: 300, ..Nights::ALL }, ..ALL };
const LIVE_EVERY: Duration = Duration::from_secs(2);
const LIVE_REFRESH_MS: u64 = 500;

/// Runs the command.
pub async fn demo(arguments: DemoArgs) -> Result<ExitCode> {
    let temporary = tempfile::tempdir()?; // removed at the end
    let url = match &arguments.warehouse {
        Some(url) => url.clone(),
        None => temporary.path().to_string_lossy().into_owned(),
    };
    let (warehouse, live, mut http) = (Warehouse::open(&url)?, arguments.live, arguments.http);
    if live {
        http.refresh_ms = http.refresh_ms.min(LIVE_REFRESH_MS);
    }
    let secrets = Secrets::open(&http)?;
    let listener = serve::bind(&http).await?;
    let base = serve::url(&listener, &http)?;
    let opened = end::clean(&warehouse, open(&warehouse, live, &http)).await?;
    let run = async |(engine, ids): (Engine, Vec<i64>)| {
        // Without SIGHUP, which tells it that its terminal is closed, and ends it.
        secrets.follow(&watch::channel(0).1);
        let stopping = stopping::stopping()?;
        let observing = live.then(|| observe(&warehouse, &stopping));
        let lines = lines(&base, &ids, live);
        let served = serve::run(listener, engine, &http, secrets, lines, stopping.clone()).await;
        stopping.cancel();
        if let Some(observing) = observing {
            observing.await.map_err(|error| Error::internal(format!("observing: {error}")))?;
        }
        served
    };
    opened.then(run).await
}

/// The engine, and objects to show: of a survey that is made now, unless there is one.
async fn open(warehouse: &Warehouse, live: bool, http: &HttpArgs) -> Result<(Engine, Vec<i64>)> {
    let ids = match warehouse.snapshot(Table::Objects, None).await? {
        Some(_) if live && !OngoingSurvey::has_begun(warehouse).await? => {
            let url = &warehouse.location().url;
            return Err(Error::argument(format!(
                "--live: the tables in {url} were not made by demo --live; name another folder, or none"
            )));
        }
        Some(objects) => some_ids(&objects)?,
        None => make(warehouse, live).await?,
    };
    let source = Source::Warehouse(warehouse.clone());
    let options = serve::engine_options(source.clone(), source.clone(), source, http);
    Ok((Engine::open(options).await?, ids))
}

/// Observes on a thread of its own, until it is told to stop.
fn observe(warehouse: &Warehouse, stopping: &CancellationToken) -> JoinHandle<()> {
    let (warehouse, stop, runtime) = (warehouse.clone(), stopping.clone(), Handle::current());
    tokio::task::spawn_blocking(move || match OngoingSurvey::open(&warehouse, &LIVE, &stop) {
        Ok(survey) => runtime.block_on(survey.go_on(LIVE_EVERY, &stop)),
        Err(_) if stop.is_cancelled() => {}
        Err(error) => tracing::error!(%error, "the survey does not go on"),
    })
}

/// What is printed once it is served.
fn lines(base: &str, ids: &[i64], live: bool) -> Vec<String> {
    let mut lines = vec![
        format!("listening on {base}"),
        format!("open {base}/{} in a browser, and {base}/docs for the API", ids[0]),
    ];
    if live {
        let seconds = LIVE_EVERY.as_secs();
        lines.push(format!("new alerts come every {seconds} s: {base} shows them as they come"));
    }
    lines.push("or try, for one object and for several:".to_string());
    lines.extend(urls(base, ids).into_iter().map(|url| format!("  {url}")));
    lines.push(format!("or ask SQL: diaflight sql --server {base} 'SELECT * FROM nights'"));
    lines.push("stop with Ctrl-C".to_string());
    lines
}

/// Generates the survey, prints a line about it, and returns objects that are good examples.
async fn make(warehouse: &Warehouse, live: bool) -> Result<Vec<i64>> {
    let (objects, url) = (ALL.objects, &warehouse.location().url);
    announce(format!("making a synthetic survey of {objects} objects in {url}"));
    let made = match live {
        true => OngoingSurvey::begin(warehouse, &LIVE).await?,
        false => survey::generate(warehouse, &ALL, &|_| {}).await?,
    };
    announce(&made);
    Ok(made.examples.iter().map(|example| example.dia_object_id).collect())
}

/// The first object and the last one of a warehouse that someone else filled.
fn some_ids(objects: &Snapshot) -> Result<Vec<i64>> {
    let first = objects.files.iter().map(|file| *file.keys.start()).min();
    let last = objects.files.iter().map(|file| *file.keys.end()).max();
    let ids: Vec<i64> = first.into_iter().chain(last).collect();
    if ids.is_empty() {
        return Err(Error::argument(
            "--warehouse: its table objects is empty; name another folder",
        ));
    }
    Ok(ids)
}

fn urls(base: &str, ids: &[i64]) -> [String; 5] {
    let some = "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr";
    let first = ids[0];
    let all = ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",");
    [
        format!("{base}/api/v1/sources?diaObjectId={first}&columns={some}"),
        format!("{base}/api/v1/sources?diaObjectId={all}&output-format=csv"),
        format!("{base}/api/v1/objects?diaObjectId={all}&output-format=votable"),
        format!("{base}/api/v1/fp?diaObjectId={first}&output-format=parquet"),
        format!("{base}/api/v1/schema?endpoint=/api/v1/sources"),
    ]
}
