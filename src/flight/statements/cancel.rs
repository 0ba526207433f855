//! Cancelling a statement, by the FlightInfo that it was planned with. In: the body of an action. Out: the body of its
//! result. It stops what runs in this instance; a client that drops its stream stops it wherever it runs.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, Command, ProstMessageExt,
};
use arrow_flight::{CancelFlightInfoRequest, CancelFlightInfoResult, CancelStatus, FlightInfo};
use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::command::{command, undecodable, unpacked};
use super::handle::{Handle, Planned};
use super::running::Running;
use crate::flight::status::status;

/// The action CancelFlightInfo.
pub fn flight_info(running: &Running, body: Bytes) -> Result<Bytes, Status> {
    let request = CancelFlightInfoRequest::decode(body).map_err(undecodable)?;
    cancel(running, request.info.unwrap_or_default())?;
    Ok(CancelFlightInfoResult::new(CancelStatus::Cancelled).encode_to_vec().into())
}

/// The older action CancelQuery.
pub fn query(running: &Running, body: Bytes) -> Result<Bytes, Status> {
    let request: ActionCancelQueryRequest = unpacked(&body)?;
    cancel(running, FlightInfo::decode(request.info).map_err(undecodable)?)?;
    // Its results have the numbers of CancelStatus.
    let result = ActionCancelQueryResult { result: CancelStatus::Cancelled.into() };
    Ok(result.as_any().encode_to_vec().into())
}

fn cancel(running: &Running, info: FlightInfo) -> Result<(), Status> {
    let mut found = false;
    for ticket in info.endpoint.into_iter().filter_map(|endpoint| endpoint.ticket) {
        if let Command::TicketStatementQuery(ticket) = command(&ticket.ticket)? {
            let planned = Planned::open(ticket.statement_handle).map_err(status)?;
            found |= running.cancel(&planned.id);
        }
    }
    match found {
        true => Ok(()),
        false => Err(Status::not_found(
            "no such statement runs in this instance of the server: it has not begun, has ended, or runs in another; \
             to stop it there, drop its stream",
        )),
    }
}
