//! `diaflight generate`: writes a synthetic survey into an empty warehouse.

use std::process::ExitCode;

use super::end;
use crate::config::GenerateArgs;
use crate::error::Result;
use crate::log;
use crate::survey::{self, Generated, SurveyOptions, SurveyProgress};
use crate::warehouse::Warehouse;

/// Runs the command.
pub async fn generate(arguments: GenerateArgs) -> Result<ExitCode> {
    let warehouse = Warehouse::open(&arguments.warehouse.url)?;
    let options = SurveyOptions { objects: arguments.objects, seed: arguments.seed };
    let bar = log::progress_bar("{bar:40} {human_pos}/{human_len} objects, {eta} left")?;
    bar.set_length(arguments.objects);
    let show = |progress: SurveyProgress| bar.set_position(progress.objects);
    let made = end::clean(&warehouse, survey::generate(&warehouse, &options, &show)).await;
    bar.finish_and_clear();
    let print = async |made: Generated| {
        super::print(&made, &arguments.output)?;
        Ok(ExitCode::SUCCESS)
    };
    made?.then(print).await
}
