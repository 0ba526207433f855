//! What a client is told of an error, by REST or Flight. Details of what the server has to mend go to the log instead, under the request id
//! that the client is told.

use std::any::Any;

use crate::error::{Error, Kind};

/// The error of a panic.
pub fn from_panic(panic: Box<dyn Any + Send>) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Error::internal(format!("panic: {}", message.unwrap_or("without a message")))
}

/// The error of a request while the tables are read. A file that is gone or unreadable is not the client's fault: `NotFound` and `Input`
/// become `Storage`.
pub fn from_reading(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Input => error.with_kind(Kind::Storage),
        _ => error,
    }
}

/// The text for the client: the whole error if the client can do something about it, else only the request id under which the log has it.
pub fn text(error: &Error, request_id: &str) -> String {
    match error.kind() {
        Kind::Internal | Kind::Conflict => {
            tracing::error!(request_id, ?error, "internal error while a request was answered");
            format!("internal error; please report it with the request id {request_id}")
        }
        Kind::Storage => {
            tracing::error!(request_id, ?error, "storage error while a request was answered");
            format!(
                "the storage failed, or one of its files cannot be read; try again, and if that does not help report the request id \
                 {request_id}"
            )
        }
        _ => error.to_string(),
    }
}

/// Seconds after which a client may try again.
pub fn retry_after_s(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Busy => Some(1),
        Kind::NotReady | Kind::Storage => Some(5),
        _ => None,
    }
}
