//! Serves until told to stop, then drains. In: a listening socket and what to answer from. Out: answers, over HTTP and
//! gRPC (Flight) on the one port, with TLS or without.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::error::Result;
use crate::flight::{self, Flight};
use crate::limits::Limits;
use crate::query::Engine;
use crate::rest::{self, App};
use crate::sql::Sql;
use crate::token::Token;
use crate::watch::{Metrics, watched};
use crate::workers::Workers;

pub use crate::limits::ServerOptions;

/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be accepted (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a server answers from, and to whom.
pub struct Served {
    pub engine: Engine,
    pub sql: Sql,
    pub workers: Workers,
    pub options: ServerOptions,
    /// What opens whole tables and SQL; `None`: they are for everyone.
    pub token: Option<Token>,
    /// `None`: connections are not encrypted.
    pub tls: Option<TlsAcceptor>,
}

/// Serves HTTP/1.1 and HTTP/2 until `shutdown`; then `/health/ready` turns 503, no connection is accepted any more, and
/// answers still running after the drain limit are aborted.
pub async fn serve(
    listener: TcpListener,
    served: Served,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let Served { engine, sql, workers, options, token, tls } = served;
    let (draining, drain_limit) = (CancellationToken::new(), options.drain_limit);
    let (limits, metrics) = (Limits::new(options), Arc::new(Metrics::default()));
    let app = App::new(engine.clone(), limits.clone(), metrics.clone(), draining.clone());
    let flight = Flight::new(engine, sql, limits, workers, token);
    let router = watched(rest::router(app).merge(flight::router(flight)), metrics);
    run(listener, Host { router, tls, draining }, drain_limit, shutdown).await;
    Ok(())
}

async fn run(
    listener: TcpListener,
    host: Host,
    drain_limit: Duration,
    shutdown: impl Future<Output = ()>,
) {
    let mut connections = JoinSet::new();
    accept(&listener, &host, &mut connections, shutdown).await;
    drop(listener);
    host.draining.cancel();
    drain(connections, drain_limit).await;
}

/// What every connection needs.
#[derive(Clone)]
struct Host {
    router: Router,
    tls: Option<TlsAcceptor>,
    draining: CancellationToken,
}

/// Answers every connection in a task of its own until `shutdown`.
async fn accept(
    listener: &TcpListener,
    host: &Host,
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
                    connections.spawn(host.clone().welcome(stream));
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

impl Host {
    /// A new connection, encrypted first if that is asked for.
    async fn welcome(self, stream: TcpStream) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let Some(tls) = self.tls.clone() else { return self.converse(Either::Left(stream)).await };
        match tokio::time::timeout(HEAD_LIMIT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.converse(Either::Right(stream)).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection without TLS"),
            Err(_) => tracing::debug!("a connection whose TLS never began"),
        }
    }

    /// One connection to its end. Once the server drains, the answers under way are its last.
    async fn converse(self, stream: Either<TcpStream, TlsStream<TcpStream>>) {
        let service = TowerToHyperService::new(
            self.router.map_request(|request: axum::http::Request<_>| request.map(Body::new)),
        );
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.draining.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
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
        let host = Host { router, tls: None, draining: draining.clone() };
        let stopped = async { stopped.await.unwrap() };
        let ended = tokio::spawn(run(listener, host, drain_limit, stopped));
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
