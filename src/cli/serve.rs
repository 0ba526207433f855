//! `diaflight serve`: answers requests over HTTP and Flight until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::secrets::Secrets;
use super::{announce, open_files, stopping};
use crate::config::{HttpArgs, ServeArgs, StatementArgs, StatementRoom};
use crate::error::{Error, Kind, Result};
use crate::origin::Origins;
use crate::query::{Engine, EngineOptions, Source};
use crate::server::{self, ServerOptions, ServerParts};
use crate::sql::{Sql, SqlOptions};
use crate::warehouse::{Bucket, Location, Warehouse};
use crate::workers::Workers;

/// Runs the command.
pub async fn serve(arguments: ServeArgs) -> Result<ExitCode> {
    let hangups = stopping::hangups()?; // first, since the signal ends a program that does not wait for it
    let warehouse = arguments.warehouse.as_deref().map(Warehouse::open).transpose()?;
    let source = |folder: &Option<String>| match (folder, &warehouse) {
        (Some(url), _) => Ok(Source::Folder(Location::parse_folder(url)?)),
        (None, Some(warehouse)) => Ok(Source::Warehouse(warehouse.clone())),
        (None, None) => Err(Error::argument(
            "--warehouse is missing: name one, or folders for --sources-url, --objects-url and --fp-url",
        )),
    };
    let sources = source(&arguments.sources_url)?;
    let objects = source(&arguments.objects_url)?;
    let fp = source(&arguments.fp_url)?;
    let buckets = [&sources, &objects, &fp].map(|source| source.location().bucket.clone());
    let secrets = Secrets::open(&arguments.http)?;
    let listener = bind(&arguments.http).await?;
    let engine = Engine::open(engine_options(sources, objects, fp, &arguments.http)).await?;
    if let Some(warehouse) = warehouse.filter(|_| engine.tables().is_empty()) {
        warn_of_no_tables(&warehouse).await;
    }
    secrets.follow(&hangups);
    buckets.into_iter().flatten().for_each(|bucket| follow(bucket, hangups.clone()));
    let line = format!("listening on {}", url(&listener, &arguments.http)?);
    run(listener, engine, &arguments.http, secrets, vec![line], stopping::stopping()?).await
}

/// Says how to begin, or where the tables are that were perhaps meant.
async fn warn_of_no_tables(warehouse: &Warehouse) {
    let url = &warehouse.location().url;
    match warehouse.tables_elsewhere().await {
        Ok(Some(tables)) => {
            tracing::warn!(warehouse = %url, %tables, "the warehouse has no tables, but there are some elsewhere: is --warehouse mistyped?");
        }
        _ => {
            tracing::warn!(warehouse = %url, "the warehouse has no tables: add alerts with `diaflight ingest`, or mend --warehouse if it is mistyped");
        }
    }
}

/// Looks for the credentials of a bucket again on SIGHUP.
fn follow(bucket: Bucket, mut hangups: watch::Receiver<u64>) {
    tokio::spawn(async move {
        while hangups.changed().await.is_ok() {
            bucket.renew_credentials();
        }
    });
}

/// Where the server is to be found.
pub(super) fn url(listener: &TcpListener, http: &HttpArgs) -> Result<String> {
    let scheme = if http.tls_cert.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{}", listener.local_addr()?))
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
        index_bytes: mebibytes(http.index_mib),
        footer_cache_bytes: mebibytes(http.footer_cache_mib),
        spare_bytes: EngineOptions::spare_bytes(mebibytes(http.memory_mib)),
    }
}

pub(super) async fn bind(http: &HttpArgs) -> Result<TcpListener> {
    // Of the addresses of a name, the first that works.
    TcpListener::bind(http.listen.as_str())
        .await
        .map_err(|error| Error::new(Kind::Argument, format!("--listen {}: {error}", http.listen)))
}

/// Prints `lines` once nothing stands in the way any more, and serves until it is told to stop, then drains.
pub(super) async fn run(
    listener: TcpListener,
    engine: Engine,
    http: &HttpArgs,
    secrets: Secrets,
    lines: Vec<String>,
    stopping: CancellationToken,
) -> Result<ExitCode> {
    let tls = secrets.acceptor()?;
    let (tokens, address) = (secrets.tokens, listener.local_addr()?);
    if !tokens.are_none() && tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "tokens travel unencrypted: set --tls-cert and --tls-key");
    }
    let workers = Workers::new()?;
    let sql = Sql::new(engine.clone(), workers.clone(), &sql_options(&http.sql))?;
    let options = server_options(http);
    let origins = Origins {
        public_url: http.public_url.clone(),
        trusted_proxies: http.trusted_proxies.clone(),
        is_encrypted: tls.is_some(),
    };
    let served = ServerParts { engine, sql, workers, options, tokens, tls, origins, stopping };
    lines.into_iter().for_each(announce);
    server::serve(listener, served).await?;
    Ok(ExitCode::SUCCESS)
}

fn server_options(http: &HttpArgs) -> ServerOptions {
    ServerOptions {
        max_concurrent_requests: count(http.max_concurrent_requests),
        max_concurrent_bulk_reads: count(http.max_concurrent_bulk_reads),
        max_streams: count(http.max_streams),
        max_connections: open_files::within(count(http.max_connections)),
        max_share_percent: http.max_share_percent,
        max_body_bytes: mebibytes(http.max_body_mib),
        receive_limit: Duration::from_millis(http.receive_limit_ms),
        idle_limit: Duration::from_millis(http.idle_limit_ms),
        time_limit: Duration::from_millis(http.time_limit_ms),
        memory_bytes: mebibytes(http.memory_mib),
        slow_limit: Duration::from_millis(http.slow_ms),
        drain_delay: Duration::from_millis(http.drain_delay_ms),
        drain_limit: Duration::from_millis(http.drain_limit_ms),
        ..ServerOptions::DEFAULT
    }
}

pub(super) fn sql_options(sql: &StatementArgs) -> SqlOptions {
    SqlOptions {
        time_limit: Duration::from_millis(sql.sql_time_limit_ms),
        max_concurrent_statements: count(sql.max_concurrent_statements),
        ..sql_room(&sql.room)
    }
}

pub(super) fn sql_room(room: &StatementRoom) -> SqlOptions {
    SqlOptions {
        memory_bytes: mebibytes(room.sql_memory_mib),
        temp_bytes: room.sql_temp_mib.saturating_mul(1 << 20),
        ..SqlOptions::DEFAULT
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(super) fn mebibytes(mib: u64) -> usize {
    usize::try_from(mib.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Cli, Task};
    use crate::warehouse::Warehouse;

    #[test]
    fn the_defaults_of_flags_are_those_of_the_options() {
        let cli = Cli::parse_from(["diaflight", "serve", "--warehouse", "w"]);
        let Task::Serve(ServeArgs { http, .. }) = cli.command else { panic!("another task") };
        let warehouse = Warehouse::open("memory://defaults").unwrap();
        let options = EngineOptions::from_warehouse(&warehouse);
        let EngineOptions { sources, objects, fp, .. } = options.clone();
        let asked = engine_options(sources, objects, fp, &http);
        assert_eq!(asked.refresh, options.refresh);
        assert_eq!(asked.index_bytes, options.index_bytes);
        assert_eq!(asked.footer_cache_bytes, options.footer_cache_bytes);
        assert_eq!(asked.spare_bytes, options.spare_bytes);
        let (server, sql) = (server_options(&http), sql_options(&http.sql));
        assert_eq!(server.memory_bytes, ServerOptions::DEFAULT.memory_bytes);
        assert_eq!(server.time_limit, ServerOptions::DEFAULT.time_limit);
        assert_eq!(sql.temp_bytes, SqlOptions::DEFAULT.temp_bytes);
    }
}
