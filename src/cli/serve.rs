//! `diaflight serve`: answers requests over HTTP and Flight until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use super::{announce, open_files};
use crate::config::{HttpArgs, ServeArgs, StatementArgs};
use crate::error::{Error, Kind, Result};
use crate::origin::Origins;
use crate::query::{Engine, EngineOptions, Source};
use crate::server::{self, ServerOptions, ServerParts};
use crate::sql::{Sql, SqlOptions};
use crate::tls;
use crate::token::Token;
use crate::warehouse::{Location, Warehouse};
use crate::workers::Workers;

/// Runs the command.
pub async fn serve(arguments: ServeArgs) -> Result<ExitCode> {
    let warehouse = arguments.warehouse.as_deref().map(Warehouse::open).transpose()?;
    let source = |folder: &Option<String>| match (folder, &warehouse) {
        (Some(url), _) => Ok(Source::Folder(Location::parse_folder(url)?)),
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
    let line = format!("listening on {}", url(&listener, &arguments.http)?);
    run(listener, engine, &arguments.http, vec![line]).await
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
    TcpListener::bind(http.listen)
        .await
        .map_err(|error| Error::new(Kind::Argument, format!("--listen {}: {error}", http.listen)))
}

/// Prints `lines` once nothing stands in the way any more, and serves until SIGINT or SIGTERM, then drains.
pub(super) async fn run(
    listener: TcpListener,
    engine: Engine,
    http: &HttpArgs,
    lines: Vec<String>,
) -> Result<ExitCode> {
    let tls = http.tls_cert.as_deref().zip(http.tls_key.as_deref());
    let tls = tls.map(|(certificate, key)| tls::acceptor(certificate, key)).transpose()?;
    http.token.as_ref().map(Token::check).transpose()?;
    let address = listener.local_addr()?;
    if http.token.is_some() && tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "the token travels unencrypted: set --tls-cert and --tls-key");
    }
    let workers = Workers::new()?;
    let sql = Sql::new(engine.clone(), workers.clone(), &sql_options(&http.sql))?;
    let (options, token) = (server_options(http), http.token.clone());
    let origins = Origins {
        public_url: http.public_url.clone(),
        trusted_proxies: http.trusted_proxies.clone(),
        is_encrypted: tls.is_some(),
    };
    let served = ServerParts { engine, sql, workers, options, token, tls, origins };
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let told_to_stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    lines.into_iter().for_each(announce);
    server::serve(listener, served, told_to_stop).await?;
    Ok(ExitCode::SUCCESS)
}

fn server_options(http: &HttpArgs) -> ServerOptions {
    ServerOptions {
        max_concurrent_requests: count(http.max_concurrent_requests),
        max_concurrent_bulk_reads: count(http.max_concurrent_bulk_reads),
        max_connections: open_files::within(count(http.max_connections)),
        max_share_percent: http.max_share_percent,
        max_body_bytes: mebibytes(http.max_body_mib),
        receive_limit: Duration::from_millis(http.receive_limit_ms),
        idle_limit: Duration::from_millis(http.idle_limit_ms),
        time_limit: Duration::from_millis(http.time_limit_ms),
        memory_bytes: mebibytes(http.memory_mib),
        slow_limit: Duration::from_millis(http.slow_ms),
        drain_limit: Duration::from_millis(http.drain_limit_ms),
        ..ServerOptions::DEFAULT
    }
}

pub(super) fn sql_options(sql: &StatementArgs) -> SqlOptions {
    SqlOptions {
        memory_bytes: mebibytes(sql.sql_memory_mib),
        temp_bytes: sql.sql_temp_mib.saturating_mul(1 << 20),
        time_limit: Duration::from_millis(sql.sql_time_limit_ms),
        max_concurrent_statements: count(sql.max_concurrent_statements),
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
