//! Receives the bodies of gRPC calls within the limits of memory and time. A call with one message goes on when the message has come whole.
//! A call with a stream of messages goes on at once, with memory reserved for the message to come. No body may stall.

use std::time::Duration;

use axum::BoxError;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};

use super::status::status;
use crate::error::{Error, Kind, Result};
use crate::incoming;
use crate::limits::{Client, HeldMemory, Limits, clocked, deadline};

/// Methods whose requests are a stream of messages.
const STREAMED: [&str; 3] = ["/Handshake", "/DoPut", "/DoExchange"];

/// Bytes before each message, which say whether it is compressed and how long it is.
const PREFIX_BYTES: usize = 5;

/// Middleware: takes the message of a call before anything is done for it.
pub(crate) async fn whole(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    if let Err(error) = limits.open(request.extensions()).await {
        return status(error).into_http();
    }
    let limits = limits.for_caller(Client::from_extensions(request.extensions()));
    if STREAMED.iter().any(|method| request.uri().path().ends_with(method)) {
        return next.run(request.map(|body| messages(body, limits))).await;
    }
    match incoming::receive(request, &limits).await {
        Ok((parts, body)) => {
            let message = Body::from(body.bytes.clone());
            next.run(Request::from_parts(parts, message)).await
        }
        Err(error) => status(error).into_http(),
    }
}

/// The same body as a stream, with memory reserved for the message that is on its way.
fn messages(body: Body, limits: Limits) -> Body {
    let limit = clocked(limits.options.receive_limit);
    let end = deadline(limits.options.time_limit);
    let begun = (body.into_data_stream(), PartialMessage::new(limits.bodies.hold()));
    let chunks = stream::try_unfold(begun, move |(mut body, mut message)| async move {
        let due = end.min(Instant::now() + limit);
        let chunk = timeout_at(due, body.next()).await.map_err(|_| status(stalled(limit)))?;
        let Some(chunk) = chunk.transpose()? else { return Ok::<_, BoxError>(None) };
        message.take(&chunk);
        message.hold().map_err(status)?;
        Ok(Some((chunk, (body, message))))
    });
    Body::from_stream(chunks)
}

fn stalled(limit: Duration) -> Error {
    let seconds = limit.as_secs_f64();
    let text = format!("no complete message arrived for {seconds} s; send messages without pauses");
    Error::new(Kind::TooSlow, text)
}

/// A message that has come in part.
struct PartialMessage {
    /// The part of its prefix that has come.
    prefix: Vec<u8>,
    /// Bytes of it that have come, and that have not.
    come: usize,
    left: usize,
    memory: HeldMemory,
}

impl PartialMessage {
    fn new(memory: HeldMemory) -> Self {
        Self { prefix: Vec::new(), come: 0, left: 0, memory }
    }

    #[cfg(test)]
    fn has_begun(&self) -> bool {
        self.left > 0 || !self.prefix.is_empty()
    }

    /// Goes through the messages in a chunk.
    fn take(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            let length = match self.left {
                0 => (PREFIX_BYTES - self.prefix.len()).min(chunk.len()),
                left => left.min(chunk.len()),
            };
            let (part, rest) = chunk.split_at(length);
            chunk = rest;
            if self.left > 0 {
                self.left -= length;
                self.come += length;
                continue;
            }
            self.prefix.extend_from_slice(part);
            if let [_, a, b, c, d] = self.prefix[..] {
                self.left = u32::from_be_bytes([a, b, c, d]) as usize;
                self.come = 0;
                self.prefix.clear();
            }
        }
        if self.left == 0 {
            self.come = 0; // it is with its reader
        }
    }

    /// Reserves memory for the bytes that have come, and for no more.
    fn hold(&mut self) -> Result<()> {
        self.memory.resize(self.come)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tonic::{Code, Status};

    use super::*;
    use crate::limits::{BLOCK_BYTES, ServerOptions};

    fn limits() -> Limits {
        let options = ServerOptions {
            max_body_bytes: BLOCK_BYTES,
            queue_limit: Duration::ZERO,
            receive_limit: Duration::from_millis(1),
            ..ServerOptions::DEFAULT
        };
        Limits::new(options)
    }

    fn message(length: usize) -> Vec<u8> {
        let prefix = [&[0][..], &u32::try_from(length).unwrap().to_be_bytes()].concat();
        [prefix, vec![1; length]].concat()
    }

    #[tokio::test]
    async fn memory_is_held_for_what_is_not_there_yet_however_it_is_cut() {
        let (limits, large) = (limits(), 3 * BLOCK_BYTES);
        let free = limits.bodies.free_bytes();
        let sent = [message(3), message(0), message(large), message(7)].concat();
        let ends = [8, 13, 18 + large, 30 + large];
        for step in [1, 2, 5, 7, 4096, 40_000, sent.len()] {
            let (mut unfinished, mut taken) = (PartialMessage::new(limits.bodies.hold()), 0);
            for chunk in sent.chunks(step) {
                unfinished.take(chunk);
                unfinished.hold().unwrap();
                taken += chunk.len();
                assert_eq!(unfinished.has_begun(), !ends.contains(&taken), "{step} {taken}");
                let begun = ends.iter().rev().find(|end| **end <= taken).unwrap_or(&0);
                let most = (taken - begun).div_ceil(BLOCK_BYTES);
                let held = (free - limits.bodies.free_bytes()) / BLOCK_BYTES;
                assert!(held <= most && held + 1 >= most, "{step} {taken}: {held} of {most}");
            }
        }
        assert_eq!(limits.bodies.free_bytes(), free);
    }

    async fn fails(chunks: Vec<Bytes>) -> Status {
        let chunks = stream::iter(chunks).map(Ok::<_, Status>);
        let body = messages(Body::from_stream(chunks.chain(stream::pending())), limits());
        let mut chunks = body.into_data_stream();
        loop {
            if let Err(error) = chunks.next().await.unwrap() {
                return Status::from_error(error.into_inner());
            }
        }
    }

    #[tokio::test]
    async fn half_a_message_may_neither_stall_nor_take_all_memory() {
        let status = fails([message(9), message(9)[..7].to_vec()].map(Bytes::from).to_vec()).await;
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert!(status.message().contains("no complete message arrived for 0.001 s"), "{status}");
        let large = u32::MAX.to_be_bytes();
        let mut chunks = vec![Bytes::from([&[0][..], &large].concat())];
        chunks.extend(std::iter::repeat_n(Bytes::from(vec![1; 1 << 20]), 1 << 10));
        let status = fails(chunks).await;
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
}
