//! What the program can be told to do: one file per command. In: its arguments. Out: an exit code, results
//! on standard output, everything else on standard error.

mod demo;
mod end;
mod generate;
mod ingest;
mod maintain;
mod serve;
mod sql;

use std::fmt::Display;

pub use demo::demo;
pub use generate::generate;
pub use ingest::ingest;
pub use maintain::maintain;
pub use serve::serve;
pub use sql::sql;

use crate::config::OutputArgs;
use crate::error::{Error, Result};

/// Prints a summary for people, or as one JSON document.
fn print(summary: &(impl Display + serde::Serialize), output: &OutputArgs) -> Result<()> {
    if output.json {
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::internal(format!("writing the summary: {error}")))?;
        println!("{text}");
    } else {
        println!("{summary}");
    }
    Ok(())
}
