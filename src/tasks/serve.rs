//! `diaflight serve`: answers requests over HTTP until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{HttpArgs, ServeArgs};
use crate::error::{Error, Kind, Result};
use crate::query::{Engine, EngineOptions, Source};
use crate::server::{self, ServerOptions};
use crate::warehouse::{Location, Warehouse};

pub async fn serve(arguments: ServeArgs) -> Result<ExitCode> {
    let warehouse = arguments.warehouse.as_deref().map(Warehouse::open).transpose()?;
    let source = |folder: &Option<String>| match (folder, &warehouse) {
        (Some(url), _) => Ok(Source::Folder(Location::parse(url)?)),
        (None, Some(warehouse)) => Ok(Source::Warehouse(warehouse.clone())),
        (None, None) => Err(Error::argument(
            "--warehouse is missing: name one, or folders for --sources, --objects and --fp",
        )),
    };
    let sources = source(&arguments.sources)?;
    let objects = source(&arguments.objects)?;
    let fp = source(&arguments.fp)?;
    let listener = bind(&arguments.http).await?;
    let engine = Engine::open(engine_options(sources, objects, fp, &arguments.http)).await?;
    println!("listening on http://{}", listener.local_addr()?);
    run(listener, engine, &arguments.http).await
}

/// The engine's options from the flags of the server.
pub(super) fn engine_options(
    sources: Source,
    objects: Source,
    fp: Source,
    http: &HttpArgs,
) -> EngineOptions {
    EngineOptions {
        sources,
        objects,
        fp,
        refresh: Duration::from_millis(http.refresh_ms),
        memory_bytes: mebibytes(http.memory_mib),
        footer_cache_bytes: mebibytes(http.footer_cache_mib),
    }
}

pub(super) async fn bind(http: &HttpArgs) -> Result<TcpListener> {
    TcpListener::bind(http.listen)
        .await
        .map_err(|error| Error::new(Kind::Argument, format!("--listen {}: {error}", http.listen)))
}

/// Serves until SIGINT or SIGTERM, then drains.
pub(super) async fn run(
    listener: TcpListener,
    engine: Engine,
    http: &HttpArgs,
) -> Result<ExitCode> {
    let options = ServerOptions {
        max_concurrent_requests: usize::try_from(http.max_concurrent_requests)
            .unwrap_or(usize::MAX),
        time_limit: Duration::from_millis(http.time_limit_ms),
        drain_limit: Duration::from_millis(http.drain_limit_ms),
        ..ServerOptions::default()
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    server::serve(listener, engine, options, told_to_stop).await?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn mebibytes(mib: u64) -> usize {
    usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
}
