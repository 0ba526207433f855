//! Reads the settings from a file, variables and flags. The values of the file become clap's defaults, so that one declaration checks all
//! three.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory, FromArgMatches};

use super::{Cli, service_links};
use crate::error::{Error, Result};

const ENV_PREFIX: &str = "DIAFLIGHT_";

/// Why the command line could not be read into a [`Cli`].
pub enum Refusal {
    /// Help or version was asked for: the text, for standard output.
    Asked(String),
    /// A file or a variable is wrong.
    Wrong(Error),
}

/// Reads the command line, the environment and the file that they name.
pub fn read(arguments: Vec<OsString>) -> Result<Cli, Refusal> {
    let command = Cli::command();
    let mut known = known_settings(&command);
    refuse_unknown_variables(&known).map_err(Refusal::Wrong)?;
    let early = Cli::command().ignore_errors(true).try_get_matches_from(&arguments);
    let file = early.ok().and_then(|matches| matches.get_one::<PathBuf>("config").cloned());
    known.remove("config"); // a file names no other file
    let command = match file {
        Some(file) => with_file(command, &known, &file).map_err(Refusal::Wrong)?,
        None => command,
    };
    let matches = command.try_get_matches_from(arguments).map_err(refusal)?;
    Cli::from_arg_matches(&matches).map_err(refusal)
}

/// The settings that have an environment variable, by their name in the file, such as `refresh_ms`.
fn known_settings(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(setting_name);
    own.chain(command.get_subcommands().flat_map(known_settings)).collect()
}

fn setting_name(argument: &clap::Arg) -> Option<String> {
    let variable = argument.get_env()?.to_str()?;
    Some(variable.strip_prefix(ENV_PREFIX)?.to_lowercase())
}

fn refuse_unknown_variables(known: &BTreeSet<String>) -> Result<()> {
    for (name, value) in std::env::vars_os() {
        let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
        let Some(setting) = name.strip_prefix(ENV_PREFIX) else { continue };
        if !known.contains(&setting.to_lowercase()) && !service_links::is_one(setting, &value) {
            return Err(Error::argument(format!(
                "environment variable {name}: no such setting; known are {}",
                listed(known, |name| format!("{ENV_PREFIX}{}", name.to_uppercase()))
            )));
        }
    }
    Ok(())
}

/// The command with the file's values as defaults, below flags and variables.
fn with_file(command: Command, known: &BTreeSet<String>, file: &Path) -> Result<Command> {
    let name = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Error::argument(format!("--config {name}: {error}")))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        Error::argument(format!("--config {name}: {}", error.message()))
    })?;
    table.iter().try_fold(command, |command, (key, value)| {
        if !known.contains(key) {
            return Err(Error::argument(format!(
                "--config {name}: unknown key `{key}`; known are {}",
                listed(known, String::clone)
            )));
        }
        let value = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                value.to_string()
            }
            other => {
                let kind = other.type_str();
                return Err(Error::argument(format!(
                    "--config {name}: `{key}` is {kind}; give a string, a number or a boolean"
                )));
            }
        };
        Ok(with_default(command, key, &value))
    })
}

fn with_default(command: Command, key: &str, value: &str) -> Command {
    let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_string()).collect();
    let command = command.mut_args(|argument| {
        if setting_name(&argument).as_deref() == Some(key) {
            argument.default_value(value.to_string()).required(false)
        } else {
            argument
        }
    });
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| with_default(sub, key, value))
    })
}

fn listed(known: &BTreeSet<String>, form: impl Fn(&String) -> String) -> String {
    known.iter().map(form).collect::<Vec<_>>().join(", ")
}

/// clap's error in one line: what is wrong, without the usage text.
fn refusal(error: clap::Error) -> Refusal {
    if !error.use_stderr() {
        return Refusal::Asked(error.render().to_string());
    }
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or(&text);
    let line = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    Refusal::Wrong(Error::argument(format!("{line}; see --help")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write;

    use super::*;
    use crate::config::Task;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "warehouse = 'w'\nlisten = '127.0.0.1:1'\nrefresh_ms = 500").unwrap();
        let words = ["diaflight", "serve", "--listen", "127.0.0.1:2", "--config"];
        let words = words.map(OsString::from).into_iter().chain([file.path().into()]);
        let Ok(Cli { command: Task::Serve(serve), .. }) = read(words.collect()) else {
            panic!("refused");
        };
        assert_eq!(serve.warehouse.as_deref(), Some("w"));
        assert_eq!((serve.http.listen.as_str(), serve.http.refresh_ms), ("127.0.0.1:2", 500));
        assert_eq!(serve.http.drain_limit_ms, 8_000);
    }

    /// One file, or one set of variables, is for all commands.
    #[test]
    fn a_setting_has_one_name_and_a_name_one_meaning() {
        /// The commands that have each setting, by its variable. A server of the demonstration has the settings of every server.
        fn users(command: &Command, path: &str, of: &mut BTreeMap<String, BTreeSet<String>>) {
            for argument in command.get_arguments() {
                let Some(name) = setting_name(argument) else { continue };
                let flag = argument.get_long().unwrap().replace('-', "_");
                assert_eq!(flag, name, "of {path}");
                of.entry(name).or_default().insert(path.to_string());
            }
            for sub in command.get_subcommands().filter(|sub| sub.get_name() != "demo") {
                users(sub, &format!("{path} {}", sub.get_name()), of);
            }
        }
        let mut of = BTreeMap::new();
        users(&Cli::command(), "diaflight", &mut of);
        assert!(of.len() > 30, "{of:?}");
        of.retain(|_, commands| commands.len() > 1);
        let shared: Vec<_> = of.keys().map(String::as_str).collect();
        // Whoever adds one here has seen that all of these commands mean the same by it.
        let common = [
            "grace_hours",
            "history",
            "json",
            "listen",
            "registry",
            "schema_dir",
            "sql_memory_mib",
            "sql_temp_mib",
            "temp_dir",
            "tls_cert",
            "token",
            "warehouse",
        ];
        assert_eq!(shared, common);
    }
}
