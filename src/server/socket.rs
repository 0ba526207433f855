//! Two things about a connection that hyper leaves to us: it tells why a request's head is refused, and closes so that a client that is
//! still sending gets to read its answer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::HEAD_BYTES;
use super::activity::Activity;

/// How long to read and discard what a client is still sending. A connection that is closed with unread bytes is reset, and the client may
/// lose the answer.
const LINGER_LIMIT: Duration = Duration::from_secs(5);

/// hyper's own answers to a head that it refuses. They have no text.
const REFUSED: [&str; 3] =
    [NOT_HTTP, "HTTP/1.1 414 URI Too Long", "HTTP/1.1 431 Request Header Fields Too Large"];
const NOT_HTTP: &str = "HTTP/1.1 400 Bad Request";
/// The length of the status in front of these.
const STATUS_BYTES: usize = "HTTP/1.1 400".len();
/// A header of all answers but hyper's own. It tells them apart: the answer to a HEAD is written after its request has ended, too.
const OF_HANDLERS: &[u8] = b"x-request-id: ";

pub(crate) struct Socket<S> {
    inner: S,
    activity: Arc<Activity>,
    /// Whether bytes are still to be written.
    stuck: bool,
    /// What is left to write in place of hyper's answer.
    refusal: Option<Bytes>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl<S> Socket<S> {
    pub(crate) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity, stuck: false, refusal: None, lingering: None }
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Reports whether the client reads what is written.
    fn note<T>(&mut self, written: &Poll<T>) {
        if self.stuck != written.is_pending() {
            self.stuck = written.is_pending();
            self.activity.set_stuck(self.stuck);
        }
    }

    /// Replaces hyper's answer to a refused head by ours: no handler can, since there is no request.
    fn poll_refuse(&mut self, cx: &mut Context<'_>, written: &[u8]) -> Poll<io::Result<bool>> {
        if self.refusal.is_none() {
            let is_written =
                |status: &&&str| written.starts_with(&status.as_bytes()[..STATUS_BYTES]);
            let Some(status) = REFUSED.iter().find(is_written) else {
                return Poll::Ready(Ok(false));
            };
            let of_handler = written.windows(OF_HANDLERS.len()).any(|part| part == OF_HANDLERS);
            if of_handler || self.activity.quiet_since().is_none() {
                return Poll::Ready(Ok(false));
            }
            self.refusal = Some(refusal(status));
        } else if self.refusal.as_ref().is_some_and(Bytes::is_empty) {
            // Nothing follows it.
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        while let Some(left) = self.refusal.as_mut().filter(|left| left.has_remaining()) {
            match ready!(Pin::new(&mut self.inner).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => left.advance(length),
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl<S: AsyncRead + Unpin> Socket<S> {
    /// Reads and discards input until the client is done or the time is up.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER_LIMIT)));
        let mut thrown = [0; 16 << 10];
        while limit.as_mut().poll(cx).is_pending() {
            let mut thrown = ReadBuf::new(&mut thrown);
            match ready!(Pin::new(&mut self.inner).poll_read(cx, &mut thrown)) {
                Ok(()) if !thrown.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(())
    }
}

/// The answer to a head that is refused with a status.
fn refusal(status: &str) -> Bytes {
    let text = match status {
        NOT_HTTP => "this is not HTTP/1.1: check the headers; in a URL, characters other than letters, digits and -._~:/?&=,@ must be \
                     encoded (a blank is %20, \" is %22, < is %3C, > is %3E)"
            .to_string(),
        _ => format!(
            "the URL and headers are over the limit of {HEAD_BYTES} bytes; send the arguments as JSON in the body of a POST"
        ),
    };
    let body = json!({"status": "error", "text": text}).to_string();
    let length = body.len();
    let head = format!(
        "{status}\r\ncontent-type: application/json\r\naccess-control-allow-origin: *\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n"
    );
    Bytes::from(head + &body)
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, read)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if ready!(self.poll_refuse(cx, bytes))? {
            return Poll::Ready(Ok(bytes.len()));
        }
        let polled = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.first().map_or(&[][..], |slice| slice);
        if ready!(self.poll_refuse(cx, first))? {
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.note(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.note(&polled);
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
        if self.refusal.is_some() || self.activity.left_over() {
            ready!(self.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}
