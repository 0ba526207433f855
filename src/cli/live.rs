//! `diaflight live`: commits the alerts of streams as they come, until it is told to stop.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::serve::mebibytes;
use super::stopping::stopping;
use crate::config::LiveArgs;
use crate::error::{Error, Result};
use crate::ingest::IngestOptions;
use crate::live::{self, Counts, KafkaOptions, LiveEnd, LiveOptions};
use crate::token::Token;
use crate::warehouse::Warehouse;

/// Messages are lost.
const GAP: u8 = 5;

/// Runs the command.
pub async fn live(arguments: LiveArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(&arguments.warehouse.url)?;
    let counts = Counts::default();
    if let Some(address) = arguments.metrics {
        let address = live::tell(counts.clone(), address).await?;
        tracing::info!(%address, "metrics and health");
    }
    let options = options(arguments)?;
    let ended = live::live(&warehouse, &options, &counts, &stopping()?).await;
    warehouse.discard_uncommitted().await;
    match ended? {
        LiveEnd::Stopped => Ok(ExitCode::SUCCESS),
        LiveEnd::Unreadable(error) => Err(error),
        LiveEnd::Gap(error) => {
            eprintln!("diaflight: {error}");
            Ok(ExitCode::from(GAP))
        }
    }
}

fn options(arguments: LiveArgs) -> Result<LiveOptions> {
    let commit = arguments.commit();
    let password = match (arguments.sasl_password, &arguments.sasl_password_file) {
        (Some(password), _) => Some(password),
        (None, Some(file)) => Some(password_in(file)?),
        (None, None) => None,
    };
    Ok(LiveOptions {
        kafka: KafkaOptions {
            brokers: arguments.kafka.join(","),
            topics: arguments.topic,
            login: arguments.sasl_user.zip(password),
            tls: arguments.tls,
            ca_cert: arguments.tls_ca.map(|file| file.display().to_string()),
        },
        framing: arguments.framing,
        from: arguments.from,
        reread: arguments.reread,
        commit,
        most_alerts: arguments.commit_alerts,
        on_gap: arguments.on_gap,
        most_refused: arguments.max_refused,
        // What is committed and what is gathered each take a half.
        ingest: IngestOptions {
            history: arguments.history,
            memory_bytes: mebibytes(arguments.live_memory_mib) / 2,
            temp_dir: arguments.temp_dir,
            schemas: arguments.schemas.source(),
            ..IngestOptions::default()
        },
    })
}

fn password_in(file: &Path) -> Result<Token> {
    let text = fs::read_to_string(file).map_err(|error| {
        Error::argument(format!("--sasl-password-file {}: {error}", file.display()))
    })?;
    let Ok(password) = text.trim_end_matches(['\r', '\n']).parse();
    Ok(password)
}
