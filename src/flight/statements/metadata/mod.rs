//! The metadata commands of Flight SQL: rows that describe the server and its tables.

mod keys;
mod server;
mod tables;
mod xdbc_types;

use arrow::array::RecordBatch;
use arrow_flight::sql::Command;

use crate::error::{Error, Kind, Result};
use crate::sql::Sql;

const MOST_PATTERN_BYTES: usize = 256;
const MOST_LISTED: usize = 1_000;

/// The rows of a metadata command, in the schema that Flight SQL gives them; `None` for any other command.
pub(crate) async fn answer(sql: &Sql, command: &Command) -> Result<Option<RecordBatch>> {
    check(command)?;
    let rows = match command.clone() {
        Command::CommandGetCatalogs(asked) => tables::catalogs(asked),
        Command::CommandGetDbSchemas(asked) => tables::schemas(asked),
        Command::CommandGetTables(asked) => tables::tables(asked, &sql.relations().await?),
        Command::CommandGetTableTypes(asked) => tables::table_types(asked),
        Command::CommandGetPrimaryKeys(asked) => keys::primary(&asked),
        Command::CommandGetExportedKeys(asked) => keys::exported(&asked),
        Command::CommandGetImportedKeys(asked) => keys::imported(&asked),
        Command::CommandGetCrossReference(asked) => keys::between(&asked),
        Command::CommandGetXdbcTypeInfo(asked) => xdbc_types::types(asked),
        Command::CommandGetSqlInfo(asked) => server::server(asked),
        _ => return Ok(None),
    };
    rows.map(Some)
}

/// Checks the size of a metadata command, else `TooLarge`: a pattern becomes a regular expression, and each member of a list a column.
fn check(command: &Command) -> Result<()> {
    let pattern = |pattern: &Option<String>| {
        let bytes = pattern.as_ref().map_or(0, String::len);
        at_most(bytes, "bytes in a pattern", MOST_PATTERN_BYTES)
    };
    match command {
        Command::CommandGetDbSchemas(asked) => pattern(&asked.db_schema_filter_pattern),
        Command::CommandGetTables(asked) => {
            pattern(&asked.db_schema_filter_pattern)?;
            pattern(&asked.table_name_filter_pattern)?;
            at_most(asked.table_types.len(), "table types", MOST_LISTED)
        }
        Command::CommandGetSqlInfo(asked) => {
            at_most(asked.info.len(), "numbers of SqlInfo", MOST_LISTED)
        }
        _ => Ok(()),
    }
}

fn at_most(count: usize, of: &str, most: usize) -> Result<()> {
    match count > most {
        true => Err(Error::new(
            Kind::TooLarge,
            format!("the command has {count} {of}; the limit is {most}"),
        )),
        false => Ok(()),
    }
}
