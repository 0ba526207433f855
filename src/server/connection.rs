//! Serves one accepted connection, from its first byte to its end, over HTTP/1.1 or HTTP/2, encrypted or not.
//!
//! It ends when its client closes it, when it has been without a request for too long or its client does not take an
//! answer ([`Timeouts`]), when it is evicted, and, after the answers under way, when the server drains.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt, service_fn};

use super::HEAD_BYTES;
use super::activity::{Activity, Timeouts};
use super::admission::Slot;
use super::bodies::{AnswerBody, OpenRequest, Received, RequestBody};
use super::socket::Socket;
use crate::limits::Client;
use crate::limits::UntilAnswered;
use crate::origin::{ClientAddress, Origins, Peer, client_address};

/// Requests at once over one connection of HTTP/2.
const MAX_STREAMS: u32 = 100;
/// How often an HTTP/2 client is asked for a sign of life, and how long it may take to give it.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// How long a client without a request has, once the server drains, for one that is already on its way.
const LAST_REQUEST_LIMIT: Duration = Duration::from_secs(1);
/// How long the last bytes of a connection may take to be handed to the system.
const FLUSH_LIMIT: Duration = Duration::from_millis(50);

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Handler {
    pub router: Router,
    pub tls: Option<TlsAcceptor>,
    pub timeouts: Timeouts,
    pub origins: Arc<Origins>,
    pub draining: CancellationToken,
}

impl Handler {
    /// A new connection, encrypted first if that is asked for.
    pub(crate) async fn accept(self, stream: TcpStream, slot: Slot) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection without TCP_NODELAY");
        }
        let peer = stream.peer_addr().ok().map(|address| Peer(address.ip()));
        let Some(tls) = self.tls.clone() else { return self.serve(stream, slot, peer).await };
        let begun = tokio::select! {
            begun = timeout(self.timeouts.first, tls.accept(stream)) => begun,
            () = self.draining.cancelled() => return,
            () = slot.evicted.cancelled() => return,
        };
        match begun {
            Ok(Ok(stream)) => self.serve(stream, slot, peer).await,
            Ok(Err(error)) => tracing::debug!(%error, "a connection without TLS"),
            Err(_) => tracing::debug!("a connection whose TLS never began"),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        slot: Slot,
        peer: Option<Peer>,
    ) {
        let service = TowerToHyperService::new(service(self.router, self.origins, &slot, peer));
        let socket = TokioIo::new(Socket::new(stream, slot.activity.clone()));
        let builder = builder();
        let mut connection = std::pin::pin!(builder.serve_connection(socket, service));
        let mut clock = Clock { activity: &slot.activity, timeouts: self.timeouts, ending: None };
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    return;
                }
                () = self.draining.cancelled(), if clock.ending.is_none() => {
                    clock.end_within(LAST_REQUEST_LIMIT);
                }
                () = slot.evicted.cancelled() => break,
                () = sleep_until(clock.wake()) => match clock.is_over() {
                    true => break,
                    false => continue,
                },
            }
            connection.as_mut().graceful_shutdown();
        }
        // HTTP/2 clients get GOAWAY and can repeat the request on a new connection.
        connection.as_mut().graceful_shutdown();
        let _ = timeout(FLUSH_LIMIT, connection).await;
    }
}

/// The requests of a connection, noted as they come and as they are answered.
fn service<B>(
    router: Router,
    origins: Arc<Origins>,
    slot: &Slot,
    peer: Option<Peer>,
) -> impl Service<Request<B>, Response = Response<AnswerBody<Body>>, Error = Infallible, Future: Send>
+ Clone
+ Send
+ 'static
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let activity = slot.activity.clone();
    service_fn(move |request: Request<B>| {
        let (answering, held) = (Arc::new(activity.request()), UntilAnswered::default());
        let open = Arc::new(OpenRequest { answering: answering.clone(), _held: held.clone() });
        let body = |body| Body::new(RequestBody { body, state: Received::Part, answering });
        let mut request = request.map(body);
        if let Some(peer) = peer {
            let address = client_address(peer.0, request.headers(), &origins.trusted_proxies);
            request.extensions_mut().insert(Client::from_address(address));
            request.extensions_mut().insert(ClientAddress(address));
            request.extensions_mut().insert(peer);
        }
        request.extensions_mut().insert(held);
        origins.rewrite(&mut request);
        let answer = router.clone().oneshot(request);
        async move { Ok(answer.await?.map(|body| AnswerBody { body, request: open })) }
    })
}

/// How long a connection may go on.
struct Clock<'a> {
    activity: &'a Activity,
    timeouts: Timeouts,
    /// When it ends if it has no request, since the server drains.
    ending: Option<Instant>,
}

impl Clock<'_> {
    fn end_within(&mut self, limit: Duration) {
        self.ending = Some(Instant::now() + limit);
    }

    fn due(&self) -> Option<Instant> {
        match (self.ending, self.activity.quiet_since()) {
            (Some(ending), Some(since)) => Some(ending.max(since + FLUSH_LIMIT)),
            _ => self.activity.due(&self.timeouts),
        }
    }

    fn is_over(&self) -> bool {
        self.due().is_some_and(|due| due <= Instant::now())
    }

    /// When to look again: an answer may begin to wait at any time.
    fn wake(&self) -> Instant {
        let again = Instant::now() + self.timeouts.shortest();
        self.due().map_or(again, |due| due.min(again))
    }
}

/// The protocols, with their limits. Heads have none of time: [`Timeouts`] go by requests, whatever the protocol.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Twice: the parts of answers are put together in a buffer of the same size, and a URL alone is limited to HEAD_BYTES.
    builder.http1().header_read_timeout(None).max_buf_size(2 * HEAD_BYTES);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL);
    http2.keep_alive_timeout(PING_LIMIT).max_concurrent_streams(MAX_STREAMS);
    http2.max_header_list_size(HEAD_BYTES as u32);
    builder
}
