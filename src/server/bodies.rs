//! Wraps the bodies of a request and of its answer, and reports whether they wait for the client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::HttpBody;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::activity::Answering;
use crate::limits::UntilAnswered;

/// The body of a request. While a handler waits for more of it, the request waits for its client.
pub(crate) struct RequestBody<B: HttpBody> {
    pub body: B,
    pub state: Received,
    pub answering: Arc<Answering>,
}

/// How much of the body of a request has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Part,
    /// A part has arrived, and a handler waits for more.
    Awaited,
    Whole,
}

impl<B: HttpBody + Unpin> HttpBody for RequestBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.answering.set_waiting(polled.is_pending());
        self.state = match polled {
            Poll::Pending => Received::Awaited,
            Poll::Ready(None) => Received::Whole,
            Poll::Ready(_) => Received::Part,
        };
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: HttpBody> Drop for RequestBody<B> {
    fn drop(&mut self) {
        if self.state != Received::Whole && !self.body.is_end_stream() {
            self.answering.leave_over();
        }
        if self.state == Received::Awaited {
            self.answering.set_waiting(false);
        }
    }
}

/// The body of an answer. Between two pieces of it the request waits for its client.
pub(crate) struct AnswerBody<B> {
    pub body: B,
    pub request: Arc<OpenRequest>,
}

/// An open request, and what it holds until it is answered.
pub(crate) struct OpenRequest {
    pub answering: Arc<Answering>,
    pub _held: UntilAnswered,
}

/// A piece of an answer. HTTP/2 keeps it until the client's window has room for it; until then the request is open.
struct AnswerPiece {
    bytes: Bytes,
    _request: Arc<OpenRequest>,
}

impl AsRef<[u8]> for AnswerPiece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.request.answering.set_waiting(polled.is_ready());
        let piece = |bytes| {
            let _request = self.request.clone();
            Bytes::from_owner(AnswerPiece { bytes, _request })
        };
        polled.map_ok(|frame| frame.map_data(piece))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
