//! The settings of a server: how it answers, and within which limits. Their defaults are those of the options that they become.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::limits::ServerOptions;
use crate::origin::{Network, Origin};
use crate::query::EngineOptions;
use crate::sql::SqlOptions;
use crate::token::Token;

const SERVER: ServerOptions = ServerOptions::DEFAULT;
const SQL: SqlOptions = SqlOptions::DEFAULT;

pub(super) fn mib(bytes: usize) -> u64 {
    bytes as u64 >> 20
}

fn ms(time: Duration) -> u64 {
    time.as_millis() as u64
}

/// Checks an address before it is resolved.
fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_string())
        }
        _ => Err("give HOST:PORT, such as localhost:8080, 0.0.0.0:8080 or [::]:8080".to_string()),
    }
}

/// How to answer requests.
#[derive(Clone, Debug, Args)]
pub struct HttpArgs {
    /// Address or name of a host, and port, to listen on; of the addresses of a name it is the first that can be listened on. Port 0
    /// takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080", env = "DIAFLIGHT_LISTEN", value_parser = host_and_port)]
    pub listen: String,
    /// URL by which clients reach the server, such as <https://example.org/some/path/>; pages show it in the requests that
    /// can be copied
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_PUBLIC_URL")]
    pub public_url: Option<Origin>,
    /// Addresses and networks of proxies, separated by commas, whose X-Forwarded-For, -Proto, -Host and -Prefix are
    /// trusted
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', env = "DIAFLIGHT_TRUSTED_PROXIES")]
    pub trusted_proxies: Vec<Network>,
    /// How often to look for new commits
    #[arg(long, value_name = "MS", default_value_t = ms(EngineOptions::REFRESH), env = "DIAFLIGHT_REFRESH_MS",
          value_parser = clap::value_parser!(u64).range(10..))]
    pub refresh_ms: u64,
    /// Requests answered at once; more are refused (429)
    #[arg(long, value_name = "N", default_value_t = SERVER.max_concurrent_requests as u64, env = "DIAFLIGHT_MAX_CONCURRENT_REQUESTS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_requests: u64,
    /// Connections at once; one more closes the one that has been idle the longest
    #[arg(long, value_name = "N", default_value_t = SERVER.max_connections as u64, env = "DIAFLIGHT_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_connections: u64,
    /// Share of the requests, the connections and the memory for bodies that one client address may use, in percent;
    /// behind a proxy, name it in --trusted-proxies, or set 100
    #[arg(long, value_name = "PERCENT", default_value_t = SERVER.max_share_percent, env = "DIAFLIGHT_MAX_SHARE_PERCENT",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub max_share_percent: u8,
    /// Largest body of a request, in MiB (413)
    #[arg(long, value_name = "MIB", default_value_t = mib(SERVER.max_body_bytes), env = "DIAFLIGHT_MAX_BODY_MIB",
          value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub max_body_mib: u64,
    /// How long a client may take to send a request, and a second more for each 16 KiB of body received (408)
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.receive_limit), env = "DIAFLIGHT_RECEIVE_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub receive_limit_ms: u64,
    /// How long a connection may be idle before it is closed
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.idle_limit), env = "DIAFLIGHT_IDLE_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_limit_ms: u64,
    /// How long a request may take, to the last byte of its answer (504 before the first)
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.time_limit), env = "DIAFLIGHT_TIME_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub time_limit_ms: u64,
    /// A request that takes longer is logged as a warning, with its arguments
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.slow_limit), env = "DIAFLIGHT_SLOW_MS")]
    pub slow_ms: u64,
    /// How long connections are still accepted once the server is told to stop: /health/ready answers 503 from then on, and a load
    /// balancer has this time to notice
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.drain_delay), env = "DIAFLIGHT_DRAIN_DELAY_MS")]
    pub drain_delay_ms: u64,
    /// How long running answers may take after that. By default the server ends within the 10 seconds that `docker stop` waits
    #[arg(long, value_name = "MS", default_value_t = ms(SERVER.drain_limit), env = "DIAFLIGHT_DRAIN_LIMIT_MS")]
    pub drain_limit_ms: u64,
    /// Memory for large answers, in MiB. Each may use 96 and then spills to temporary files; answers without memory wait. On
    /// top come half as much, which they use while it is free, a quarter each for the ids of exchanges and for regions of the
    /// sky, and 64 MiB for each bulk read of a table whose files are not sorted
    #[arg(long, value_name = "MIB", default_value_t = mib(SERVER.memory_bytes), env = "DIAFLIGHT_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(16..))]
    pub memory_mib: u64,
    /// Parts of whole tables and exchanges sent at once over Flight; more wait
    #[arg(long, value_name = "N", default_value_t = SERVER.max_concurrent_bulk_reads as u64, env = "DIAFLIGHT_MAX_CONCURRENT_BULK_READS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_bulk_reads: u64,
    /// Streams of new sources at once, over REST and Flight; more are refused. Each takes up to 30 MiB while it reads
    #[arg(long, value_name = "N", default_value_t = SERVER.max_streams as u64, env = "DIAFLIGHT_MAX_STREAMS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_streams: u64,
    /// How statements run.
    #[command(flatten)]
    pub sql: StatementArgs,
    /// Token that bulk reads of tables and SQL require; without one, and without --token-file, everyone may use them
    #[arg(
        long,
        value_name = "TOKEN",
        env = "DIAFLIGHT_TOKEN",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub token: Option<Token>,
    /// File of such tokens, NAME:TOKEN in each line, beside --token. It is read again when it changes, and on SIGHUP
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// PEM file of the server's certificate and its intermediate certificates: connections are then encrypted. It and --tls-key are
    /// read again when one of them changes, and on SIGHUP
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's key
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Memory for the key index of row groups, in MiB; one byte per source, forced measurement and object is enough for all
    #[arg(long, value_name = "MIB", default_value_t = mib(EngineOptions::INDEX_BYTES), env = "DIAFLIGHT_INDEX_MIB",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub index_mib: u64,
    /// Memory for the Parquet footers that scans cache, in MiB; lookups use the key index
    #[arg(long, value_name = "MIB", default_value_t = mib(EngineOptions::FOOTER_CACHE_BYTES), env = "DIAFLIGHT_FOOTER_CACHE_MIB",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub footer_cache_mib: u64,
}

/// The limits of SQL statements.
#[derive(Clone, Debug, Args)]
pub struct StatementArgs {
    /// SQL statements run at once; more are refused (RESOURCE_EXHAUSTED)
    #[arg(long, value_name = "N", default_value_t = SQL.max_concurrent_statements as u64, env = "DIAFLIGHT_MAX_CONCURRENT_STATEMENTS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_statements: u64,
    /// How long a SQL statement may take, to its last row
    #[arg(long, value_name = "MS", default_value_t = ms(SQL.time_limit), env = "DIAFLIGHT_SQL_TIME_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub sql_time_limit_ms: u64,
    /// How much room they have.
    #[command(flatten)]
    pub room: StatementRoom,
}

/// How much memory and disk SQL statements may take.
#[derive(Clone, Debug, Args)]
pub struct StatementRoom {
    /// Memory of all SQL statements together, in MiB, for sorts, joins and groups; beyond it, they spill to temporary files
    #[arg(long, value_name = "MIB", default_value_t = mib(SQL.memory_bytes), env = "DIAFLIGHT_SQL_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(16..))]
    pub sql_memory_mib: u64,
    /// Temporary files of all SQL statements together, in MiB
    #[arg(long, value_name = "MIB", default_value_t = SQL.temp_bytes >> 20, env = "DIAFLIGHT_SQL_TEMP_MIB")]
    pub sql_temp_mib: u64,
}
