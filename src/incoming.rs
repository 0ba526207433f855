//! Receives the body of a request, whole and within limits. It is refused as `TooLarge` if it is, or says that it is, over the limit, as
//! `TooSlow` if it stalls, and as `Busy` if the memory for bodies is taken.
//!
//! No work begins before its request is there, so nobody holds a place by not sending. A length is refused before
//! any byte is taken, and memory is taken as the bytes come: a length that is only declared costs nothing.

use std::time::Duration;

use axum::extract::Request;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Result};
use crate::limits::{HeldMemory, Limits, clocked};

/// The average rate at which a body must arrive after the limit for sending a request. Pauses of that limit are allowed.
const MIN_BYTES_PER_SECOND: usize = 16 << 10;

/// The body of a request, and its part of the memory for bodies.
#[derive(Debug, Default)]
pub struct Whole {
    /// The body.
    pub bytes: Bytes,
    _memory: Option<HeldMemory>,
}

#[cfg(test)]
impl From<Bytes> for Whole {
    fn from(bytes: Bytes) -> Self {
        Self { bytes, _memory: None }
    }
}

/// Takes a request to its end, with a body of the usual length at most.
pub async fn receive(request: Request, limits: &Limits) -> Result<(Parts, Whole)> {
    receive_at_most(limits.options.max_body_bytes, request, limits).await
}

/// The same with a body of so many bytes at most.
pub async fn receive_at_most(
    most: usize,
    request: Request,
    limits: &Limits,
) -> Result<(Parts, Whole)> {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    if let Some(length) = declared(&parts.headers).filter(|length| *length > most as u64) {
        return Err(too_large(format!("the body has {length} bytes"), most));
    }
    let mut body = body.into_data_stream();
    let (mut bytes, mut memory) = (Vec::new(), limits.bodies.hold());
    loop {
        let due = due(began.elapsed(), limits.options.receive_limit, bytes.len());
        let chunk = timeout_at(began + due, body.next()).await;
        let Some(chunk) = chunk.map_err(|_| too_slow(bytes.len(), due))? else { break };
        let chunk =
            chunk.map_err(|error| Error::argument(format!("the body is incomplete: {error}")))?;
        let length = bytes.len() + chunk.len();
        if length > most {
            return Err(too_large(format!("the body has {length} bytes or more"), most));
        }
        if length > bytes.capacity() {
            let capacity = (length + length / 2).min(most);
            memory.resize(capacity)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok((parts, Whole { bytes: bytes.into(), _memory: Some(memory) }))
}

/// The length that a request says its body has.
fn declared(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH).map(HeaderValue::to_str)?.ok()?.parse().ok()
}

/// By when a body must go on of which so much has come by now, both from its beginning.
fn due(now: Duration, receive_limit: Duration, received: usize) -> Duration {
    let limit = clocked(receive_limit);
    let at_rate = limit + Duration::from_secs((received / MIN_BYTES_PER_SECOND) as u64);
    at_rate.min(now + limit)
}

fn too_large(what: String, most: usize) -> Error {
    let text = format!("{what}; the limit is {most}: ask for less at once");
    Error::new(Kind::TooLarge, text)
}

fn too_slow(received: usize, due: Duration) -> Error {
    let seconds = due.as_secs_f64();
    let text = format!(
        "the body came too slowly: {received} bytes in {seconds:.1} s; send it at {MIN_BYTES_PER_SECOND} bytes a second or more"
    );
    Error::new(Kind::TooSlow, text)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use futures::stream;

    use super::*;
    use crate::limits::{BLOCK_BYTES, Client, MAX_MESSAGE_BYTES, ServerOptions};

    fn limits() -> Limits {
        let options = ServerOptions {
            max_body_bytes: 2 * BLOCK_BYTES,
            queue_limit: Duration::ZERO,
            receive_limit: Duration::from_millis(1),
            ..ServerOptions::DEFAULT
        };
        Limits::new(options)
    }

    async fn received(length: Option<u64>, body: Body, limits: &Limits) -> Result<Whole> {
        let mut request = Request::builder().method("POST");
        if let Some(length) = length {
            request = request.header(CONTENT_LENGTH, length);
        }
        receive(request.body(body).unwrap(), limits).await.map(|(_, whole)| whole)
    }

    fn of(length: usize) -> Body {
        Body::from(vec![b' '; length])
    }

    /// A body that begins and does not go on.
    fn stalled() -> Body {
        let begun = stream::iter([Ok::<_, Error>(Bytes::from_static(b"{"))]);
        Body::from_stream(begun.chain(stream::pending()))
    }

    #[tokio::test]
    async fn the_limit_of_a_body_is_named() {
        let most = 2 * BLOCK_BYTES;
        let whole = received(Some(most as u64), of(most), &limits()).await.unwrap();
        assert_eq!(whole.bytes.len(), most);
        for (length, body) in [(None, of(most + 1)), (Some(1 << 40), stalled())] {
            let error = received(length, body, &limits()).await.unwrap_err();
            assert_eq!(error.kind(), Kind::TooLarge);
            assert!(error.to_string().contains(&format!("the limit is {most}")), "{error}");
        }
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_refused_and_its_memory_is_free_again() {
        let limits = limits();
        let free = limits.bodies.free_bytes();
        let error = received(Some(10), stalled(), &limits).await.unwrap_err();
        assert_eq!(error.kind(), Kind::TooSlow);
        assert!(error.to_string().contains("1 bytes in 0.0 s"), "{error}");
        assert_eq!(limits.bodies.free_bytes(), free);
    }

    #[tokio::test]
    async fn bodies_have_so_much_memory_and_a_client_its_share_of_it() {
        let limits = limits();
        let most = 2 * BLOCK_BYTES;
        let one = limits.for_caller(Some(Client::from_address([192, 0, 2, 1].into())));
        let mut held = Vec::new();
        while let Ok(whole) = received(None, of(most), &one).await {
            held.push(whole);
        }
        assert_eq!(held.len(), MAX_MESSAGE_BYTES / most);
        let error = received(None, of(1), &one).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        let other = limits.for_caller(Some(Client::from_address([192, 0, 2, 2].into())));
        received(None, of(most), &other).await.unwrap();
    }

    #[test]
    fn what_goes_on_coming_has_time() {
        let limit = Duration::from_secs(30);
        let due = |now, received| due(Duration::from_secs(now), limit, received).as_secs();
        assert_eq!(due(0, 0), 30);
        assert_eq!(due(1, 4 << 20), 31, "it may not stop for longer");
        assert_eq!(due(90, 1 << 20), 94, "it comes too slowly");
    }
}
