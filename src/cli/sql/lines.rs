//! The line editor of the prompt. It yields whole statements, of any number of lines, and commands. The history is kept in
//! `$XDG_STATE_HOME/diaflight/sql_history`, by default under `~/.local/state`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Editor, Helper};

use crate::error::{Error, Result};

const HISTORY_ENTRIES: usize = 1000;

pub(crate) struct LineEditor {
    editor: Editor<StatementEnds, FileHistory>,
    /// The file of the history; `None` if none can be kept.
    history: Option<PathBuf>,
}

impl LineEditor {
    pub(crate) fn open() -> Result<Self> {
        let config = Config::builder().max_history_size(HISTORY_ENTRIES).map_err(failed)?;
        let mut editor = Editor::with_config(config.build()).map_err(failed)?;
        editor.set_helper(Some(StatementEnds));
        let mut lines = Self { editor, history: history_file() };
        lines.keep_history(|editor, file| match file.exists() {
            true => editor.load_history(file),
            false => Ok(fs::create_dir_all(file.parent().unwrap_or(file))?),
        });
        Ok(lines)
    }

    /// The next statement or command; `None` at the end of input. Ctrl-C discards what was typed; empty lines are skipped.
    pub(crate) fn next(&mut self) -> Result<Option<String>> {
        loop {
            match tokio::task::block_in_place(|| self.editor.readline("diaflight> ")) {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    self.editor.add_history_entry(line.as_str()).map_err(failed)?;
                    self.keep_history(|editor, file| editor.append_history(file));
                    return Ok(Some(line));
                }
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        }
    }

    /// Runs an operation on the history. If it fails, the prompt continues without a history, and says so once.
    fn keep_history(
        &mut self,
        work: impl FnOnce(&mut Editor<StatementEnds, FileHistory>, &Path) -> rustyline::Result<()>,
    ) {
        let Some(file) = &self.history else { return };
        if let Err(error) = work(&mut self.editor, file) {
            tracing::warn!(file = %file.display(), %error, "statements are not kept");
            self.history = None;
        }
    }
}

fn history_file() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(env::home_dir()?.join(".local/state")))?;
    Some(state.join("diaflight/sql_history"))
}

fn failed(error: ReadlineError) -> Error {
    Error::internal(format!("reading from the terminal: {error}"))
}

/// Checks for the editor whether a statement is complete.
struct StatementEnds;

impl Helper for StatementEnds {}
impl Highlighter for StatementEnds {}

impl Completer for StatementEnds {
    type Candidate = String;
}

impl Hinter for StatementEnds {
    type Hint = String;
}

impl Validator for StatementEnds {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        Ok(match is_complete(context.input()) {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

/// A statement ends with `;` outside of texts, quoted names and comments; a command ends with its line.
fn is_complete(input: &str) -> bool {
    let input = input.trim();
    if input.is_empty() || input.starts_with('\\') {
        return true;
    }
    let tokens = Tokenizer::new(&GenericDialect {}, input).tokenize();
    // If the tokenizer fails, a quote or a comment has no end yet.
    let tokens = tokens.unwrap_or_default();
    let last = tokens.iter().rfind(|token| !matches!(token, Token::Whitespace(_)));
    matches!(last, Some(Token::SemiColon))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_ends_with_its_semicolon() {
        for whole in ["SELECT 1;", "SELECT\n';'\n; -- done", "SELECT 1; SELECT 2;", "\\d", "", " "]
        {
            assert!(is_complete(whole), "{whole}");
        }
        for begun in ["SELECT 1", "SELECT ';", "SELECT \"a;", "SELECT 1 -- ;", "/* ; */", "/* ;"] {
            assert!(!is_complete(begun), "{begun}");
        }
    }
}
