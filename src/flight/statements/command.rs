//! The messages of Flight SQL. In: bytes of a descriptor, a ticket or an action. Out: what they say, or INVALID_ARGUMENT.

use arrow_flight::sql::{Any, Command, ProstMessageExt};
use prost::Message;
use tonic::Status;

/// Of an action's body: a FlightInfo, which has a handle twice, and what stands beside them.
const MOST_BYTES: usize = 4 << 20;
/// Of a command: a handle or a statement, and what stands beside it. Many short texts take much more room once they are read.
const MOST_COMMAND_BYTES: usize = (1 << 20) + (64 << 10);

/// The command in a descriptor or a ticket; `Command::Unknown` for a message that is not of Flight SQL.
pub fn command(bytes: &[u8]) -> Result<Command, Status> {
    at_most(bytes.len(), MOST_COMMAND_BYTES)?;
    Command::try_from(Any::decode(bytes).map_err(undecodable)?).map_err(undecodable)
}

/// The message that an action of Flight SQL has as its body.
pub fn unpacked<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    check_size(body)?;
    let message = Any::decode(body).map_err(undecodable)?.unpack::<M>().map_err(undecodable)?;
    message.ok_or_else(|| {
        Status::invalid_argument(format!("the action's body is to be a {}", M::type_url()))
    })
}

/// INVALID_ARGUMENT for a message that is larger than any.
pub fn check_size(bytes: &[u8]) -> Result<(), Status> {
    at_most(bytes.len(), MOST_BYTES)
}

fn at_most(bytes: usize, most: usize) -> Result<(), Status> {
    if bytes > most {
        let text = format!("a message of Flight SQL has {bytes} bytes; the limit is {most}");
        return Err(Status::invalid_argument(text));
    }
    Ok(())
}

pub fn undecodable(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("no message of Flight SQL: {error}"))
}
