//! Serves REST and Flight (gRPC) on one port, with TLS or without, until it is told to stop; then it drains.

mod activity;
mod admission;
mod bodies;
mod connection;
mod socket;

use std::sync::Arc;
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::activity::Timeouts;
use self::admission::Connections;
use self::connection::Handler;
use crate::access;
use crate::error::Result;
use crate::flight::{self, Flight};
use crate::limits::{Client, Limits, clocked};
use crate::origin::Origins;
use crate::query::Engine;
use crate::rest::{self, App};
use crate::sql::Sql;
use crate::telemetry::{Metrics, Observed, watched};
use crate::token::Tokens;
use crate::workers::Workers;

pub use crate::limits::ServerOptions;

/// The largest head of a request. A URL of about 3,400 ids fits, and hyper's type for a URI takes no more.
const HEAD_BYTES: usize = 64 << 10;
/// How long to wait when a connection cannot be accepted, mostly because too many files are open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The parts of a server.
pub struct ServerParts {
    /// Answers queries.
    pub engine: Engine,
    /// Answers statements.
    pub sql: Sql,
    /// Run what takes long.
    pub workers: Workers,
    /// The limits.
    pub options: ServerOptions,
    /// The tokens for whole tables and SQL.
    pub tokens: Tokens,
    /// `None` if connections are not encrypted.
    pub tls: Option<TlsAcceptor>,
    /// Where clients reach the server.
    pub origins: Origins,
    /// Cancelled when the server is to stop.
    pub stopping: CancellationToken,
}

/// Serves HTTP/1.1 and HTTP/2 until `stopping` is cancelled: then `/health/ready` turns 503. After the drain delay no connection is
/// accepted any more, those without a request end, and answers still running after the drain limit are aborted.
pub async fn serve(listener: TcpListener, served: ServerParts) -> Result<()> {
    let ServerParts { engine, sql, workers, options, tokens, tls, origins, stopping } = served;
    let (limits, origins) = (Limits::new(options.clone()), Arc::new(origins));
    let metrics = Arc::new(Metrics::of(Observed {
        engine: engine.clone(),
        sql: sql.clone(),
        limits: limits.clone(),
        stopping: stopping.clone(),
    }));
    let app = App::new(
        engine.clone(),
        limits.clone(),
        workers.clone(),
        metrics.clone(),
        stopping.clone(),
        origins.clone(),
    );
    let flight = Flight::new(engine, sql, limits, workers, stopping.clone());
    let doors = rest::router(app).merge(flight::router(flight));
    let doors = doors.layer(from_fn_with_state(tokens, access::recognise));
    let router = watched(doors, metrics.clone(), options.slow_limit);
    let (timeouts, draining) = (timeouts(&options), CancellationToken::new());
    let handler = Handler { router, tls, timeouts, origins, draining };
    let shutdown = async {
        stopping.cancelled().await;
        tokio::time::sleep(options.drain_delay).await;
    };
    let connections = Connections::new(&options, metrics);
    run(listener, handler, connections, options.drain_limit, shutdown).await;
    Ok(())
}

/// The time limits for clients.
fn timeouts(options: &ServerOptions) -> Timeouts {
    let [first, idle, stalled] =
        [options.receive_limit, options.idle_limit, options.time_limit].map(clocked);
    Timeouts { first, idle, stalled }
}

async fn run(
    listener: TcpListener,
    handler: Handler,
    admission: Connections,
    drain_limit: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    accept(&listener, &handler, &admission, &mut connections, shutdown).await;
    drop(listener);
    handler.draining.cancel();
    drain(connections, drain_limit).await;
}

/// Answers every connection in a task of its own until `shutdown`.
async fn accept(
    listener: &TcpListener,
    handler: &Handler,
    admission: &Connections,
    connections: &mut JoinSet<()>,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => match admission.admit(Client::from_address(peer.ip()), handler.origins.is_proxy(peer.ip())) {
                    Some(slot) => _ = connections.spawn(handler.clone().accept(stream, slot)),
                    None => tracing::debug!(%peer, "a connection was refused: the limit is reached"),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
}

/// Waits for running answers, up to the drain limit.
async fn drain(mut connections: JoinSet<()>, limit: Duration) {
    tracing::info!(connections = connections.len(), "draining");
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "running answers were aborted at the drain limit"
        );
        connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Body;
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
    struct RunningServer {
        url: String,
        answer: Sender,
        stop: oneshot::Sender<()>,
        draining: CancellationToken,
        ended: JoinHandle<()>,
    }

    async fn running(drain_limit: Duration) -> RunningServer {
        let (answer, receiver) = unbounded::<Result<Bytes>>();
        let receiver = Arc::new(Mutex::new(Some(receiver)));
        let handler = || async move { Body::from_stream(receiver.lock().unwrap().take().unwrap()) };
        let router = Router::new().route("/", get(handler));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let draining = CancellationToken::new();
        let options = ServerOptions::DEFAULT;
        let timeouts = timeouts(&options);
        let (origins, draining_too) = (Arc::default(), draining.clone());
        let handler = Handler { router, tls: None, timeouts, origins, draining: draining_too };
        let admission = Connections::new(&options, Arc::new(Metrics::default()));
        let stopped = async { stopped.await.unwrap() };
        let ended = tokio::spawn(run(listener, handler, admission, drain_limit, stopped));
        RunningServer { url, answer, stop, draining, ended }
    }

    /// The answer, after its first piece `a` has arrived.
    async fn begun(server: &RunningServer) -> impl Stream<Item = reqwest::Result<Bytes>> + use<> {
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
