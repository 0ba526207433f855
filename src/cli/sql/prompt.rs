//! The prompt: it runs statements and commands one after the other, until Ctrl-D, and says after each statement how many rows there are and
//! how long it took.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Instant;

use tokio::signal;

use super::commands::{Command, HELP};
use super::door::Door;
use super::lines::LineEditor;
use super::output::{self, Written};
use crate::cli::say;
use crate::config::SqlFormat;
use crate::error::Result;

/// Rows of a table that are shown: a few screens.
const SHOWN_ROWS: usize = 100;

/// Reads and executes statements until the end of input. Ctrl-C cancels the running statement; the prompt continues.
pub(crate) async fn run(door: &Door, format: SqlFormat) -> Result<()> {
    let mut lines = LineEditor::open()?;
    let mut prompt = Prompt { door, format, timing: true };
    say(r"statements end with ;  \? lists the commands  Ctrl-D quits")?;
    while let Some(line) = lines.next()? {
        let done = tokio::select! {
            done = prompt.answer(&line) => done,
            _ = signal::ctrl_c() => {
                say("abandoned")?;
                continue;
            }
        };
        match done {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(error) => _ = writeln!(io::stderr(), "error: {error}"),
        }
    }
    Ok(())
}

/// The state between two lines.
struct Prompt<'a> {
    door: &'a Door,
    format: SqlFormat,
    timing: bool,
}

impl Prompt<'_> {
    async fn answer(&mut self, line: &str) -> Result<ControlFlow<()>> {
        match Command::parse(line) {
            Some(command) => self.obey(command?).await,
            None => self.execute(line).await.map(ControlFlow::Continue),
        }
    }

    async fn obey(&mut self, command: Command) -> Result<ControlFlow<()>> {
        match command {
            Command::Show(listing) => {
                let rows = listing.rows(self.door).await?;
                output::write(SqlFormat::Table, rows, None).await?;
            }
            Command::Timing => {
                self.timing = !self.timing;
                say(format!("timing is {}", if self.timing { "on" } else { "off" }))?;
            }
            Command::Format(format) => {
                output::check(format)?;
                self.format = format;
                say(format!("format is {format}"))?;
            }
            Command::Help => say(HELP)?,
            Command::Quit => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn execute(&self, statement: &str) -> Result<()> {
        let start = Instant::now();
        let rows = self.door.run(statement).await?;
        let Written { rows, more } = output::write(self.format, rows, Some(SHOWN_ROWS)).await?;
        let rows = match (rows, more) {
            (1, false) => "1 row".to_string(),
            (rows, false) => format!("{rows} rows"),
            (rows, true) => format!(r"the first {rows} rows; \format csv prints all"),
        };
        match self.timing {
            true => say(format!("({rows}, {:.3} s)", start.elapsed().as_secs_f64())),
            false => say(format!("({rows})")),
        }
    }
}
