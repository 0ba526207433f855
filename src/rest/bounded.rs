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
use crate::limits::{Client, Limits, Place, deadline, too_slow};
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
    _place: Option<Place>,
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
    let limits = limits.of(Client::of_request(request.extensions()));
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
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use tower::ServiceExt;

    use super::*;
    use crate::limits::ServerOptions;

    const AT_ONCE: Duration = Duration::ZERO;
    const LONG: Duration = Duration::MAX;

    fn limits(max_concurrent_requests: usize, time_limit: Duration) -> Limits {
        let options = ServerOptions {
            max_concurrent_requests,
            queue_limit: AT_ONCE,
            time_limit,
            ..ServerOptions::DEFAULT
        };
        Limits::new(options)
    }

    type Senders = Arc<Mutex<Vec<UnboundedSender<Result<Bytes>>>>>;

    /// A server whose answers are sent to it piece by piece.
    fn served(limits: &Limits) -> (Router, Senders) {
        let senders = Senders::default();
        let held = senders.clone();
        let handler = || async move {
            let (sender, receiver) = unbounded();
            held.lock().push(sender);
            Body::from_stream(receiver)
        };
        let router = Router::new().route("/", get(handler)).route("/never", get(never));
        let state = (limits.clone(), Workers::of_caller());
        (router.layer(from_fn_with_state(state, limit)), senders)
    }

    async fn freed(limits: &Limits) {
        while limits.requests.free() == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn never() {
        std::future::pending().await
    }

    async fn ask(router: &Router, path: &str) -> Response {
        let request = Request::builder().uri(path).body(Body::empty()).unwrap();
        router.clone().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_place_is_held_until_the_last_chunk() {
        let limits = limits(1, LONG);
        let (router, senders) = served(&limits);
        let answer = ask(&router, "/").await;
        let refused = ask(&router, "/").await;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let error = refused.extensions().get::<Arc<Error>>().unwrap().to_string();
        assert!(error.contains("1 requests"), "{error}");

        let sender = senders.lock().remove(0);
        sender.unbounded_send(Ok(Bytes::from_static(b"rows"))).unwrap();
        drop(sender);
        let body = axum::body::to_bytes(answer.into_body(), 100).await.unwrap();
        assert_eq!(body, "rows");
        freed(&limits).await;
        assert_eq!(ask(&router, "/").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_client_that_is_gone_frees_its_place_and_stops_the_work() {
        let limits = limits(1, LONG);
        let (router, senders) = served(&limits);
        drop(ask(&router, "/").await);
        freed(&limits).await;
        let sender = senders.lock().remove(0);
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn a_failure_midway_is_no_clean_end() {
        let (router, senders) = served(&limits(1, LONG));
        let mut body = ask(&router, "/").await.into_body().into_data_stream();
        let sender = senders.lock().remove(0);
        sender.unbounded_send(Ok(Bytes::from_static(b"rows"))).unwrap();
        sender.unbounded_send(Err(Error::internal("broken"))).unwrap();
        assert_eq!(body.next().await.unwrap().unwrap(), "rows");
        assert!(body.next().await.unwrap().is_err());
        for _ in 0..2 {
            assert!(body.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn over_the_time_limit_nothing_was_sent() {
        let limits = limits(1, Duration::from_millis(1));
        let answer = ask(&served(&limits).0, "/never").await;
        assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
        let error = answer.extensions().get::<Arc<Error>>().unwrap().to_string();
        assert!(error.contains("0.001 s"), "{error}");
        assert_eq!(limits.requests.free(), 1);
    }

    #[tokio::test]
    async fn over_the_time_limit_midway_the_body_is_aborted_even_if_nobody_reads() {
        let limits = limits(1, LONG);
        let placement = Placement::take(limits.clone(), Workers::of_caller()).await.unwrap();
        let first = stream::iter([Ok::<_, Error>(Bytes::from_static(b"rows"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let mut body = pulled(body, placement, Instant::now(), LONG).into_data_stream();
        freed(&limits).await;
        assert_eq!(body.next().await.unwrap().unwrap(), "rows");
        assert!(body.next().await.unwrap().is_err());
    }

    #[tokio::test]
    async fn a_reader_that_stalls_frees_its_place_and_stops_the_work() {
        for chunks in [1, 3] {
            let limits = limits(1, LONG);
            let placement = Placement::take(limits.clone(), Workers::of_caller()).await.unwrap();
            let chunks = stream::iter(vec![Bytes::from_static(b"rows"); chunks]);
            let body = Body::from_stream(chunks.map(Ok::<_, Error>));
            let body = pulled(body, placement, deadline(LONG), Duration::from_millis(1));
            freed(&limits).await;
            let mut body = body.into_data_stream();
            assert_eq!(body.next().await.unwrap().unwrap(), "rows");
            assert!(body.next().await.unwrap().is_err());
        }
    }

    #[tokio::test]
    async fn a_large_answer_leaves_its_place_to_small_ones() {
        let options =
            ServerOptions { memory_bytes: 0, max_concurrent_requests: 1, ..ServerOptions::DEFAULT };
        let limits = Limits::new(options);
        let placement = Placement::take(limits.clone(), Workers::of_caller()).await.unwrap();
        assert_eq!((limits.requests.free(), limits.large_answers.free()), (0, 1));
        placement.move_to_large().await.unwrap();
        assert_eq!((limits.requests.free(), limits.large_answers.free()), (1, 0));
        drop(placement);
        assert_eq!(limits.large_answers.free(), 1);
    }
}
