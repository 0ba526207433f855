//! The documented REST API over the query engine. In: HTTP requests. Out: rows as streams of
//! bytes, or errors in one shape.
//!
//! A request goes through the layers of [`router`] (request id, access log, CORS, errors, compression), through
//! [`limits`] if it does work, and reaches its handler with [`arguments`] already understood.

mod access;
mod arguments;
mod etag;
mod failure;
mod fp;
mod health;
mod json;
mod limits;
mod metrics;
mod objects;
mod row_request;
mod rows;
mod schema;
mod sources;
mod warning;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::header::{CONTENT_DISPOSITION, ETAG, RETRY_AFTER};
use axum::http::{HeaderName, Method, Uri};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::{Any, CorsLayer};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use uuid::Uuid;

pub use limits::Limits;

use crate::encode::Format;
use crate::error::{Error, Kind};
use crate::query::Engine;

/// Smaller bodies are not worth compressing.
const COMPRESSED_FROM_BYTES: u64 = 1 << 10;

const ABOUT: &str = "diaflight: light curves of Rubin alerts

GET or POST /api/v1/sources    the light curves of objects
GET or POST /api/v1/objects    their newest state
GET or POST /api/v1/fp         their forced photometry
GET or POST /api/v1/schema     the fields of an endpoint
GET /health/live, /health/ready, /metrics
";

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    gate: limits::Gate,
    metrics: Arc<metrics::Metrics>,
    draining: CancellationToken,
    /// This run of the server.
    instance: Uuid,
}

impl App {
    /// `draining` is cancelled when the server is about to stop.
    pub fn new(engine: Engine, limits: Limits, draining: CancellationToken) -> Self {
        Self {
            engine,
            gate: limits::Gate::new(limits),
            metrics: Arc::new(metrics::Metrics::new()),
            draining,
            instance: Uuid::new_v4(),
        }
    }
}

/// Every route.
pub fn router(app: App) -> Router {
    let work = Router::new()
        .route("/api/v1/sources", rows::route(&app, sources::DEFINITION))
        .route("/api/v1/objects", rows::route(&app, objects::DEFINITION))
        .route("/api/v1/fp", rows::route(&app, fp::DEFINITION))
        .route("/api/v1/schema", get(schema::answer).post(schema::answer))
        .route_layer(from_fn_with_state(app.gate.clone(), limits::limit));
    let router = work
        .route("/", get(ABOUT))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/metrics", get(metrics::answer))
        .fallback(unknown_path);
    layered(router.with_state(app.clone()), app.metrics)
}

async fn unknown_path(uri: Uri) -> Error {
    Error::new(Kind::NotFound, format!("there is no {}; / lists what there is", uri.path()))
}

/// What every answer goes through; the first of these is the innermost.
fn layered(router: Router, metrics: Arc<metrics::Metrics>) -> Router {
    router
        .layer(CatchPanicLayer::custom(failure::of_panic))
        .layer(compression())
        .layer(from_fn(failure::describe))
        .layer(cors())
        .layer(from_fn_with_state(metrics, access::watch))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// As the client asks, but for what is small or has its own compression.
fn compression() -> CompressionLayer<impl Predicate> {
    let parquet = NotForContentType::const_new(Format::Parquet.content_type());
    CompressionLayer::new().compress_when(SizeAbove::new(COMPRESSED_FROM_BYTES).and(parquet))
}

/// Pages of any origin may ask and see every header.
fn cors() -> CorsLayer {
    let request_id = HeaderName::from_static("x-request-id");
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers(Any)
        .expose_headers([
            rows::SNAPSHOT,
            rows::WARNING,
            ETAG,
            CONTENT_DISPOSITION,
            RETRY_AFTER,
            request_id,
        ])
        .max_age(Duration::from_secs(24 * 3600))
}
