//! Requests that are not supported get an error that says what to do instead; damaged ones are rejected.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    ActionCreatePreparedSubstraitPlanRequest, Any, CommandPreparedStatementQuery,
    CommandStatementIngest, CommandStatementQuery, CommandStatementSubstraitPlan, EndTransaction,
    ProstMessageExt, TicketStatementQuery,
};
use arrow_flight::{Action, FlightDescriptor, FlightInfo, Ticket};
use bytes::Bytes;
use futures::stream;
use prost::Message;
use tonic::Code;

use super::{Client, assert_refused, client, served, status};

async fn info(
    client: &mut Client,
    command: impl ProstMessageExt,
) -> Result<FlightInfo, FlightError> {
    let descriptor = FlightDescriptor::new_cmd(command.as_any().encode_to_vec());
    Ok(client.inner_mut().get_flight_info(descriptor).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_says_what_to_do_instead() {
    let (_folder, server) = served().await;
    let mut client = client(&server).await;
    let no = Code::Unimplemented;
    assert_refused(client.begin_transaction().await, no, "autocommit");
    let rollback = client.end_transaction(Bytes::new(), EndTransaction::Rollback).await;
    assert_refused(rollback, no, "autocommit");
    let update = client.execute_update("DELETE FROM sources".to_string(), None).await;
    assert_refused(update, no, "read-only");
    let mut prepared = client.prepare("SELECT 1".to_string(), None).await.unwrap();
    assert_refused(prepared.execute_update().await, no, "read-only");
    let nothing = Ok(RecordBatch::new_empty(Schema::empty().into()));
    let ingest = client.execute_ingest(CommandStatementIngest::default(), stream::iter([nothing]));
    assert_refused(ingest.await, no, "diaflight ingest");
    let plan = CommandStatementSubstraitPlan::default();
    assert_refused(info(&mut client, plan).await, no, "as SQL");
    let plan = ActionCreatePreparedSubstraitPlanRequest::default().as_any().encode_to_vec();
    for (name, body, says) in [
        ("CreatePreparedSubstraitPlan", plan, "as SQL"),
        ("BeginSavepoint", Vec::new(), "autocommit"),
        ("SetSessionOptions", Vec::new(), "sessions are not supported"),
        ("RenewFlightEndpoint", Vec::new(), "no renewal"),
        ("MakeCoffee", Vec::new(), "MakeCoffee"),
    ] {
        assert_refused(client.do_action(Action::new(name, body)).await, no, says);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_foreign_bytes_are_refused() {
    let (_folder, server) = served().await;
    let mut client = client(&server).await;
    let info_of = CommandStatementQuery { query: "SELECT 1".to_string(), transaction_id: None };
    let planned = info(&mut client, info_of.clone()).await.unwrap();
    let ticket = planned.endpoint[0].ticket.clone().unwrap().ticket;
    for at in 0..ticket.len() {
        let mut damaged = ticket.to_vec();
        damaged[at] ^= 0x04;
        let status = status(client.do_get(Ticket::new(damaged)).await);
        assert_eq!(status.code(), Code::InvalidArgument, "{at}: {status}");
    }
    let ticket = Any::decode(ticket).unwrap().unpack::<TicketStatementQuery>().unwrap().unwrap();
    let mut newer = ticket.statement_handle.to_vec();
    newer[1] += 1;
    let newer = TicketStatementQuery { statement_handle: newer.into() }.as_any().encode_to_vec();
    let refused = client.do_get(Ticket::new(newer)).await;
    assert_refused(refused, Code::InvalidArgument, "prepare the statement again");
    let handle = ticket.statement_handle;
    let no_prepared = CommandPreparedStatementQuery { prepared_statement_handle: handle };
    assert_refused(
        info(&mut client, no_prepared).await,
        Code::InvalidArgument,
        "was not made by this server",
    );
    let command = Ticket::new(info_of.as_any().encode_to_vec());
    let refused = client.do_get(command).await;
    assert_refused(refused, Code::InvalidArgument, "CommandStatementQuery does not belong here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_statement_is_told_what_is_wrong() {
    let (_folder, server) = served().await;
    let mut client = client(&server).await;
    for (statement, says) in [
        ("SELEC 1", "SELEC"),
        ("SELECT psfflux FROM sources", "psfflux"),
        ("SELECT ?, $1", "both"),
        ("SELECT 'abc", "the statement"),
        ("DROP TABLE sources", "only statements that read"),
        ("SELECT ?", "1 parameters"),
    ] {
        let executed = client.execute(statement.to_string(), None).await;
        assert_refused(executed, Code::InvalidArgument, says);
    }
    let long = format!("SELECT '{}'", "x".repeat(1 << 20));
    assert_refused(
        client.execute(long, None).await,
        Code::ResourceExhausted,
        "the limit is 1048576",
    );
}
