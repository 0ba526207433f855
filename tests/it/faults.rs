//! A store that fails by plan: a proxy on loopback in front of a [`Bucket`]. In: a bucket, and the [`Fault`]s of its requests.
//! Out: an endpoint for a program, and what was asked of it. Everything else goes through as it is: the store behind is the real one.

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
use tokio::sync::oneshot;
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
    /// The body of its answer comes at so many bytes a second.
    Trickle(usize),
    /// The connection is closed after so many bytes of its answer's body.
    CutAfter(usize),
}

struct Rule {
    method: &'static str,
    /// Of path and query as they are sent: parts in this order, with anything between them.
    parts: Vec<String>,
    times: usize,
    fault: Fault,
}

struct State {
    client: reqwest::Client,
    endpoint: String,
    store: AmazonS3,
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<String>>,
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
        let state = Arc::new(State { client, endpoint, store, rules, asked });
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
        let parts = pattern.split('*').map(str::to_string).collect();
        lock(&self.state.rules).push(Rule { method, parts, times, fault });
    }

    /// Forgets all plans.
    pub fn heal(&self) {
        lock(&self.state.rules).clear();
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
        lock(&self.asked).push(format!("{} {target}", request.method()));
        let fault = self.fault_of(request.method().as_str(), &target);
        if let Some(Fault::Refuse) = fault {
            return Ok(refused());
        }
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await?;
        // The condition is signed, so without it the request is signed anew.
        let forwarded = match fault {
            Some(Fault::Unconditional) => {
                self.client.request(head.method.clone(), self.signed(head.method, &target).await)
            }
            _ => {
                let url = format!("{}{target}", self.endpoint);
                self.client.request(head.method, url).headers(head.headers)
            }
        };
        let answer = forwarded.body(body).send().await.map_err(axum::Error::new)?;
        match fault {
            Some(Fault::LoseAnswer) => return Ok(refused()),
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
            _ => Body::from_stream(bytes),
        };
        Ok(response.map(|()| body))
    }

    async fn signed(&self, method: Method, target: &str) -> Url {
        let key = target.splitn(3, '/').nth(2).unwrap();
        let path = Path::from_url_path(key).unwrap();
        self.store.signed_url(method, &path, Duration::from_secs(60)).await.unwrap()
    }

    fn fault_of(&self, method: &str, target: &str) -> Option<Fault> {
        let mut rules = lock(&self.rules);
        let applies =
            |rule: &&mut Rule| rule.times > 0 && rule.method == method && rule.is_like(target);
        let rule = rules.iter_mut().find(applies)?;
        rule.times -= 1;
        Some(rule.fault)
    }
}

impl Rule {
    fn is_like(&self, target: &str) -> bool {
        let mut rest = Some(target);
        for part in &self.parts {
            rest = rest.and_then(|rest| Some(rest.split_once(part.as_str())?.1));
        }
        rest.is_some()
    }
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
    let mut left = length;
    bytes.map(move |bytes| {
        let bytes = bytes?;
        if left == 0 {
            return Err(axum::Error::new("told to hang up"));
        }
        let piece = bytes.slice(..bytes.len().min(left));
        left -= piece.len();
        Ok(piece)
    })
}

mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::{ObjectStore, ObjectStoreExt, PutMode, RetryConfig};

    use super::*;

    /// The bucket through a proxy, by a client that tries once.
    fn store(proxy: &Proxy, bucket: &str) -> impl ObjectStore {
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let mut builder = AmazonS3Builder::new().with_bucket_name(bucket).with_retry(once);
        for (key, value) in proxy.variables() {
            builder = builder.with_config(key.to_lowercase().parse().unwrap(), value);
        }
        builder.build().unwrap()
    }

    #[tokio::test]
    async fn requests_go_through_or_fail_as_planned() {
        let bucket = Bucket::create("faults").await;
        let proxy = Proxy::of(&bucket);
        let (through, direct) = (store(&proxy, "faults"), bucket.store());
        let put = async |name: &str| through.put(&Path::from(name), vec![7; 5000].into()).await;
        let there = async |name: &str| direct.head(&Path::from(name)).await.is_ok();

        put("a/as it is").await.unwrap();
        assert!(there("a/as it is").await);
        proxy.fail("PUT", "/faults/a/*.parquet", 1, Fault::Refuse);
        put("a/refused").await.unwrap();
        put("a/x.parquet").await.unwrap_err();
        assert!(!there("a/x.parquet").await);
        put("a/x.parquet").await.unwrap();
        proxy.fail("PUT", "lost", 1, Fault::LoseAnswer);
        proxy.fail("PUT", "hung", 1, Fault::HangUp);
        for name in ["lost", "hung"] {
            put(name).await.unwrap_err();
            assert!(there(name).await, "{name}");
        }
        proxy.fail("GET", "lost", 9, Fault::CutAfter(4000));
        let cut = through.get(&Path::from("lost")).await.unwrap().bytes().await;
        assert!(cut.is_err());
        proxy.heal();
        let whole = through.get(&Path::from("lost")).await.unwrap().bytes().await.unwrap();
        assert_eq!(whole, vec![7; 5000]);
        proxy.fail("GET", "lost", 1, Fault::Trickle(20_000));
        let slow = through.get(&Path::from("lost")).await.unwrap().bytes().await.unwrap();
        assert_eq!(slow, whole);

        let create = async || {
            through.put_opts(&Path::from("once"), "1".into(), PutMode::Create.into()).await
        };
        create().await.unwrap();
        create().await.unwrap_err();
        proxy.fail("PUT", "once", 1, Fault::Unconditional);
        create().await.unwrap();
        assert!(proxy.asked().iter().any(|asked| asked.starts_with("GET /faults/lost")));
    }
}
