//! Flight SQL: statements, and what clients and tools ask about the tables. This file says which part answers which command, ticket and
//! action.
//!
//! No call depends on another: handles and tickets hold all they need, so any instance over the same warehouse answers
//! any of them. Only cancelling needs the instance that runs the statement.

mod cancel;
mod command;
mod handle;
mod metadata;
mod parameters;
mod planned;
mod prepared;
mod running;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::sql::{
    ActionCreatePreparedStatementRequest, Command, DoPutPreparedStatementResult, ProstMessageExt,
    TicketStatementQuery,
};
use arrow_flight::{
    Action, ActionType, FlightData, FlightDescriptor, FlightEndpoint, FlightInfo, PutResult, Ticket,
};
use bytes::Bytes;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use prost::Message;
use tonic::{Request, Response, Status, Streaming};

use self::command::{command, refuse_action, refuse_command, refuse_upload, unpacked};
use self::handle::{Handle, PlannedHandle, PreparedHandle};
use self::running::Running;
use super::status::status;
use super::wire;
use crate::error::Error;
use crate::sql::Sql;
use crate::telemetry::{RowsSent, noted};
use crate::workers::Workers;

type StreamResult<T> = Result<Response<BoxStream<'static, Result<T, Status>>>, Status>;

/// The part of the service that answers Flight SQL. Cheap to clone: all clones share the statements that run.
#[derive(Clone)]
pub(crate) struct Statements {
    sql: Sql,
    workers: Workers,
    running: Running,
}

impl Statements {
    /// Rows are made and encoded on `workers`.
    pub(crate) fn new(sql: Sql, workers: Workers) -> Self {
        Self { sql, workers, running: Running::default() }
    }

    /// The info of a statement, which is planned for it, or of a metadata command.
    pub(crate) async fn get_flight_info(
        &self,
        request: Request<FlightDescriptor>,
    ) -> Result<Response<FlightInfo>, Status> {
        let descriptor = request.into_inner();
        let info = match command(&descriptor.cmd)? {
            Command::CommandStatementQuery(asked) => {
                self.plan(PreparedHandle { text: asked.query, bound: Vec::new() }).await?
            }
            Command::CommandPreparedStatementQuery(asked) => {
                self.plan(PreparedHandle::open(asked.prepared_statement_handle).map_err(status)?)
                    .await?
            }
            asked => info(&self.answer(&asked).await?.schema(), descriptor.cmd.clone())?,
        };
        Ok(Response::new(info.with_descriptor(descriptor)))
    }

    /// The rows of a planned statement or of a metadata command.
    pub(crate) async fn do_get(&self, request: Request<Ticket>) -> StreamResult<FlightData> {
        let compression = wire::compression(request.metadata()).map_err(status)?;
        let sent = RowsSent::from_extensions(request.extensions());
        let data = match command(&request.get_ref().ticket)? {
            Command::TicketStatementQuery(ticket) => {
                let planned = PlannedHandle::open(ticket.statement_handle).map_err(status)?;
                noted(planned.prepared.text.as_bytes());
                let rows =
                    planned::rows(&self.sql, &self.workers, &planned).await.map_err(status)?;
                let messages = wire::flight_data(&self.workers, sent.counted(rows), compression);
                self.running.until_cancelled(planned.id, messages)
            }
            asked => {
                let rows = self.answer(&asked).await?;
                let rows = RecordBatchStreamAdapter::new(rows.schema(), stream::iter([Ok(rows)]));
                wire::flight_data(&self.workers, Box::pin(rows), compression)
            }
        };
        Ok(Response::new(data))
    }

    /// Binds rows of parameters to a prepared statement.
    pub(crate) async fn do_put(
        &self,
        request: Request<Streaming<FlightData>>,
    ) -> StreamResult<PutResult> {
        let mut messages = request.into_inner();
        let first = messages.message().await?.unwrap_or_default();
        let descriptor = first.flight_descriptor.clone().unwrap_or_default();
        let handle = match command(&descriptor.cmd) {
            Ok(Command::CommandPreparedStatementQuery(asked)) => asked.prepared_statement_handle,
            Ok(Command::Unknown(_)) | Err(_) => return Err(refuse_upload()),
            Ok(other) => return Err(refuse_command(&other)),
        };
        let messages = stream::once(ready(Ok(first))).chain(messages).boxed();
        let bound = self.workers.run(prepared::bind(handle, messages)).await.map_err(status)?;
        let result = DoPutPreparedStatementResult { prepared_statement_handle: Some(bound) };
        let result = PutResult { app_metadata: result.encode_to_vec().into() };
        Ok(Response::new(stream::once(ready(Ok(result))).boxed()))
    }

    /// Whether an action is one of [`Self::actions`].
    pub(crate) async fn do_action(
        &self,
        request: Request<Action>,
    ) -> StreamResult<arrow_flight::Result> {
        let Action { r#type, body } = request.into_inner();
        let result = match r#type.as_str() {
            "CreatePreparedStatement" => {
                let asked: ActionCreatePreparedStatementRequest = unpacked(&body)?;
                let created = prepared::create(&self.sql, asked.query).await.map_err(status)?;
                Some(created.as_any().encode_to_vec().into())
            }
            "ClosePreparedStatement" => None,
            "CancelFlightInfo" => Some(cancel::flight_info(&self.running, body)?),
            "CancelQuery" => Some(cancel::query(&self.running, body)?),
            other => return Err(refuse_action(other)),
        };
        let results = result.map(|body: Bytes| Ok(arrow_flight::Result { body }));
        Ok(Response::new(stream::iter(results).boxed()))
    }

    /// The actions that [`Self::do_action`] knows.
    pub(crate) fn actions() -> [ActionType; 4] {
        [
            ("CreatePreparedStatement", "Plans a statement; its handle holds all of its state."),
            (
                "ClosePreparedStatement",
                "Succeeds: the server holds nothing of a prepared statement.",
            ),
            (
                "CancelFlightInfo",
                "Stops the statement of a FlightInfo, where it runs in this instance.",
            ),
            ("CancelQuery", "As CancelFlightInfo, for older clients."),
        ]
        .map(|(name, about)| ActionType { r#type: name.into(), description: about.into() })
    }

    async fn plan(&self, prepared: PreparedHandle) -> Result<FlightInfo, Status> {
        noted(prepared.text.as_bytes());
        let (schema, planned) =
            planned::plan(&self.sql, &self.workers, prepared).await.map_err(status)?;
        let ticket = TicketStatementQuery { statement_handle: planned.seal().map_err(status)? };
        info(&schema, ticket.as_any().encode_to_vec())
    }

    async fn answer(&self, asked: &Command) -> Result<RecordBatch, Status> {
        let rows = metadata::answer(&self.sql, asked).await.map_err(status)?;
        rows.ok_or_else(|| refuse_command(asked))
    }
}

/// A FlightInfo with one endpoint, which any instance of the server answers. The number of rows is not known before the statement has run.
fn info(schema: &Schema, ticket: impl Into<Bytes>) -> Result<FlightInfo, Status> {
    let endpoint = FlightEndpoint::new().with_ticket(Ticket::new(ticket));
    let info = FlightInfo::new().with_endpoint(endpoint).try_with_schema(schema);
    info.map_err(|error| status(Error::from(error)))
}
