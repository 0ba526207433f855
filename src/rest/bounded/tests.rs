//! How long a request holds its permits, and which ones.

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
    let state = (limits.clone(), Workers::current());
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
    let placement = Placement::take(limits.clone(), Workers::current()).await.unwrap();
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
        let placement = Placement::take(limits.clone(), Workers::current()).await.unwrap();
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
    let placement = Placement::take(limits.clone(), Workers::current()).await.unwrap();
    assert_eq!((limits.requests.free(), limits.large_answers.free()), (0, 1));
    placement.move_to_large().await.unwrap();
    assert_eq!((limits.requests.free(), limits.large_answers.free()), (1, 0));
    drop(placement);
    assert_eq!(limits.large_answers.free(), 1);
}
