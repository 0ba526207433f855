//! Serves until told to stop, then drains. In: a listening socket and an engine. Out: answers.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::error::Result;
use crate::flight::{self, Flight};
use crate::limits::Limits;
use crate::query::Engine;
use crate::rest::{self, App};
use crate::workers::Workers;

pub use crate::limits::ServerOptions;

/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be accepted (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves REST over HTTP/1.1 and HTTP/2, and Flight over gRPC, without TLS until `shutdown`; then `/health/ready` turns 503, no
/// connection is accepted any more, and answers still running after the drain limit are aborted.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let draining = CancellationToken::new();
    let drain_limit = options.drain_limit;
    let (limits, workers) = (Limits::new(options), Workers::new()?);
    let flight = Flight::new(engine.clone(), limits.clone(), workers, None);
    let rest = rest::router(App::new(engine, limits, draining.clone()));
    let router = rest.merge(flight::router(flight));
    let mut connections = JoinSet::new();
    accept(&listener, router, &draining, &mut connections, shutdown).await;
    drop(listener);
    draining.cancel();
    drain(connections, drain_limit).await;
    Ok(())
}

/// Answers every connection in a task of its own until `shutdown`.
async fn accept(
    listener: &TcpListener,
    router: Router,
    draining: &CancellationToken,
    connections: &mut JoinSet<()>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, router.clone(), draining.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Waits for what runs, but not for ever.
async fn drain(mut connections: JoinSet<()>, limit: Duration) {
    tracing::info!(connections = connections.len(), "draining");
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "aborted at the drain limit");
        connections.shutdown().await;
    }
}

/// One connection to its end. Once the server drains, the answer under way is its last.
async fn converse(stream: TcpStream, router: Router, draining: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection without TCP_NODELAY");
    }
    let service = TowerToHyperService::new(
        router.map_request(|request: axum::http::Request<_>| request.map(Body::new)),
    );
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    let mut connection = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::routing::get;
    use bytes::Bytes;
    use futures::channel::mpsc::{UnboundedSender, unbounded};
    use futures::{Stream, StreamExt};
    use tokio::sync::oneshot;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::error::Error;

    type Sender = UnboundedSender<Result<Bytes>>;

    /// A server of one answer, sent piece by piece by the test.
    struct Running {
        url: String,
        answer: Sender,
        stop: oneshot::Sender<()>,
        draining: CancellationToken,
        ended: JoinHandle<()>,
    }

    async fn running(drain_limit: Duration) -> Running {
        let (answer, receiver) = unbounded::<Result<Bytes>>();
        let receiver = Arc::new(Mutex::new(Some(receiver)));
        let handler = || async move { Body::from_stream(receiver.lock().unwrap().take().unwrap()) };
        let router = Router::new().route("/", get(handler));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let draining = CancellationToken::new();
        let token = draining.clone();
        let ended = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            let stopped = async { stopped.await.unwrap() };
            accept(&listener, router, &token, &mut connections, stopped).await;
            drop(listener);
            token.cancel();
            drain(connections, drain_limit).await;
        });
        Running { url, answer, stop, draining, ended }
    }

    /// The answer, after its first piece `a` has arrived.
    async fn begun(server: &Running) -> impl Stream<Item = reqwest::Result<Bytes>> + use<> {
        server.answer.unbounded_send(Ok(Bytes::from_static(b"a"))).unwrap();
        let mut body = reqwest::get(&server.url).await.unwrap().bytes_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "a");
        body
    }

    #[tokio::test]
    async fn a_failure_midway_aborts_the_connection() {
        let server = running(Duration::ZERO).await;
        let mut body = begun(&server).await;
        server.answer.unbounded_send(Err(Error::internal("broken"))).unwrap();
        assert!(body.next().await.unwrap().is_err());
        server.stop.send(()).unwrap();
        server.ended.await.unwrap();
    }

    #[tokio::test]
    async fn running_answers_finish_and_no_new_ones_begin() {
        let server = running(Duration::from_secs(3600)).await;
        let mut body = begun(&server).await;
        server.stop.send(()).unwrap();
        server.draining.cancelled().await;
        assert!(reqwest::get(&server.url).await.unwrap_err().is_connect());
        server.answer.unbounded_send(Ok(Bytes::from_static(b"b"))).unwrap();
        drop(server.answer);
        assert_eq!(body.next().await.unwrap().unwrap(), "b");
        assert!(body.next().await.is_none());
        server.ended.await.unwrap();
    }

    #[tokio::test]
    async fn what_runs_at_the_drain_limit_is_aborted() {
        let server = running(Duration::ZERO).await;
        let mut body = begun(&server).await;
        server.stop.send(()).unwrap();
        server.ended.await.unwrap();
        assert!(body.next().await.unwrap().is_err());
        assert!(server.answer.is_closed());
    }
}
