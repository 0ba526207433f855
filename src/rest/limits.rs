//! How much at once, and how long. In: a request that does work. Out: its answer, or a refusal
//! that names the limit: `Busy` over capacity, `Timeout` over time.
//!
//! A streamed answer is pulled by a task of its own, which holds the request's place until the last
//! chunk is handed over. When time is up or the client is gone the task ends, and with it the
//! query, even where nobody reads; the client then sees an aborted body, never a clean end.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use crate::error::{Error, Kind, Result};

/// What one request and all together may take.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Requests answered at the same time; health and metrics do not count.
    pub max_concurrent_requests: usize,
    /// How long a request over that number waits for a place before it is refused.
    pub queue_limit: Duration,
    /// From getting a place to the last byte of the answer.
    pub time_limit: Duration,
    pub max_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_requests: 128,
            queue_limit: Duration::from_secs(1),
            time_limit: Duration::from_secs(300),
            max_body_bytes: 100 << 20,
        }
    }
}

/// The limits, and the places that are free.
#[derive(Clone)]
pub struct Gate {
    pub limits: Arc<Limits>,
    places: Arc<Semaphore>,
}

impl Gate {
    pub fn new(limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.max_concurrent_requests));
        Self { limits: Arc::new(limits), places }
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit> {
        let place = timeout(self.limits.queue_limit, self.places.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| {
            let most = self.limits.max_concurrent_requests;
            Error::new(
                Kind::Busy,
                format!("over capacity: {most} requests at once is the limit; try again"),
            )
        })
    }

    fn too_slow(&self) -> Error {
        let seconds = self.limits.time_limit.as_secs_f64();
        let text =
            format!("over the time limit of {seconds} s; ask for fewer objects or columns at once");
        Error::new(Kind::Timeout, text)
    }
}

/// Middleware for the paths that do work.
pub async fn limit(State(gate): State<Gate>, request: Request, next: Next) -> Result<Response> {
    let place = gate.enter().await?;
    let deadline = Instant::now() + gate.limits.time_limit;
    let answer = timeout_at(deadline, next.run(request)).await;
    let response = answer.map_err(|_| gate.too_slow())?;
    Ok(response.map(|body| match body.size_hint().exact() {
        Some(_) => body,
        None => pulled(body, place, deadline),
    }))
}

/// The same body, pulled by a task that ends at the deadline.
fn pulled(body: Body, place: OwnedSemaphorePermit, deadline: Instant) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let pull = async move {
        let _place = place;
        tokio::select! {
            sent = timeout_at(deadline, pull(body, &sender)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "an answer failed midway and was aborted"),
                Err(_) => tracing::warn!("an answer was over the time limit and was aborted"),
            },
            () = sender.closed() => {}
        }
    };
    tokio::spawn(pull.in_current_span());
    Body::from_stream(received(receiver))
}

/// Sends chunks as they come, then `None`: only that is a clean end.
async fn pull(body: Body, sender: &mpsc::Sender<Option<Bytes>>) -> Result<(), axum::Error> {
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        if sender.send(Some(chunk?)).await.is_err() {
            return Ok(());
        }
    }
    // The receiver may be gone: then nobody cares how it ended.
    let _ = sender.send(None).await;
    Ok(())
}

fn received(receiver: mpsc::Receiver<Option<Bytes>>) -> impl Stream<Item = Result<Bytes>> {
    stream::unfold(Some(receiver), |receiver| async {
        let mut receiver = receiver?;
        match receiver.recv().await {
            Some(Some(chunk)) => Some((Ok(chunk), Some(receiver))),
            Some(None) => None,
            None => Some((Err(Error::internal("the answer was aborted")), None)),
        }
    })
}
