//! The command line as one validated [`Cli`]. Every setting has one name: `--refresh-ms`, `DIAFLIGHT_REFRESH_MS` and `refresh_ms =` in a
//! TOML file; a flag wins over a variable, a variable over the file. This file declares the settings, `serving` those of servers; `layers`
//! reads them.

mod layers;
mod live;
mod maintain;
mod service_links;
mod serving;
mod table;

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use clap::builder::PossibleValue;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use layers::{Refusal, read};
pub use live::{LiveArgs, SchemaArgs};
pub use maintain::{
    CheckArgs, CompactArgs, ForgetArgs, MaintainArgs, Maintenance, NameArgs, RunArgs, VacuumArgs,
};
pub use serving::{HttpArgs, StatementArgs, StatementRoom};
pub use table::{DeleteArgs, LedgerArgs, RestoreArgs, TableArgs, TableWork, UndoArgs};

use crate::survey::Nights;
use crate::token::Token;

const SETTINGS: &str = "Every flag is also an environment variable (--refresh-ms, DIAFLIGHT_REFRESH_MS) and a key of the file of --config \
    (refresh_ms = 500). Flags go before variables, variables before the file.";

/// Light curves of Rubin alerts, served from plain Parquet in object storage.
#[derive(Clone, Debug, Parser)]
#[command(version, after_help = SETTINGS)]
pub struct Cli {
    /// TOML file of settings, named as the flags are, with `_` for `-`
    #[arg(long, global = true, value_name = "FILE", env = "DIAFLIGHT_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to log, as a `tracing` filter; by default warnings, and progress except for `sql` and `demo --live`
    #[arg(long, global = true, value_name = "FILTER", env = "DIAFLIGHT_LOG")]
    pub log: Option<String>,
    /// File to append the log to, as JSON lines; without one it goes to standard error. SIGHUP makes `serve` open it anew
    #[arg(long, global = true, value_name = "FILE", env = "DIAFLIGHT_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Task,
}

impl Cli {
    /// The filter of the log. `sql` logs warnings alone, since its reader wants the rows, and so does `demo --live`, which would tell of
    /// new snapshots all the time.
    pub fn log_filter(&self) -> &str {
        match (&self.log, &self.command) {
            (Some(filter), _) => filter,
            (None, Task::Sql(_) | Task::Demo(DemoArgs { live: true, .. })) => {
                "warn,buoyant_kernel=off"
            }
            (None, _) => "warn,buoyant_kernel=off,diaflight=info",
        }
    }
}

/// What the program is asked to do: one subcommand each.
#[derive(Clone, Debug, Subcommand)]
pub enum Task {
    /// Generate a synthetic survey and serve it
    Demo(DemoArgs),
    /// Write a synthetic survey, into an empty warehouse or as alert packets
    Generate(GenerateArgs),
    /// Add alert packets to a warehouse
    Ingest(IngestArgs),
    /// Add the alerts of a stream to a warehouse, as they come
    Live(LiveArgs),
    /// Answer requests over HTTP and Arrow Flight
    Serve(ServeArgs),
    /// Run a SQL statement, or open a prompt
    Sql(SqlArgs),
    /// Ask a server whether it is ready: exit code 1 where it is not
    Health(HealthArgs),
    /// Keep a warehouse in shape; compact, vacuum, check it, and name versions
    Maintain(MaintainArgs),
    /// List the versions of tables, go back to one, delete rows
    Table(TableArgs),
    /// Write the manual pages of all commands into a folder, or print that of the program
    Man {
        /// The folder, such as /usr/local/share/man/man1
        #[arg(value_name = "DIR")]
        folder: Option<PathBuf>,
    },
    /// Print the script by which a shell completes commands and flags
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// The arguments of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Where to keep the survey; without it, in a temporary folder that is removed at the end
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Go on observing: new alerts are committed every two seconds, those of the survey's nights 300 to 399, over and over. It begins
    /// with the nights before. The server looks for new commits every 500 ms or more often
    #[arg(long, env = "DIAFLIGHT_LIVE")]
    pub live: bool,
    /// How it is served.
    #[command(flatten)]
    pub http: HttpArgs,
}

/// The arguments of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    /// URL or folder of the warehouse to fill: a path, file://, s3://bucket/prefix
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Folder to write alert packets to instead: Avro files, in a folder for each night that has alerts (DIR/night-00090)
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_PACKETS")]
    pub packets: Option<PathBuf>,
    /// Number of objects; an object has about 20 sources
    #[arg(long, value_name = "N", env = "DIAFLIGHT_OBJECTS", value_parser = clap::value_parser!(u64).range(1..))]
    pub objects: u64,
    /// Seed of the random numbers; the same seed gives the same survey
    #[arg(long, value_name = "S", default_value_t = 0, env = "DIAFLIGHT_SEED")]
    pub seed: u64,
    /// Only these nights, of 0 to 399: FIRST..LAST, both included, or one number
    ///
    /// A packet holds the sources of the 12 months before it, and the forced measurements of the 12 months up to it; those of
    /// the first nights begin before FIRST. The tables of a warehouse are those that `ingest --history` makes of the packets of these
    /// nights. So they have sources of the 12 months before the first alert of an object, without what only their own alerts say; forced
    /// measurements that a packet holds; and of each object with an alert in these nights, the state of its newest.
    #[arg(long, value_name = "FIRST..LAST", default_value_t = Nights::ALL, env = "DIAFLIGHT_NIGHTS")]
    pub nights: Nights,
    /// With --packets: images of each alert (cutoutScience, cutoutTemplate, cutoutDifference), 26 kB in all
    #[arg(long, env = "DIAFLIGHT_CUTOUTS")]
    pub cutouts: bool,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The arguments of `ingest`.
#[derive(Clone, Debug, Args)]
pub struct IngestArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Also add the history of each alert (prvDiaSources) as sources
    #[arg(long, env = "DIAFLIGHT_HISTORY")]
    pub history: bool,
    /// Memory for sorting, in MiB; beyond it, sorting spills to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 1024, env = "DIAFLIGHT_INGEST_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(64..))]
    pub ingest_memory_mib: u64,
    /// Folder for temporary files, by default the system's
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_TEMP_DIR")]
    pub temp_dir: Option<PathBuf>,
    /// Where the schemas are of messages that `live` has set aside.
    #[command(flatten)]
    pub schemas: SchemaArgs,
    /// How to report.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Avro or Parquet files of alerts, or folders or object-store prefixes of such files
    #[arg(required = true, value_name = "PATH_OR_URL")]
    pub inputs: Vec<String>,
}

/// The arguments of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// URL or folder of the warehouse; not needed if --sources-url, --objects-url and --fp-url are all given
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Folder or prefix of flat Parquet files, or Delta table, to serve read-only instead of the table `sources`
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_SOURCES_URL")]
    pub sources_url: Option<String>,
    /// The same for the table `objects`
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_OBJECTS_URL")]
    pub objects_url: Option<String>,
    /// The same for the table `fp`
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_FP_URL")]
    pub fp_url: Option<String>,
    /// How it is served.
    #[command(flatten)]
    pub http: HttpArgs,
}

/// The arguments of `health`.
#[derive(Clone, Debug, Args)]
pub struct HealthArgs {
    /// Server to ask, a URL of http:// or https://; without one, the server with the settings below on this machine
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Address and port that the server listens on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "DIAFLIGHT_LISTEN")]
    pub listen: String,
    /// Certificate of the server: with one, its connections are encrypted
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
}

/// The arguments of `sql`.
#[derive(Clone, Debug, Args)]
pub struct SqlArgs {
    /// URL or folder of the warehouse to read in this process
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub warehouse: Option<String>,
    /// Server to query instead: a URL of http://, https://, grpc:// or grpc+tls://
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_SERVER")]
    pub server: Option<String>,
    /// The token of the server; given as an environment variable, it is hidden from other users of the machine
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
    /// PEM file of certificates to trust beside the system's, for a server of https:// or grpc+tls://
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_CA_CERT")]
    pub ca_cert: Option<PathBuf>,
    /// With --warehouse, how much room statements have.
    #[command(flatten)]
    pub room: StatementRoom,
    /// The statement; without one here, in a file or on standard input, a prompt opens
    #[arg(value_name = "STATEMENT")]
    pub statement: Option<String>,
}

/// How the rows of a statement are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SqlFormat {
    /// Aligned columns, for people.
    Table,
    /// Comma-separated values.
    Csv,
    /// A JSON array of objects.
    Json,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

impl Display for SqlFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let word = self.to_possible_value();
        f.write_str(word.as_ref().map_or("", PossibleValue::get_name))
    }
}

/// The warehouse of a command that writes.
#[derive(Clone, Debug, Args)]
pub struct WarehouseArg {
    /// URL or folder of the warehouse: a path, file://, s3://bucket/prefix
    #[arg(long = "warehouse", id = "warehouse", value_name = "URL", env = "DIAFLIGHT_WAREHOUSE")]
    pub url: String,
}

/// How a command reports what it did.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Print the summary as one JSON document
    #[arg(long, env = "DIAFLIGHT_JSON")]
    pub json: bool,
}
