//! Errors as gRPC clients see them: a [`Status`] with the code of the error's kind, the same text as over REST ([`failure`]), and
//! `retry-after` metadata (seconds) where trying again may help.

use tonic::Status;
use uuid::Uuid;

use crate::error::Error;
use crate::failure;

/// Bytes of the text of a status. It becomes a percent-encoded HTTP/2 trailer, and clients refuse trailers from 8 KiB on.
const MESSAGE_BYTES: usize = 2 << 10;

/// The status of an error. A fault of the server is logged here under an id, which the client gets instead of its text.
pub(crate) fn status(error: Error) -> Status {
    let text = failure::text(&error, &Uuid::new_v4().to_string());
    let mut status = Status::new(error.kind().grpc_code(), shortened(text));
    if let Some(seconds) = failure::retry_after_s(error.kind()) {
        status.metadata_mut().insert("retry-after", seconds.into());
    }
    status
}

/// The text or, if it is too long, its beginning and the number of bytes that are left out.
fn shortened(text: String) -> String {
    if text.len() <= MESSAGE_BYTES {
        return text;
    }
    let kept = &text[..text.floor_char_boundary(MESSAGE_BYTES)];
    format!("{kept}... ({} more bytes)", text.len() - kept.len())
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_client_is_told_what_it_can_mend_and_when_to_try_again() {
        let told = |kind, code, retry_after: Option<&str>| {
            let status = status(Error::new(kind, "the very reason"));
            assert_eq!(status.code(), code);
            let seconds = status.metadata().get("retry-after");
            assert_eq!(seconds.map(|seconds| seconds.to_str().unwrap()), retry_after);
            status.message().contains("the very reason")
        };
        assert!(told(Kind::Argument, Code::InvalidArgument, None));
        assert!(told(Kind::Busy, Code::ResourceExhausted, Some("1")));
        assert!(told(Kind::NotReady, Code::Unavailable, Some("5")));
        assert!(!told(Kind::Storage, Code::Unavailable, Some("5")));
        assert!(!told(Kind::Internal, Code::Internal, None));
    }

    #[test]
    fn a_long_text_says_that_it_goes_on() {
        let status = status(Error::argument("é".repeat(MESSAGE_BYTES)));
        let (kept, rest) = status.message().split_once("...").unwrap();
        assert!(kept.len() <= MESSAGE_BYTES && kept.chars().all(|char| char == 'é'));
        assert_eq!(rest, format!(" ({} more bytes)", 2 * MESSAGE_BYTES - kept.len()));
    }
}
