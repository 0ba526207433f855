//! `diaflight demo`: makes a small synthetic survey, serves it and prints URLs to try.

use std::process::ExitCode;

use super::serve;
use crate::config::DemoArgs;
use crate::error::{Error, Result};
use crate::query::{Engine, Source};
use crate::schema::Table;
use crate::survey::{self, SurveyOptions};
use crate::warehouse::Warehouse;

/// Enough objects for a light curve of every kind, and made in a second or two.
const OBJECTS: u64 = 2_000;
const SEED: u64 = 0;

pub async fn demo(arguments: DemoArgs) -> Result<ExitCode> {
    let temporary = tempfile::tempdir()?; // removed at the end
    let url = match &arguments.warehouse {
        Some(url) => url.clone(),
        None => temporary.path().to_string_lossy().into_owned(),
    };
    let warehouse = Warehouse::open(&url)?;
    let listener = serve::bind(&arguments.http).await?;
    if warehouse.snapshot(Table::Objects, None).await?.is_none() {
        println!("making a synthetic survey of {OBJECTS} objects in {url}");
        let options = SurveyOptions { objects: OBJECTS, seed: SEED };
        let made = survey::generate(&warehouse, &options, &|_| {}).await?;
        println!("{made}");
    }
    let source = Source::Warehouse(warehouse.clone());
    let options = serve::engine_options(source.clone(), source.clone(), source, &arguments.http);
    let engine = Engine::open(options).await?;
    let base = format!("http://{}", listener.local_addr()?);
    println!("listening on {base}");
    println!("try, for one object and for two:");
    for url in urls(&base, &example_ids(&warehouse).await?) {
        println!("  {url}");
    }
    println!("stop with Ctrl-C");
    serve::run(listener, engine, &arguments.http).await
}

/// Two objects that the warehouse has: the first and the last.
async fn example_ids(warehouse: &Warehouse) -> Result<[i64; 2]> {
    let snapshot = warehouse.snapshot(Table::Objects, None).await?;
    let files = snapshot.as_ref().map(|snapshot| snapshot.files.as_slice()).unwrap_or_default();
    let first = files.iter().map(|file| *file.keys.start()).min();
    let last = files.iter().map(|file| *file.keys.end()).max();
    match (first, last) {
        (Some(first), Some(last)) => Ok([first, last]),
        _ => Err(Error::argument(format!(
            "--warehouse {}: it has no objects",
            warehouse.location().url
        ))),
    }
}

fn urls(base: &str, [first, last]: &[i64; 2]) -> [String; 5] {
    let some = "r:midpointMjdTai,r:band,r:psfFlux,r:psfFluxErr";
    [
        format!("{base}/api/v1/sources?diaObjectId={first}&columns={some}"),
        format!("{base}/api/v1/sources?diaObjectId={first},{last}&output-format=csv"),
        format!("{base}/api/v1/objects?diaObjectId={first},{last}&output-format=votable"),
        format!("{base}/api/v1/fp?diaObjectId={first}&output-format=parquet"),
        format!("{base}/api/v1/schema?endpoint=/api/v1/sources"),
    ]
}
