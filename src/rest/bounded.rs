//! Runs requests that do work within the limits; one that exceeds a limit is refused with its name.
//!
//! A request has a [`Placement`], which its handler finds among the extensions: where the answer turns out to be a large one, it goes
//! on with a permit for large answers, on the workers.
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
use futures::{Stream, StreamExt, TryStreamExt, stream};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{OnceCell, mpsc};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::limits::{Client, Limits, Permit, deadline, too_slow};
use crate::workers::Workers;

/// Marks a large answer, for the layers that compress it.
#[derive(Clone, Copy)]
pub(crate) struct Large;

/// Which permit a request holds, and which threads work on it.
#[derive(Clone)]
pub(crate) struct Placement {
    limits: Limits,
    /// The threads for large answers.
    workers: Workers,
    current: Arc<Mutex<Current>>,
    /// Set once the request has a permit for large answers. Several parts of one answer share it.
    large: Arc<OnceCell<()>>,
}

struct Current {
    /// `None` while the request waits for a permit for large answers.
    _permit: Option<Permit>,
    /// The threads that make the answer.
    threads: Workers,
}

impl Placement {
    /// Waits for a permit for a request.
    async fn take(limits: Limits, workers: Workers) -> Result<Self> {
        let _permit = Some(limits.requests.enter().await?);
        let current = Current { _permit, threads: Workers::current() };
        let current = Arc::new(Mutex::new(current));
        Ok(Self { limits, workers, current, large: Arc::default() })
    }

    /// Runs a part of the work. Large work first gets a permit for large answers, and then runs on the workers.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        is_large: bool,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        if !is_large {
            return work.await;
        }
        self.move_to_large().await?;
        self.workers.run(work).await
    }

    /// Gives the request's permit back, and waits for one for large answers.
    async fn move_to_large(&self) -> Result<()> {
        let moved = self.large.get_or_try_init(async || {
            self.current()._permit = None;
            let _permit = Some(self.limits.large_answers.enter().await?);
            *self.current() = Current { _permit, threads: self.workers.clone() };
            Ok(())
        });
        moved.await.copied()
    }

    fn threads(&self) -> Workers {
        self.current().threads.clone()
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock()
    }
}

/// Middleware for the endpoints that do work.
pub(crate) async fn limit(
    State((limits, workers)): State<(Limits, Workers)>,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let limits = limits.for_caller(Client::from_extensions(request.extensions()));
    let (time_limit, stall_limit) = (limits.options.time_limit, limits.stall_limit());
    let placement = Placement::take(limits, workers).await?;
    request.extensions_mut().insert(placement.clone());
    let deadline = deadline(time_limit);
    let answer = timeout_at(deadline, next.run(request)).await;
    let response =
        answer.map_err(|_| too_slow(time_limit, "ask for fewer objects or columns at once"))?;
    Ok(response.map(|body| match body.size_hint().exact() {
        Some(_) => body,
        None => pulled(body, placement, deadline, stall_limit),
    }))
}

/// The same body, pulled by a task that ends at the deadline, or when the client has read nothing for too long.
fn pulled(body: Body, placement: Placement, deadline: Instant, stall_limit: Duration) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let threads = placement.threads();
    let pull = async move {
        let _placement = placement;
        tokio::select! {
            sent = timeout_at(deadline, pull(body, &sender, stall_limit)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "an answer failed after its first byte and was aborted"),
                Err(_) => tracing::warn!("an answer was over the time limit and was aborted"),
            },
            () = sender.closed() => {}
        }
    };
    threads.spawn(pull.in_current_span());
    Body::from_stream(received(receiver))
}

/// Sends chunks as they come, and then `None`, which marks a complete answer.
async fn pull(
    body: Body,
    sender: &mpsc::Sender<Option<Bytes>>,
    stall_limit: Duration,
) -> Result<(), axum::Error> {
    let mut chunks = body.into_data_stream().map_ok(Some).chain(stream::iter([Ok(None)]));
    while let Some(chunk) = chunks.next().await {
        let sent = timeout(stall_limit, sender.send(chunk?)).await;
        let sent = sent.map_err(|_| too_slow(stall_limit, "read the answer without pauses"));
        // If the receiver is gone, the client has disconnected: there is nothing left to do.
        if sent.map_err(axum::Error::new)?.is_err() {
            return Ok(());
        }
    }
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
    .fuse()
}

#[cfg(test)]
mod tests;
