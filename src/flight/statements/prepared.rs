//! Prepared statements, whose whole state is their handle: preparing a text makes one, and binding rows of parameters makes another that
//! holds these rows, too. There is nothing to close.

use arrow::datatypes::Schema;
use arrow::ipc::writer::IpcWriteOptions;
use arrow_flight::sql::ActionCreatePreparedStatementResult;
use arrow_flight::{IpcMessage, SchemaAsIpc};
use bytes::Bytes;

use super::handle::{Handle, PreparedHandle};
use super::parameters;
use crate::error::Result;
use crate::flight::wire::Messages;
use crate::sql::Sql;

/// Plans a statement for what it returns and asks for. Both schemas are a guess where a parameter's type is unknown:
/// a FlightInfo tells, once values are bound.
pub(crate) async fn create(sql: &Sql, text: String) -> Result<ActionCreatePreparedStatementResult> {
    let statement = sql.prepare(&text, None).await?;
    Ok(ActionCreatePreparedStatementResult {
        prepared_statement_handle: PreparedHandle { text, bound: Vec::new() }.seal()?,
        dataset_schema: message(&statement.schema())?,
        parameter_schema: message(&parameters::schema(statement.parameters()))?,
    })
}

/// The handle of the same statement with these rows in place of any bound before. Values are checked when it is
/// executed.
pub(crate) async fn bind(handle: Bytes, messages: Messages) -> Result<Bytes> {
    let PreparedHandle { text, .. } = PreparedHandle::open(handle)?;
    let bound = parameters::received(messages).await?;
    PreparedHandle { text, bound }.seal()
}

/// A schema as an encapsulated IPC message.
fn message(schema: &Schema) -> Result<Bytes> {
    let IpcMessage(message) = SchemaAsIpc::new(schema, &IpcWriteOptions::default()).try_into()?;
    Ok(message)
}
