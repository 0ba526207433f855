//! Cancels a statement by the FlightInfo with which it was planned. That stops what runs in this instance; a client that drops its stream
//! stops it wherever it runs.

use arrow_flight::sql::{
    ActionCancelQueryRequest, ActionCancelQueryResult, Command, ProstMessageExt,
};
use arrow_flight::{CancelFlightInfoResult, CancelStatus, Ticket};
use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::command::{check_size, command, undecodable, unpacked};
use super::handle::{Handle, PlannedHandle};
use super::running::Running;
use crate::flight::status::status;

/// A CancelFlightInfoRequest, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct CancelRequest {
    #[prost(message, optional, tag = "1")]
    info: Option<Info>,
}

/// A FlightInfo. Those of statements have one endpoint; of more, the last one counts, and the others take no room.
#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(message, optional, tag = "3")]
    endpoint: Option<CancelledEndpoint>,
}

#[derive(Clone, PartialEq, Message)]
struct CancelledEndpoint {
    #[prost(message, optional, tag = "1")]
    ticket: Option<Ticket>,
}

/// The action CancelFlightInfo.
pub(crate) fn flight_info(running: &Running, body: Bytes) -> Result<Bytes, Status> {
    check_size(&body)?;
    let request = CancelRequest::decode(body).map_err(undecodable)?;
    cancel(running, request.info.unwrap_or_default())?;
    Ok(CancelFlightInfoResult::new(CancelStatus::Cancelled).encode_to_vec().into())
}

/// The older action CancelQuery.
pub(crate) fn query(running: &Running, body: Bytes) -> Result<Bytes, Status> {
    let request: ActionCancelQueryRequest = unpacked(&body)?;
    cancel(running, Info::decode(request.info).map_err(undecodable)?)?;
    // Its results have the numbers of CancelStatus.
    let result = ActionCancelQueryResult { result: CancelStatus::Cancelled.into() };
    Ok(result.as_any().encode_to_vec().into())
}

fn cancel(running: &Running, info: Info) -> Result<(), Status> {
    let ticket = info.endpoint.and_then(|endpoint| endpoint.ticket).unwrap_or_default();
    let found = match command(&ticket.ticket)? {
        Command::TicketStatementQuery(ticket) => {
            let planned = PlannedHandle::open(ticket.statement_handle).map_err(status)?;
            running.cancel(&planned.id)
        }
        _ => false,
    };
    match found {
        true => Ok(()),
        false => Err(Status::not_found(
            "the statement does not run in this instance of the server: it has not begun, has ended, or runs in another instance; \
             to stop it there, drop its stream",
        )),
    }
}

#[cfg(test)]
mod tests {
    use arrow_flight::{FlightEndpoint, FlightInfo};

    use super::*;

    #[test]
    fn the_ticket_of_the_last_of_many_endpoints_is_read() {
        let mut info = FlightInfo::new();
        info.endpoint = vec![FlightEndpoint::new(); 1_000];
        info.endpoint.push(FlightEndpoint::new().with_ticket(Ticket::new("a ticket")));
        let read = Info::decode(info.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read.endpoint.unwrap().ticket.unwrap(), Ticket::new("a ticket"));
    }
}
