//! Reads the messages of Flight SQL from descriptors, tickets and actions. Errors: INVALID_ARGUMENT for what is no such message,
//! UNIMPLEMENTED, with what to do instead, for messages that this server does not serve.

use arrow_flight::sql::{Any, Command, ProstMessageExt};
use prost::Message;
use tonic::Status;

const READ_ONLY: &str =
    "the tables are read-only over Flight; alerts are added with `diaflight ingest`";
const NO_UPDATES: &str = "the tables are read-only over Flight, and this is an update, which ADBC's `executemany` always sends: use \
     `execute`, once for each set of values, or for all of them: WHERE diaObjectId IN (...)";
const NO_TRANSACTIONS: &str =
    "there are no transactions: each statement reads one snapshot of every table; use autocommit";
const NO_SUBSTRAIT: &str = "Substrait plans are not supported; send the statement as SQL";

/// Bytes of the body of an action: a FlightInfo, which has a handle twice, and the rest.
const MOST_BYTES: usize = 4 << 20;
/// Bytes of a command: a handle or a statement, and the rest. Many short texts take much more memory once they are read.
const MOST_COMMAND_BYTES: usize = (1 << 20) + (64 << 10);

/// The command in a descriptor or a ticket; `Command::Unknown` for a message that is not of Flight SQL.
pub(crate) fn command(bytes: &[u8]) -> Result<Command, Status> {
    at_most(bytes.len(), MOST_COMMAND_BYTES)?;
    Command::try_from(Any::decode(bytes).map_err(undecodable)?).map_err(undecodable)
}

/// The message that an action of Flight SQL has as its body.
pub(crate) fn unpacked<M: ProstMessageExt>(body: &[u8]) -> Result<M, Status> {
    check_size(body)?;
    let message = Any::decode(body).map_err(undecodable)?.unpack::<M>().map_err(undecodable)?;
    message.ok_or_else(|| {
        Status::invalid_argument(format!("the body of the action must be a {}", M::type_url()))
    })
}

/// Checks that a message is not too large; else INVALID_ARGUMENT.
pub(crate) fn check_size(bytes: &[u8]) -> Result<(), Status> {
    at_most(bytes.len(), MOST_BYTES)
}

fn at_most(bytes: usize, most: usize) -> Result<(), Status> {
    if bytes > most {
        let text = format!("a message of Flight SQL has {bytes} bytes; the limit is {most}");
        return Err(Status::invalid_argument(text));
    }
    Ok(())
}

/// The status for bytes that are no such message.
pub(crate) fn undecodable(error: impl std::fmt::Display) -> Status {
    Status::invalid_argument(format!("not a message of Flight SQL: {error}"))
}

/// The status for a command that the call does not answer.
pub(crate) fn refuse_command(command: &Command) -> Status {
    match command {
        Command::CommandStatementSubstraitPlan(_) => Status::unimplemented(NO_SUBSTRAIT),
        Command::CommandStatementIngest(_) => Status::unimplemented(READ_ONLY),
        Command::CommandStatementUpdate(_) | Command::CommandPreparedStatementUpdate(_) => {
            Status::unimplemented(NO_UPDATES)
        }
        other => {
            let name = other.type_url().rsplit('.').next().filter(|name| !name.is_empty());
            Status::invalid_argument(format!(
                "{} does not belong here: GetFlightInfo takes a command, DoGet the ticket that it gave, DoPut \
                 the rows to bind to a prepared statement",
                name.unwrap_or("a command without a name")
            ))
        }
    }
}

/// The status for rows that are not sent as parameters.
pub(crate) fn refuse_upload() -> Status {
    Status::unimplemented(READ_ONLY)
}

/// The status for an action that is not served.
pub(crate) fn refuse_action(name: &str) -> Status {
    Status::unimplemented(match name {
        "CreatePreparedSubstraitPlan" => NO_SUBSTRAIT.to_string(),
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            NO_TRANSACTIONS.to_string()
        }
        "SetSessionOptions" | "GetSessionOptions" | "CloseSession" => {
            "sessions are not supported: each request is complete in itself".to_string()
        }
        "RenewFlightEndpoint" => {
            "a ticket needs no renewal: it is valid as long as its snapshot is kept".to_string()
        }
        other => format!("there is no action `{other:.40}`; ListActions names all"),
    })
}
