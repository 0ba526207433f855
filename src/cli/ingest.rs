//! `diaflight ingest`: takes alert packets into a warehouse, all of one call or none.

use std::process::ExitCode;

use super::end;
use super::serve::mebibytes;
use crate::config::IngestArgs;
use crate::error::Result;
use crate::ingest::{self, IngestOptions, IngestProgress, Summary};
use crate::log;
use crate::warehouse::{STORAGE_COUNTS, Warehouse};

/// Done, but some packets were refused.
const SOME_REFUSED: u8 = 3;

/// Runs the command.
pub async fn ingest(arguments: IngestArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(&arguments.warehouse.url)?;
    let options = IngestOptions {
        history: arguments.history,
        memory_bytes: mebibytes(arguments.ingest_memory_mib),
        temp_dir: arguments.temp_dir,
        schemas: arguments.schemas.source(),
        ..IngestOptions::default()
    };
    let bar = log::progress_bar(
        "{bar:40} {decimal_bytes}/{decimal_total_bytes}, {msg} packets, {eta} left",
    )?;
    let show = |progress: IngestProgress| {
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes);
        bar.set_message(progress.packets.to_string());
    };
    let work = ingest::ingest(&warehouse, &arguments.inputs, &options, &show);
    let summary = end::clean(&warehouse, work).await;
    bar.finish_and_clear();
    tracing::debug!(bytes = STORAGE_COUNTS.bytes.get(), "read from the storage");
    let print = async |summary: Summary| {
        super::print(&summary, &arguments.output)?;
        let all = summary.refused.count == 0;
        Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(SOME_REFUSED) })
    };
    summary?.then(print).await
}
