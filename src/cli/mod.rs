//! The commands of the program, one file for each. Results go to standard output, everything else to standard error.

mod check;
mod demo;
mod end;
mod generate;
mod health;
mod ingest;
mod live;
mod maintain;
mod manual;
mod open_files;
mod secrets;
mod serve;
mod stopping;
mod sql;
mod table;
mod table_report;
mod upkeep;
mod upkeep_report;

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

pub use demo::demo;
pub use generate::generate;
pub use health::health;
pub use ingest::ingest;
pub use live::live;
pub use maintain::maintain;
pub use manual::{completions, man};
pub use serve::serve;
pub use sql::sql;
pub use table::table;

use crate::config::OutputArgs;
use crate::error::{Error, Result};

/// Prints a summary for people, or as one JSON document.
fn print(summary: &(impl Display + serde::Serialize), output: &OutputArgs) -> Result<()> {
    if output.json {
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::internal(format!("writing the summary: {error}")))?;
        say(text)
    } else {
        say(summary)
    }
}

/// Prints a line. A reader that has seen enough is no failure; a disk that is full is one.
fn say(line: impl Display) -> Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::from(error).context("writing to standard output"))
        }
        _ => Ok(()),
    }
}

/// Prints a line about a server. A failure is only logged, since the server runs all the same.
fn announce(line: impl Display) {
    if let Err(error) = say(line) {
        tracing::warn!(%error, "a line could not be written to standard output");
    }
}
