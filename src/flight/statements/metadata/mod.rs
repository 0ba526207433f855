//! What clients and tools ask about the server and its tables. In: a Flight SQL command. Out: its rows.

mod keys;
mod server;
mod tables;
mod types;

use arrow::array::RecordBatch;
use arrow_flight::sql::Command;

use crate::error::Result;
use crate::sql::Sql;

/// The rows that answer a question, in the schema that Flight SQL gives it; `None` for a command that is no question.
pub async fn answer(sql: &Sql, command: &Command) -> Result<Option<RecordBatch>> {
    let rows = match command.clone() {
        Command::CommandGetCatalogs(asked) => tables::catalogs(asked),
        Command::CommandGetDbSchemas(asked) => tables::schemas(asked),
        Command::CommandGetTables(asked) => tables::tables(asked, &sql.relations().await?),
        Command::CommandGetTableTypes(asked) => tables::table_types(asked),
        Command::CommandGetPrimaryKeys(asked) => keys::primary(&asked),
        Command::CommandGetExportedKeys(asked) => keys::exported(&asked),
        Command::CommandGetImportedKeys(asked) => keys::imported(&asked),
        Command::CommandGetCrossReference(asked) => keys::between(&asked),
        Command::CommandGetXdbcTypeInfo(asked) => types::types(asked),
        Command::CommandGetSqlInfo(asked) => server::server(asked),
        _ => return Ok(None),
    };
    rows.map(Some)
}
