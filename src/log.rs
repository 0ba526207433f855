//! What the program says on standard error: events for people on a terminal, JSON lines otherwise, and a
//! progress bar for long work on a terminal.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tracing_subscriber::EnvFilter;

use crate::error::{Error, Result};

/// Sends events that pass `filter` to standard error. To be called once.
pub fn start(filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Error::argument(format!(
            "--log {filter}: {error}; give a filter such as warn,diaflight=debug"
        ))
    })?;
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started =
        if io::stderr().is_terminal() { events.try_init() } else { events.json().try_init() };
    started.map_err(|error| Error::internal(format!("starting the log: {error}")))
}

/// A sign of life for work whose length is not known, hidden where standard error is no terminal.
pub fn spinner(doing: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(doing.to_string());
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A bar of work done, hidden where standard error is no terminal.
pub fn progress_bar(template: &str) -> Result<ProgressBar> {
    let style = ProgressStyle::with_template(template)
        .map_err(|error| Error::internal(format!("the progress bar: {error}")))?;
    Ok(ProgressBar::new(0).with_style(style))
}
