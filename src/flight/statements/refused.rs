//! What Flight SQL has and this server does not serve. In: a command or an action. Out: UNIMPLEMENTED, with what to do
//! instead; INVALID_ARGUMENT for what does not belong where it came.

use arrow_flight::sql::Command;
use tonic::Status;

const READ_ONLY: &str =
    "the tables are read-only on this door; alerts are added with `diaflight ingest`";
const NO_UPDATES: &str = "the tables are read-only on this door, and an update was asked for, as ADBC's `executemany` always does: use \
     `execute`, once for each set of values, or for all of them: WHERE diaObjectId IN (...)";
const NO_TRANSACTIONS: &str =
    "there are no transactions: each statement reads one snapshot of every table; use autocommit";
const NO_SUBSTRAIT: &str = "Substrait plans are not served; send the statement as SQL";

/// A command that the call it came with does not answer.
pub fn command(command: &Command) -> Status {
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
                name.unwrap_or("what has no name")
            ))
        }
    }
}

/// Rows that are no parameters.
pub fn upload() -> Status {
    Status::unimplemented(READ_ONLY)
}

/// An action that is not served, by its name.
pub fn action(name: &str) -> Status {
    Status::unimplemented(match name {
        "CreatePreparedSubstraitPlan" => NO_SUBSTRAIT.to_string(),
        "BeginTransaction" | "EndTransaction" | "BeginSavepoint" | "EndSavepoint" => {
            NO_TRANSACTIONS.to_string()
        }
        "SetSessionOptions" | "GetSessionOptions" | "CloseSession" => {
            "there are no sessions: each request holds all it needs".to_string()
        }
        "RenewFlightEndpoint" => {
            "a ticket needs no renewal: it is good while its snapshot is kept".to_string()
        }
        other => format!("no action `{other:.40}`; ListActions has those there are"),
    })
}
