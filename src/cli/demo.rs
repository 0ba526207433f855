//! `diaflight demo`: makes a small synthetic survey, serves it and prints URLs to try.

use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::secrets::Secrets;
use super::{announce, end, serve};
use crate::config::{DemoArgs, HttpArgs};
use crate::error::{Error, Result};
use crate::query::{Engine, Source};
use crate::schema::Table;
use crate::survey::{self, Nights, SurveyOptions};
use crate::warehouse::{Snapshot, Warehouse};

/// Enough objects for a light curve of every kind, and made in a second or two.
const OBJECTS: u64 = 2_000;
const SEED: u64 = 0;

/// Runs the command.
pub async fn demo(arguments: DemoArgs) -> Result<ExitCode> {
    let temporary = tempfile::tempdir()?; // removed at the end
    let url = match &arguments.warehouse {
        Some(url) => url.clone(),
        None => temporary.path().to_string_lossy().into_owned(),
    };
    let warehouse = Warehouse::open(&url)?;
    let secrets = Secrets::open(&arguments.http)?;
    let listener = serve::bind(&arguments.http).await?;
    let opened = end::clean(&warehouse, open(&warehouse, &arguments.http)).await?;
    opened
        .then(async |(engine, ids)| run(listener, engine, &ids, &arguments.http, secrets).await)
        .await
}

/// The engine, and objects to show: of a survey that is made now, unless there is one.
async fn open(warehouse: &Warehouse, http: &HttpArgs) -> Result<(Engine, Vec<i64>)> {
    let ids = match warehouse.snapshot(Table::Objects, None).await? {
        Some(objects) => some_ids(&objects)?,
        None => make(warehouse).await?,
    };
    let source = Source::Warehouse(warehouse.clone());
    let options = serve::engine_options(source.clone(), source.clone(), source, http);
    Ok((Engine::open(options).await?, ids))
}

async fn run(
    listener: TcpListener,
    engine: Engine,
    ids: &[i64],
    http: &HttpArgs,
    secrets: Secrets,
) -> Result<ExitCode> {
    let base = serve::url(&listener, http)?;
    // Without SIGHUP, which tells it that its terminal is closed, and ends it.
    secrets.follow(&watch::channel(0).1);
    let mut lines = vec![
        format!("listening on {base}"),
        format!("open {base}/{} in a browser, and {base}/docs for the API", ids[0]),
        "or try, for one object and for several:".to_string(),
    ];
    lines.extend(urls(&base, ids).into_iter().map(|url| format!("  {url}")));
    lines.push(format!("or ask SQL: diaflight sql --server {base} 'SELECT * FROM nights'"));
    lines.push("stop with Ctrl-C".to_string());
    serve::run(listener, engine, http, secrets, lines).await
}

/// Generates the survey, prints a line about it, and returns objects that are good examples.
async fn make(warehouse: &Warehouse) -> Result<Vec<i64>> {
    announce(format!(
        "making a synthetic survey of {OBJECTS} objects in {}",
        warehouse.location().url
    ));
    let options = SurveyOptions { objects: OBJECTS, seed: SEED, nights: Nights::ALL };
    let made = survey::generate(warehouse, &options, &|_| {}).await?;
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
