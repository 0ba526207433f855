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
use crate::query::Engine;
use crate::rest::{self, App, Limits};

/// How long a client may take to send the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be accepted (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Every knob of the server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub limits: Limits,
    /// How long running answers may take to finish once the server is told to stop.
    pub drain_limit: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self { limits: Limits::default(), drain_limit: Duration::from_secs(30) }
    }
}

/// Serves HTTP/1.1 and HTTP/2 without TLS until `shutdown`; then `/health/ready` turns 503, no
/// connection is accepted any more, and answers still running after the drain limit are aborted.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let draining = CancellationToken::new();
    let router = rest::router(App::new(engine, options.limits, draining.clone()));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
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
    draining.cancel();
    drop(listener);
    tracing::info!(connections = connections.len(), "draining");
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(options.drain_limit, drained).await.is_err() {
        tracing::warn!(connections = connections.len(), "aborted at the drain limit");
        connections.shutdown().await;
    }
    Ok(())
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
