//! A request that does work, within the limits. In: the request, whole. Out: its answer, or the refusal that names the limit.
//!
//! A request has a [`Placement`], which its handler finds among the extensions: where the answer turns out to be a large one, it goes
//! on among the large ones, on the workers.
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

/// Marks a large answer, for what compresses it.
#[derive(Clone, Copy)]
pub struct Large;

/// Where a request is worked on.
#[derive(Clone)]
pub struct Placement {
    limits: Limits,
    /// For large answers.
    workers: Workers,
    current: Arc<Mutex<Current>>,
    /// Set once it is among the large answers: parts of one answer wait for one place.
    large: Arc<OnceCell<()>>,
}

struct Current {
    /// `None` on the way from one place to another.
    _place: Option<Permit>,
    /// Whose threads make the answer.
    threads: Workers,
}

impl Placement {
    /// Among the requests.
    async fn take(limits: Limits, workers: Workers) -> Result<Self> {
        let _place = Some(limits.requests.enter().await?);
        let current = Current { _place, threads: Workers::of_caller() };
        let current = Arc::new(Mutex::new(current));
        Ok(Self { limits, workers, current, large: Arc::default() })
    }

    /// Does a part of the work: where it is large, among the large answers and on the workers.
    pub async fn work<T: Send + 'static>(
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

    /// Leaves the place among the requests, and waits for one among the large answers.
    async fn move_to_large(&self) -> Result<()> {
        let moved = self.large.get_or_try_init(async || {
            self.current()._place = None;
            let _place = Some(self.limits.large_answers.enter().await?);
            *self.current() = Current { _place, threads: self.workers.clone() };
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

/// Middleware for the paths that do work.
pub async fn limit(
    State((limits, workers)): State<(Limits, Workers)>,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let limits = limits.for_caller(Client::of_request(request.extensions()));
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

/// The same body, pulled by a task that ends at the deadline, or when nothing is taken of it for too long.
fn pulled(body: Body, placement: Placement, deadline: Instant, stall_limit: Duration) -> Body {
    let (sender, receiver) = mpsc::channel(1);
    let threads = placement.threads();
    let pull = async move {
        let _seat = placement;
        tokio::select! {
            sent = timeout_at(deadline, pull(body, &sender, stall_limit)) => match sent {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "an answer failed midway and was aborted"),
                Err(_) => tracing::warn!("an answer was over the time limit and was aborted"),
            },
            () = sender.closed() => {}
        }
    };
    threads.spawn(pull.in_current_span());
    Body::from_stream(received(receiver))
}

/// Sends chunks as they come, then `None`: only that is a clean end.
async fn pull(
    body: Body,
    sender: &mpsc::Sender<Option<Bytes>>,
    stall_limit: Duration,
) -> Result<(), axum::Error> {
    let mut chunks = body.into_data_stream().map_ok(Some).chain(stream::iter([Ok(None)]));
    while let Some(chunk) = chunks.next().await {
        let sent = timeout(stall_limit, sender.send(chunk?)).await;
        let sent = sent.map_err(|_| too_slow(stall_limit, "take the answer as it comes"));
        // The receiver may be gone: then nobody cares how it ends.
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
