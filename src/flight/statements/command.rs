//! The messages of Flight SQL. In: bytes of a descriptor, a ticket or an action. Out: what they say, or INVALID_ARGUMENT.

use arrow_flight::sql::{Any, Command, ProstMessageExt};
use prost::Message;
use tonic::Status;

/// The command in a descriptor or a ticket; `Command::Unknown` for a message that is not of Flight SQL.
pub fn command(bytes: &[u8]) -> Result<Command, Status> {
    Command::try_from(Any::decode(bytes).map_err(undecodable)?).map_err(undecodable)
}

/// The message that an action of Flight SQL has as its body.
pub fn unpacked<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    let message = Any::decode(body).map_err(undecodable)?.unpack::<M>().map_err(undecodable)?;
    message.ok_or_else(|| {
        Status::invalid_argument(format!("the action's body is to be a {}", M::type_url()))
    })
}

pub fn undecodable(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("no message of Flight SQL: {error}"))
}
