//! `diaflight generate`: writes a synthetic survey, into an empty warehouse or as alert packets.

use std::path::PathBuf;
use std::process::ExitCode;

use super::end;
use crate::config::{GenerateArgs, OutputArgs};
use crate::error::{Error, Result};
use crate::log;
use crate::survey::{
    self, Generated, PacketsProgress, SurveyOptions, SurveyProgress, WrittenPackets,
};
use crate::warehouse::Warehouse;

/// Runs the command.
pub async fn generate(arguments: GenerateArgs) -> Result<ExitCode> {
    let GenerateArgs { warehouse, packets, objects, seed, nights, cutouts, output } = arguments;
    let options = SurveyOptions { objects, seed, nights };
    match (warehouse, packets) {
        (Some(_), None) if cutouts => {
            Err(Error::argument("--cutouts: a warehouse has no images; they are for --packets DIR"))
        }
        (Some(url), None) => tables(&url, &options, &output).await,
        (None, Some(folder)) => write_packets(folder, options, cutouts, &output).await,
        _ => Err(Error::argument(
            "give one of --warehouse URL and --packets DIR (DIAFLIGHT_WAREHOUSE counts, too)",
        )),
    }
}

async fn tables(url: &str, options: &SurveyOptions, output: &OutputArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(url)?;
    let bar = log::progress_bar("{bar:40} {human_pos}/{human_len} objects, {eta} left")?;
    bar.set_length(options.objects);
    let show = |progress: SurveyProgress| bar.set_position(progress.objects);
    let made = end::clean(&warehouse, survey::generate(&warehouse, options, &show)).await;
    bar.finish_and_clear();
    let print = async |made: Generated| {
        super::print(&made, output)?;
        Ok(ExitCode::SUCCESS)
    };
    made?.then(print).await
}

async fn write_packets(
    folder: PathBuf,
    options: SurveyOptions,
    cutouts: bool,
    output: &OutputArgs,
) -> Result<ExitCode> {
    let bar = log::progress_bar("{bar:40} {human_pos}/{human_len} {msg}, {eta} left")?;
    let shown = bar.clone();
    let show = move |progress: PacketsProgress| {
        let (doing, done, all) = match progress {
            PacketsProgress::Objects(done) => ("objects", done, options.objects),
            PacketsProgress::Packets(done, all) => ("packets", done, all),
        };
        if shown.message() != doing {
            shown.set_message(doing);
            shown.reset();
            shown.set_length(all);
        }
        shown.set_position(done);
    };
    let written = end::noticed(move |stopped| {
        survey::write_packets(&folder, &options, cutouts, stopped, &show)
    });
    let written = written.await;
    bar.finish_and_clear();
    let print = async |written: WrittenPackets| {
        super::print(&written, output)?;
        Ok(ExitCode::SUCCESS)
    };
    written?.then(print).await
}
