//! The commands of the prompt: lines that begin with `\`. Most of them run a statement of their own.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::Schema;
use clap::ValueEnum;
use datafusion::common::TableReference;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::sql::sqlparser::ast::Value;
use futures::stream;

use super::door::Door;
use crate::config::SqlFormat;
use crate::error::{Error, Result};
use crate::schema;

pub(crate) const HELP: &str = r"statements end with ; and may span several lines; Ctrl-C cancels one, Ctrl-D quits
\d            tables and views
\d NAME       columns of a table or view: type, unit, description
\df           functions
\df NAME      description of a function
\timing       turn on or off the time that each statement took
\format NAME  print rows as table, csv, json, parquet or arrow
\?            this list
\q            quit";

/// A command of the prompt.
pub(crate) enum Command {
    Show(Question),
    Timing,
    Format(SqlFormat),
    Help,
    Quit,
}

/// A listing.
pub(crate) enum Question {
    Relations,
    Columns(TableReference),
    Functions,
    Function(String),
}

impl Command {
    /// Parses a line; `None` if it is no command.
    pub(crate) fn parse(line: &str) -> Option<Result<Self>> {
        let line = line.trim().trim_end_matches(';');
        if !line.starts_with('\\') {
            return None;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        Some(match words[..] {
            [r"\d"] => Ok(Command::Show(Question::Relations)),
            // Names are case-sensitive, as in statements.
            [r"\d", name] => Ok(Command::Show(Question::Columns(
                TableReference::parse_str_normalized(name, true),
            ))),
            [r"\df"] => Ok(Command::Show(Question::Functions)),
            [r"\df", name] => Ok(Command::Show(Question::Function(name.to_string()))),
            [r"\timing"] => Ok(Command::Timing),
            [r"\format", name] => format(name).map(Command::Format),
            [r"\?"] => Ok(Command::Help),
            [r"\q"] => Ok(Command::Quit),
            _ => Err(Error::argument(format!("unknown command {line}; the commands are:\n{HELP}"))),
        })
    }
}

fn format(name: &str) -> Result<SqlFormat> {
    SqlFormat::from_str(name, false).map_err(|_| {
        Error::argument(format!(r"\format {name}: give table, csv, json, parquet or arrow"))
    })
}

impl Question {
    pub(crate) async fn rows(&self, door: &Door) -> Result<SendableRecordBatchStream> {
        match self {
            Question::Relations => {
                let statement = "SELECT table_name AS name, table_type AS kind \
                     FROM information_schema.tables WHERE table_schema <> 'information_schema' \
                     ORDER BY kind, name";
                door.run(statement).await
            }
            Question::Columns(relation) => {
                let relation = relation.to_quoted_string();
                let none = door.run(&format!("SELECT * FROM {relation} LIMIT 0")).await?;
                described(&none.schema())
            }
            Question::Functions => {
                let statement = "SELECT DISTINCT routine_name AS name, \
                     lower(function_type) AS kind, syntax_example AS usage \
                     FROM information_schema.routines ORDER BY name, kind";
                door.run(statement).await
            }
            Question::Function(name) => {
                let name = Value::SingleQuotedString(name.clone());
                let statement = format!(
                    "SELECT DISTINCT syntax_example AS usage, description \
                     FROM information_schema.routines WHERE routine_name = {name}"
                );
                door.run(&statement).await
            }
        }
    }
}

/// The columns of a schema as rows.
fn described(schema: &Schema) -> Result<SendableRecordBatchStream> {
    let fields = schema.fields();
    let said = |key: &'static str| -> ArrayRef {
        let said = fields.iter().map(|field| field.metadata().get(key));
        Arc::new(said.collect::<StringArray>())
    };
    let names = StringArray::from_iter_values(fields.iter().map(|field| field.name()));
    let types = fields.iter().map(|field| field.data_type().to_string());
    let rows = RecordBatch::try_from_iter_with_nullable([
        ("column", Arc::new(names) as ArrayRef, false),
        ("type", Arc::new(StringArray::from_iter_values(types)), false),
        ("unit", said(schema::UNIT), true),
        ("description", said(schema::DESCRIPTION), true),
    ])?;
    let schema = rows.schema();
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter([Ok(rows)]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(line: &str) -> String {
        match Command::parse(line) {
            Some(Err(error)) => error.to_string(),
            _ => panic!("{line} is not refused"),
        }
    }

    #[test]
    fn statements_are_no_commands() {
        for line in ["SELECT 1;", "  SELECT '\\d'", "", "-- \\d"] {
            assert!(Command::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn names_are_taken_as_they_are_written() {
        let Some(Ok(Command::Show(Question::Columns(name)))) = Command::parse(" \\d perNight ;")
        else {
            panic!("no listing of columns");
        };
        assert_eq!(name.to_quoted_string(), "\"perNight\"");
    }

    #[test]
    fn a_wrong_command_says_which_there_are() {
        for line in ["\\x", "\\", "\\d a b", "\\timing on", "\\format"] {
            assert!(refusal(line).contains("\\timing"), "{line}");
        }
        assert!(refusal("\\format votable").contains("csv, json"));
    }
}
