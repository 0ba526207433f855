//! What the command line says. In: flags over `DIAFLIGHT_*` variables over a TOML file. Out: one
//! validated [`Cli`]. Every setting has one name: `--refresh-ms`, `DIAFLIGHT_REFRESH_MS` and `refresh_ms =`.
//! This file declares the settings; `layers` reads them.

mod layers;

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use layers::{Refusal, read};

use crate::origin::{Network, Origin};
use crate::token::Token;

/// Light curves of Rubin alerts, served from plain Parquet in object storage.
#[derive(Clone, Debug, Parser)]
#[command(version, disable_help_subcommand = true)]
pub struct Cli {
    /// TOML file of settings, named as the flags are, with `_` for `-`
    #[arg(long, global = true, value_name = "FILE", env = "DIAFLIGHT_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to log: a `tracing` filter; by default warnings and, but for `sql`, what the program is at
    #[arg(long, global = true, value_name = "FILTER", env = "DIAFLIGHT_LOG")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Task,
}

impl Cli {
    /// The filter of the log. Who reads rows on a terminal is not told of every new snapshot.
    pub fn log_filter(&self) -> &str {
        match (&self.log, &self.command) {
            (Some(filter), _) => filter,
            (None, Task::Sql(_)) => "warn,buoyant_kernel=off",
            (None, _) => "warn,buoyant_kernel=off,diaflight=info",
        }
    }
}

#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Serve a synthetic survey made on the spot
    Demo(DemoArgs),
    /// Write a synthetic survey into an empty warehouse
    Generate(GenerateArgs),
    /// Take alert packets into a warehouse
    Ingest(IngestArgs),
    /// Answer requests over HTTP and Arrow Flight
    Serve(ServeArgs),
    /// Run a SQL statement, or open a prompt for many
    Sql(SqlArgs),
    /// Keep a warehouse in order
    Maintain(MaintainArgs),
}

#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to keep the survey; without it, in a temporary folder that is removed at the end
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    #[command(flatten)]
    pub http: HttpArgs,
}

#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Number of objects; an object has about 20 sources
    #[arg(long, value_name = "N", env = "DIAFLIGHT_OBJECTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub objects: u64,
    /// The same seed gives the same survey
    #[arg(long, value_name = "S", default_value_t = 0, env = "DIAFLIGHT_SEED")]
    pub seed: u64,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
pub struct IngestArgs {
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Take the history of each alert (prvDiaSources) as sources, too
    #[arg(long, env = "DIAFLIGHT_HISTORY")]
    pub history: bool,
    /// Memory for sorting, in MiB; beyond it, sorting spills to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 1024, env = "DIAFLIGHT_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(64..))]
    pub memory_mib: u64,
    /// Folder for temporary files, by default the system's
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_TEMP_DIR")]
    pub temp_dir: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
    /// Avro or Parquet files of alerts, folders or object-store prefixes of them
    #[arg(required = true, value_name = "PATH_OR_URL")]
    pub inputs: Vec<String>,
}

#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// URL or folder of the warehouse; not needed where the three tables are folders
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Folder or prefix of flat Parquet, or a Delta table, to serve, read-only, in place of the table `sources`
    #[arg(long = "sources", id = "sources_url", value_name = "URL", env = "DIAFLIGHT_SOURCES_URL")]
    pub sources: Option<String>,
    /// The same for the table `objects`
    #[arg(long = "objects", id = "objects_url", value_name = "URL", env = "DIAFLIGHT_OBJECTS_URL")]
    pub objects: Option<String>,
    /// The same for the table `fp`
    #[arg(long = "fp", id = "fp_url", value_name = "URL", env = "DIAFLIGHT_FP_URL")]
    pub fp: Option<String>,
    #[command(flatten)]
    pub http: HttpArgs,
}

/// How to answer requests.
#[derive(Clone, Debug, Args)]
pub struct HttpArgs {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "DIAFLIGHT_LISTEN")]
    pub listen: SocketAddr,
    /// URL by which clients reach the server, such as https://example.org/some/path/: it stands in the requests that pages
    /// give to copy
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_PUBLIC_URL")]
    pub public_url: Option<Origin>,
    /// Addresses and networks of proxies, separated by commas, whose X-Forwarded-Proto, -Host and -Prefix are believed
    #[arg(long, value_name = "NETWORKS", value_delimiter = ',', env = "DIAFLIGHT_TRUSTED_PROXIES")]
    pub trusted_proxies: Vec<Network>,
    /// How often to look for new commits
    #[arg(long, value_name = "MS", default_value_t = 2000, env = "DIAFLIGHT_REFRESH_MS",
          value_parser = clap::value_parser!(u64).range(10..))]
    pub refresh_ms: u64,
    /// Requests answered at once; more are told to come back (429)
    #[arg(long, value_name = "N", default_value_t = 128, env = "DIAFLIGHT_MAX_CONCURRENT_REQUESTS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_requests: u64,
    /// Connections at once; one more ends the one that has been without a request for the longest
    #[arg(long, value_name = "N", default_value_t = 512, env = "DIAFLIGHT_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_connections: u64,
    /// Share of the requests, the connections and the memory for bodies that one client's address may have, in percent;
    /// behind a proxy, from which everybody's requests come, 100
    #[arg(long, value_name = "PERCENT", default_value_t = 50, env = "DIAFLIGHT_MAX_SHARE_PERCENT",
          value_parser = clap::value_parser!(u8).range(1..=100))]
    pub max_share_percent: u8,
    /// Size of a request's body, in MiB (413)
    #[arg(long, value_name = "MIB", default_value_t = 4, env = "DIAFLIGHT_MAX_BODY_MIB",
          value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub max_body_mib: u64,
    /// How long a client may take to send a request; a body that goes on coming, a second more for each 16 KiB (408)
    #[arg(long, value_name = "MS", default_value_t = 30_000, env = "DIAFLIGHT_RECEIVE_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub receive_limit_ms: u64,
    /// How long a connection may be without a request before it is closed
    #[arg(long, value_name = "MS", default_value_t = 120_000, env = "DIAFLIGHT_IDLE_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub idle_limit_ms: u64,
    /// How long a request may take, to the last byte of its answer (504 before the first)
    #[arg(long, value_name = "MS", default_value_t = 300_000, env = "DIAFLIGHT_TIME_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub time_limit_ms: u64,
    /// How long running answers may go on once the server is told to stop
    #[arg(long, value_name = "MS", default_value_t = 30_000, env = "DIAFLIGHT_DRAIN_LIMIT_MS")]
    pub drain_limit_ms: u64,
    /// Memory for large answers, in MiB: each may take 96 and then spills to temporary files; more of them wait. Half as
    /// much is theirs while it is free, a quarter is for the ids of exchanges, and 64 for each bulk read of a table whose files are in no order
    #[arg(long, value_name = "MIB", default_value_t = 1024, env = "DIAFLIGHT_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(16..))]
    pub memory_mib: u64,
    /// Parts of whole tables and exchanges sent at once over Flight; more wait
    #[arg(long, value_name = "N", default_value_t = 16, env = "DIAFLIGHT_MAX_CONCURRENT_BULK_READS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_bulk_reads: u64,
    #[command(flatten)]
    pub sql: StatementArgs,
    /// Opens whole tables and SQL; without one, they are for everyone
    #[arg(
        long,
        value_name = "TOKEN",
        env = "DIAFLIGHT_TOKEN",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub token: Option<Token>,
    /// PEM file of the server's certificate, with those that vouch for it: connections are then encrypted
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_CERT", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of the certificate's key
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Memory for the key index of row groups, in MiB: a byte for each source, forced measurement and object holds them all
    #[arg(long, value_name = "MIB", default_value_t = 512, env = "DIAFLIGHT_INDEX_MIB",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub index_mib: u64,
    /// Memory for the footers of Parquet files in scans that are no lookups, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 256, env = "DIAFLIGHT_FOOTER_CACHE_MIB",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub footer_cache_mib: u64,
}

/// The limits of SQL statements.
#[derive(Clone, Debug, Args)]
pub struct StatementArgs {
    /// SQL statements run at once; more are told to come back (RESOURCE_EXHAUSTED)
    #[arg(long, value_name = "N", default_value_t = 4, env = "DIAFLIGHT_MAX_CONCURRENT_STATEMENTS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_concurrent_statements: u64,
    /// How long a SQL statement may take, to its last row
    #[arg(long, value_name = "MS", default_value_t = 300_000, env = "DIAFLIGHT_SQL_TIME_LIMIT_MS",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub sql_time_limit_ms: u64,
    /// Memory of all SQL statements together, in MiB; beyond it, they spill to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 1024, env = "DIAFLIGHT_SQL_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(16..))]
    pub sql_memory_mib: u64,
    /// Temporary files of all SQL statements together, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 10_240, env = "DIAFLIGHT_SQL_TEMP_MIB")]
    pub sql_temp_mib: u64,
}

#[derive(Clone, Debug, Args)]
pub struct SqlArgs {
    /// URL or folder of the warehouse to read in this process
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Server to ask instead: http://, https://, grpc:// or grpc+tls://
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_SERVER")]
    pub server: Option<String>,
    /// The token that the server asks for; as a variable, other users of the machine do not see it
    #[arg(
        long,
        value_name = "TOKEN",
        env = "DIAFLIGHT_TOKEN",
        hide_env_values = true,
        hide_default_value = true
    )]
    pub token: Option<Token>,
    /// File with the statement
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_FILE")]
    pub file: Option<PathBuf>,
    /// How to print rows
    #[arg(long, value_name = "FORMAT", default_value = "table", env = "DIAFLIGHT_FORMAT")]
    pub format: SqlFormat,
    /// Memory for sorts, joins and groups of a warehouse read here, in MiB; beyond it, they spill to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 1024, env = "DIAFLIGHT_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(16..))]
    pub memory_mib: u64,
    /// The statement; without one here, in a file or on standard input, a prompt
    #[arg(value_name = "STATEMENT")]
    pub statement: Option<String>,
}

/// How the rows of a statement are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlFormat {
    Table,
    Csv,
    Json,
    Parquet,
    Arrow,
}

impl Display for SqlFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.to_possible_value();
        f.write_str(word.as_ref().map_or("", PossibleValue::get_name))
    }
}

#[derive(Clone, Debug, Args)]
pub struct MaintainArgs {
    #[command(subcommand)]
    pub work: Maintenance,
}

#[derive(Clone, Debug, Subcommand)]
pub enum Maintenance {
    /// Merge small or overlapping files into big ones with disjoint key ranges
    Compact(CompactArgs),
    /// Delete files that no version within the grace period refers to
    Vacuum(VacuumArgs),
    /// Keep the newest version of every table by a name that `as_of` takes: vacuum leaves its files
    Keep(NameArgs),
    /// Give up such a name: vacuum may then delete the files
    Forget(NameArgs),
}

#[derive(Clone, Debug, Args)]
pub struct NameArgs {
    /// Begins with a letter, and has letters, digits and _-. alone
    #[arg(value_name = "NAME")]
    pub name: String,
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
pub struct CompactArgs {
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
pub struct VacuumArgs {
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Files that a version removed stay for this long, for readers of older ones; at most 30 days, for which the log
    /// knows when that was. What no version ever named stays for a day at least: it may be of a writer at work
    #[arg(long, value_name = "HOURS", default_value_t = 168, env = "DIAFLIGHT_GRACE_HOURS",
          value_parser = clap::value_parser!(u64).range(..=720))]
    pub grace_hours: u64,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Clone, Debug, Args)]
pub struct WarehouseArg {
    /// URL or folder of the warehouse: a path, file://, s3://bucket/prefix
    #[arg(long = "warehouse", id = "warehouse", value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub url: String,
}

#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print the summary as one JSON document
    #[arg(long, env = "DIAFLIGHT_JSON")]
    pub json: bool,
}
