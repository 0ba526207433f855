//! A store that fails as a test plans: a proxy on loopback in front of a [`Bucket`], which injects [`Fault`]s and records the
//! requests. All other requests are forwarded unchanged to the real store.

mod tests;

use std::future::{pending, ready};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use object_store::aws::AmazonS3;
use object_store::path::Path;
use object_store::signer::Signer;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use url::Url;

use crate::seaweed::Bucket;

/// What happens to a request.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is answered 500, and not forwarded.
    Refuse,
    /// It is forwarded, and then answered 500.
    LoseAnswer,
    /// It is forwarded, and then the connection is closed without an answer.
    HangUp,
    /// It is forwarded without the condition in its headers (`If-None-Match`), as by a store that knows none.
    Unconditional,
    /// It is forwarded once the plans are forgotten.
    Hold,
    /// It is neither forwarded nor answered: its sender is to be killed.
    StopBefore,
    /// It is forwarded, and not answered.
    StopAfter,
    /// The body of its answer comes at so many bytes a second.
    Trickle(usize),
    /// The connection is closed after so many bytes of its answer's body.
    CutAfter(usize),
    /// In the body of its answer the first text is the second everywhere.
    Altered(&'static str, &'static str),
}

/// The requests that change a store.
const CHANGES: [&str; 3] = ["PUT", "POST", "DELETE"];

struct Rule {
    methods: Vec<&'static str>,
    /// Of path and query as they are sent: parts in this order, with anything between them.
    parts: Vec<String>,
    /// So many of them go through first.
    after: usize,
    times: usize,
    fault: Fault,
}

struct State {
    client: reqwest::Client,
    endpoint: String,
    store: AmazonS3,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<String>>,
    is_stopped: AtomicBool,
    heals: watch::Sender<()>,
}

/// Ends, with all its connections, when dropped.
pub struct Proxy {
    state: Arc<State>,
    variables: [(&'static str, String); 5],
    _stop: oneshot::Sender<()>,
}

impl Proxy {
    /// Stands in front of the server of a bucket. It has a thread of its own: tests block theirs while a program runs.
    pub fn of(bucket: &Bucket) -> Self {
        let mut variables = bucket.variables();
        assert_eq!(variables[0].0, "AWS_ENDPOINT_URL");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = std::mem::replace(&mut variables[0].1, own);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (rules, asked) = (Mutex::default(), Mutex::default());
        let store = bucket.store();
        let state = Arc::new(State {
            client,
            endpoint,
            store,
            rules,
            asked,
            is_stopped: AtomicBool::new(false),
            heals: watch::Sender::default(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = state.clone();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                tokio::select! {
                    () = serve(listener, serving) => {}
                    _ = stopped => {}
                }
            });
        });
        Self { state, variables, _stop: stop }
    }

    /// The standard variables that let a program use the bucket through it.
    pub fn variables(&self) -> [(&'static str, String); 5] {
        self.variables.clone()
    }

    /// Lets the next `times` requests fail that have this method, and path and query like `pattern`: texts that follow each
    /// other, separated by `*`. Of several such plans the first that is not used up applies.
    pub fn fail(&self, method: &'static str, pattern: &str, times: usize, fault: Fault) {
        let rule = Rule { methods: vec![method], parts: parts(pattern), after: 0, times, fault };
        lock(&self.state.rules).push(rule);
    }

    /// Lets the `nth` request from now on that changes something and is like `pattern` fail, if there is one.
    pub fn fail_nth(&self, nth: usize, pattern: &str, fault: Fault) {
        let (methods, after) = (CHANGES.to_vec(), nth - 1);
        let rule = Rule { methods, parts: parts(pattern), after, times: 1, fault };
        lock(&self.state.rules).push(rule);
    }

    /// Whether a request was stopped, since plans were forgotten.
    pub fn is_stopped(&self) -> bool {
        self.state.is_stopped.load(Ordering::SeqCst)
    }

    /// Forgets all plans.
    pub fn heal(&self) {
        lock(&self.state.rules).clear();
        self.state.is_stopped.store(false, Ordering::SeqCst);
        self.state.heals.send_replace(());
    }

    /// How many requests of a method there were whose path and query are like a pattern.
    pub fn count(&self, method: &str, pattern: &str) -> usize {
        let like = |asked: &&String| {
            asked.strip_prefix(method).is_some_and(|target| is_like(target, &parts(pattern)))
        };
        lock(&self.state.asked).iter().filter(like).count()
    }

    /// Waits for more of such requests than there were, as long as the program runs.
    pub fn wait_for_more(&self, method: &str, pattern: &str, before: usize, program: &mut Child) {
        while self.count(method, pattern) <= before {
            let ended = program.try_wait().unwrap();
            assert!(ended.is_none(), "no {method} {pattern}: {:#?}", self.asked());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Every request so far: `GET /bucket/key?query`.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.state.asked).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let state = state.clone();
        let service = tower::service_fn(move |request: Request<_>| {
            let state = state.clone();
            async move { state.answer(request.map(Body::new)).await }
        });
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http1().keep_alive(true);
            let service = TowerToHyperService::new(service);
            // Ends with an error where it is told to hang up.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl State {
    async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, axum::Error> {
        let target = request.uri().path_and_query().unwrap().to_string();
        let mut heals = self.heals.subscribe();
        lock(&self.asked).push(format!("{} {target}", request.method()));
        let fault = self.fault_of(request.method().as_str(), &target);
        match fault {
            Some(Fault::Refuse) => return Ok(refused()),
            Some(Fault::StopBefore) => return self.stop().await,
            // Fails where the proxy ends.
            Some(Fault::Hold) => heals.changed().await.map_err(axum::Error::new)?,
            _ => {}
        }
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        let forwarded = match fault {
            // All headers are signed: without one, the request has to be signed anew.
            Some(Fault::Unconditional) => {
                let url = self.signed(head.method.clone(), &target).await;
                self.client.request(head.method, url)
            }
            _ => {
                let url = format!("{}{target}", self.endpoint);
                self.client.request(head.method, url).headers(head.headers)
            }
        };
        let answer = forwarded.body(body).send().await.map_err(axum::Error::new)?;
        match fault {
            Some(Fault::LoseAnswer) => return Ok(refused()),
            Some(Fault::StopAfter) => return self.stop().await,
            Some(Fault::HangUp) => return Err(axum::Error::new("told to hang up")),
            _ => {}
        }
        let mut response = Response::new(());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        let bytes = answer.bytes_stream().map_err(axum::Error::new);
        let body = match fault {
            Some(Fault::Trickle(bytes_per_second)) => {
                let pieces = bytes.map_ok(move |bytes| trickled(bytes, bytes_per_second));
                Body::from_stream(pieces.try_flatten())
            }
            Some(Fault::CutAfter(length)) => Body::from_stream(cut(bytes, length)),
            Some(Fault::Altered(from, to)) => {
                response.headers_mut().remove("content-length");
                let whole = to_bytes(Body::from_stream(bytes), usize::MAX).await?;
                String::from_utf8_lossy(&whole).replace(from, to).into()
            }
            _ => Body::from_stream(bytes),
        };
        Ok(response.map(|()| body))
    }

    /// Until the connection is closed.
    async fn stop<T>(&self) -> T {
        self.is_stopped.store(true, Ordering::SeqCst);
        pending().await
    }

    async fn signed(&self, method: Method, target: &str) -> Url {
        let key = target.splitn(3, '/').nth(2).unwrap();
        let path = Path::from_url_path(key).unwrap();
        self.store.signed_url(method, &path, Duration::from_secs(60)).await.unwrap()
    }

    fn fault_of(&self, method: &str, target: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let applies = |rule: &&mut Rule| {
            rule.times > 0 && rule.methods.contains(&method) && is_like(target, &rule.parts)
        };
        let rule = rules.iter_mut().find(applies)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        rule.times -= 1;
        Some(rule.fault)
    }
}

fn parts(pattern: &str) -> Vec<String> {
    pattern.split('*').map(str::to_string).collect()
}

fn is_like(target: &str, parts: &[String]) -> bool {
    let mut rest = Some(target);
    for part in parts {
        rest = rest.and_then(|rest| Some(rest.split_once(part.as_str())?.1));
    }
    rest.is_some()
}

/// As S3 says it.
fn refused() -> Response<Body> {
    let text = "<Error><Code>InternalError</Code><Message>as the test planned</Message></Error>";
    (StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
}

/// A tenth of a second's bytes at a time.
fn trickled(
    bytes: Bytes,
    bytes_per_second: usize,
) -> impl futures::Stream<Item = Result<Bytes, axum::Error>> {
    stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let piece = rest.split_to((bytes_per_second / 10).clamp(1, rest.len()));
        Some((Ok(piece), rest))
    })
}

fn cut(
    bytes: impl futures::Stream<Item = Result<Bytes, axum::Error>>,
    length: usize,
) -> impl futures::Stream<Item = Result<Bytes, axum::Error>> {
    let pieces = bytes.scan(length, |left, bytes| {
        let piece = bytes.map(|bytes| bytes.slice(..bytes.len().min(*left)));
        *left -= piece.as_ref().map_or(0, Bytes::len);
        ready(piece.as_ref().is_ok_and(|piece| !piece.is_empty()).then_some(piece))
    });
    pieces.chain(stream::once(async {
        // What was sent is on its way by then.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(axum::Error::new("told to hang up"))
    }))
}
