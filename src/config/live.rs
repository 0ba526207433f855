//! The settings of `diaflight live`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use clap::Args;
use url::Url;

use super::WarehouseArg;
use crate::ingest::SchemaSource;
use crate::live::{Framing, From, OnGap};
use crate::token::Token;

/// Where the schemas are that messages name by an id.
#[derive(Clone, Debug, Args)]
pub struct SchemaArgs {
    /// Registry of the schemas that messages name by an id, as Rubin's do
    #[arg(long, value_name = "URL", env = "DIAFLIGHT_REGISTRY", conflicts_with = "schema_dir")]
    pub registry: Option<Url>,
    /// Folder of these schemas instead, each in a file ID.avsc
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_SCHEMA_DIR")]
    pub schema_dir: Option<PathBuf>,
}

impl SchemaArgs {
    /// The registry or the folder, if one is given.
    pub fn source(self) -> Option<SchemaSource> {
        let folder = self.schema_dir.map(SchemaSource::folder);
        self.registry.map(SchemaSource::registry).or(folder)
    }
}

/// The arguments of `live`.
#[derive(Clone, Debug, Args)]
pub struct LiveArgs {
    /// Which warehouse.
    #[command(flatten)]
    pub warehouse: WarehouseArg,
    /// Brokers of Kafka, of which one is enough if it is up
    #[arg(
        long,
        required = true,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        env = "DIAFLIGHT_KAFKA"
    )]
    pub kafka: Vec<String>,
    /// Topics to read, with all their partitions
    #[arg(
        long,
        required = true,
        value_name = "NAME",
        value_delimiter = ',',
        env = "DIAFLIGHT_TOPIC"
    )]
    pub topic: Vec<String>,
    /// Where schemas are.
    #[command(flatten)]
    pub schemas: SchemaArgs,
    /// How messages are framed
    #[arg(long, value_enum, value_name = "FRAMING", default_value_t, env = "DIAFLIGHT_FRAMING")]
    pub framing: Framing,
    /// Where to begin in partitions that were never read: earliest, latest, or a time, as 2026-11-26T00:00:00Z. Others are read on
    /// from where the last commit was
    #[arg(long, value_name = "earliest|latest|TIME", default_value = "earliest", value_parser = from, env = "DIAFLIGHT_FROM")]
    pub from: From,
    /// Begin there in all partitions, whatever was read before: what is there already is found, and nothing is added twice
    #[arg(long)]
    pub reread: bool,
    /// How long alerts are gathered before they are committed, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2000, env = "DIAFLIGHT_COMMIT_MS",
          value_parser = clap::value_parser!(u64).range(100..=3_600_000))]
    pub commit_ms: u64,
    /// How many alerts are committed together at most
    #[arg(long, value_name = "N", default_value_t = 20_000, env = "DIAFLIGHT_COMMIT_ALERTS",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub commit_alerts: u64,
    /// What to do where the broker has deleted messages that were not read, or the topic was made anew: stop with exit code 5, or continue
    /// with what is there
    #[arg(long, value_enum, value_name = "ACTION", default_value_t, env = "DIAFLIGHT_ON_GAP")]
    pub on_gap: OnGap,
    /// Stop with exit code 4 after so many messages in a row that cannot be read
    #[arg(long, value_name = "N", default_value_t = 1000, env = "DIAFLIGHT_MAX_REFUSED",
          value_parser = clap::value_parser!(u64).range(1..))]
    pub max_refused: u64,
    /// User to log in as, with SCRAM-SHA-512
    #[arg(long, value_name = "USER", env = "DIAFLIGHT_SASL_USER", requires = "password")]
    pub sasl_user: Option<String>,
    /// The user's password; better in the variable than on the command line
    #[arg(
        long,
        value_name = "PASSWORD",
        env = "DIAFLIGHT_SASL_PASSWORD",
        hide_env_values = true,
        group = "password",
        requires = "sasl_user"
    )]
    pub sasl_password: Option<Token>,
    /// File with the password
    #[arg(
        long,
        value_name = "FILE",
        env = "DIAFLIGHT_SASL_PASSWORD_FILE",
        group = "password",
        requires = "sasl_user"
    )]
    pub sasl_password_file: Option<PathBuf>,
    /// Encrypt connections to brokers; their certificates must be of a well-known authority, or of --tls-ca
    #[arg(long, env = "DIAFLIGHT_TLS")]
    pub tls: bool,
    /// PEM file of the authorities that are trusted then
    #[arg(long, value_name = "FILE", env = "DIAFLIGHT_TLS_CA", requires = "tls")]
    pub tls_ca: Option<PathBuf>,
    /// Address at which /metrics and /health are told, such as 127.0.0.1:9100
    #[arg(long, value_name = "ADDR", env = "DIAFLIGHT_METRICS")]
    pub metrics: Option<SocketAddr>,
    /// Also add the history of each alert (prvDiaSources) as sources
    #[arg(long, env = "DIAFLIGHT_HISTORY")]
    pub history: bool,
    /// Memory for the rows that are gathered or committed, in MiB; beyond it, they go to temporary files
    #[arg(long, value_name = "MIB", default_value_t = 512, env = "DIAFLIGHT_LIVE_MEMORY_MIB",
          value_parser = clap::value_parser!(u64).range(128..))]
    pub live_memory_mib: u64,
    /// Folder for temporary files, by default the system's
    #[arg(long, value_name = "DIR", env = "DIAFLIGHT_TEMP_DIR")]
    pub temp_dir: Option<PathBuf>,
}

impl LiveArgs {
    /// How long alerts are gathered.
    pub fn commit(&self) -> Duration {
        Duration::from_millis(self.commit_ms)
    }
}

fn from(text: &str) -> Result<From, String> {
    match text {
        "earliest" => Ok(From::Earliest),
        "latest" => Ok(From::Latest),
        time => match time.parse::<DateTime<Utc>>() {
            Ok(time) => Ok(From::Time(time)),
            Err(_) => {
                Err("neither earliest nor latest nor a time, as 2026-11-26T00:00:00Z".to_string())
            }
        },
    }
}
