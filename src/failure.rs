//! What a client is told of an error, by whatever door it came. In: an [`Error`] and an id to find it by.
//! Out: one text; the details of what is ours to mend go to the log, under that id.

use std::any::Any;

use crate::error::{Error, Kind};

/// A panic is a bug like any other.
pub fn of_panic(panic: Box<dyn Any + Send>) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    Error::internal(format!("panic: {}", message.unwrap_or("without a message")))
}

/// An error of the tables while answering: a file that is gone or unreadable is no fault of the request.
pub fn of_reading(error: Error) -> Error {
    match error.kind() {
        Kind::NotFound | Kind::Input => error.with_kind(Kind::Storage),
        _ => error,
    }
}

/// All of it where the client can mend it, else only where to find it in the log.
pub fn text(error: &Error, request_id: &str) -> String {
    match error.kind() {
        Kind::Internal | Kind::Conflict => {
            tracing::error!(request_id, ?error, "a request failed by a bug");
            format!("internal error; please report it with the request id {request_id}")
        }
        Kind::Storage => {
            tracing::error!(request_id, ?error, "a request failed by the storage");
            format!(
                "the storage failed, or a file in it cannot be read as it is; try again, and if that does not help report the request id \
                 {request_id}"
            )
        }
        _ => error.to_string(),
    }
}

/// Seconds after which trying again may help.
pub fn retry_after_s(kind: Kind) -> Option<u64> {
    match kind {
        Kind::Busy => Some(1),
        Kind::NotReady | Kind::Storage => Some(5),
        _ => None,
    }
}
