//! `diaflight sql`: runs one statement, a listing (`\d`) or a prompt, against a warehouse or a server. A statement comes from the command
//! line, a file or standard input; its rows go to standard output.

mod commands;
mod door;
mod lines;
mod output;
mod prompt;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use commands::Command;
use door::Door;

use crate::config::SqlArgs;
use crate::error::{Error, Result};

/// Runs the command.
pub async fn sql(arguments: SqlArgs) -> Result<ExitCode> {
    let statement = statement(&arguments)?;
    output::check(arguments.format)?;
    let door = Door::open(&arguments).await?;
    match statement {
        Some(statement) => {
            let rows = match Command::parse(&statement).transpose()? {
                None => door.run(&statement).await?,
                Some(Command::Show(listing)) => listing.rows(&door).await?,
                Some(_) => {
                    let text = format!(
                        "{} works only at the prompt: leave out STATEMENT to open it",
                        statement.trim()
                    );
                    return Err(Error::argument(text));
                }
            };
            output::write(arguments.format, rows, None).await?;
        }
        None => prompt::run(&door, arguments.format).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The statement, from the command line, a file or standard input; `None` if standard input is a terminal. Standard input is not read if
/// the statement is given otherwise: another program may need it.
fn statement(arguments: &SqlArgs) -> Result<Option<String>> {
    let text = match (&arguments.statement, &arguments.file) {
        (Some(_), Some(_)) => {
            return Err(Error::argument("both STATEMENT and --file are given: give one of them"));
        }
        (Some(text), None) => text.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| Error::argument(format!("--file {}: {error}", file.display())))?,
        (None, None) if io::stdin().is_terminal() => return Ok(None),
        (None, None) => io::read_to_string(io::stdin())
            .map_err(|error| Error::argument(format!("standard input: {error}")))?,
    };
    if text.trim().is_empty() {
        return Err(Error::argument(
            "there is no statement: give one as STATEMENT, with --file or on standard input",
        ));
    }
    Ok(Some(text))
}
