//! `diaflight man` and `diaflight completions`: what the command line declares, as pages for `man` and as scripts for shells.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::say;
use crate::config::Cli;
use crate::error::{Error, Result};

/// Prints the page of the program, or writes one page for each command into a folder.
pub fn man(folder: Option<&Path>) -> Result<ExitCode> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        return print(page);
    };
    let named = |error| Error::from(error).context(folder.display());
    fs::create_dir_all(folder).map_err(named)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(named)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the script by which a shell completes commands and flags.
pub fn completions(shell: Shell) -> Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "diaflight", &mut script);
    print(script)
}

fn print(text: Vec<u8>) -> Result<ExitCode> {
    say(String::from_utf8_lossy(&text).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
