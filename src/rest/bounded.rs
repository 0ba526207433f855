//! A request that does work, within the limits. In: the request. Out: its answer, or the refusal that names the limit.
//!
//! A streamed answer is pulled by a task of its own, which holds the request's place until the last
//! chunk is handed over. When time is up or the client is gone the task ends, and with it the
//! query, even where nobody reads; the client then sees an aborted body, never a clean end.

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::limits::{Limits, Place, deadline, too_slow};

/// Middleware for the paths that do work.
pub async fn limit(State(limits): State<Limits>, request: Request, next: Next) -> Result<Response> {
    let place = limits.requests.enter().await?;
    let time_limit = limits.options.time_limit;
    let deadline = deadline(time_limit);
    let answer = timeout_at(deadline, next.run(request)).await;
    let response =
        answer.map_err(|_| too_slow(time_limit, "ask for fewer objects or columns at once"))?;
    Ok(response.map(|body| match body.size_hint().exact() {
        Some(_) => body,
        None => pulled(body, place, deadline),
    }))
}

/// The same body, pulled by a task that ends at the deadline.
fn pulled(body: Body, place: Place, deadline: Instant) -> Body {
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
    .fuse()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::StatusCode;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;
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
            ..ServerOptions::default()
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
            held.lock().unwrap().push(sender);
            Body::from_stream(receiver)
        };
        let router = Router::new().route("/", get(handler)).route("/never", get(never));
        (router.layer(from_fn_with_state(limits.clone(), limit)), senders)
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

        let sender = senders.lock().unwrap().remove(0);
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
        let sender = senders.lock().unwrap().remove(0);
        assert!(sender.is_closed());
    }

    #[tokio::test]
    async fn a_failure_midway_is_no_clean_end() {
        let (router, senders) = served(&limits(1, LONG));
        let mut body = ask(&router, "/").await.into_body().into_data_stream();
        let sender = senders.lock().unwrap().remove(0);
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
        let place = limits.requests.enter().await.unwrap();
        let first = stream::iter([Ok::<_, Error>(Bytes::from_static(b"rows"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let mut body = pulled(body, place, Instant::now()).into_data_stream();
        freed(&limits).await;
        assert_eq!(body.next().await.unwrap().unwrap(), "rows");
        assert!(body.next().await.unwrap().is_err());
    }
}
