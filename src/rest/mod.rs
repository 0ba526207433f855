//! The REST API over the query engine, its documentation, and the pages for people. Answers are streams of rows, pictures, pages, or errors
//! in one shape.
//!
//! A request goes through the [`layers`] (CORS, errors, compression), is [`received`] whole, goes through
//! [`bounded`] if it does work, and reaches its handler with its arguments already understood.

mod answer;
mod bounded;
mod cone;
mod crossmatch;
mod endpoint;
mod endpoints;
mod etag;
mod failure;
mod layers;
mod light_curve;
mod monitoring;
mod openapi;
mod pages;
mod plot;
mod ranges;
mod received;
mod rows;
mod schema;
mod scs;
mod skymap;
mod stream;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use tokio_util::sync::CancellationToken;

pub use self::monitoring::READY;

use self::endpoint::{Endpoint, EndpointState, Returns};
use self::endpoints::ENDPOINTS;
use crate::error::{Error, Kind, Result};
use crate::limits::Limits;
use crate::origin::Origins;
use crate::query::Engine;
use crate::telemetry::Metrics;
use crate::workers::Workers;

/// What the handlers share.
#[derive(Clone)]
pub struct App {
    engine: Engine,
    limits: Limits,
    /// Run large bodies and answers.
    workers: Workers,
    metrics: Arc<Metrics>,
    /// Cancelled when the server is to stop.
    stopping: CancellationToken,
    origins: Arc<Origins>,
}

impl App {
    /// `stopping` is cancelled when the server is to stop.
    pub fn new(
        engine: Engine,
        limits: Limits,
        workers: Workers,
        metrics: Arc<Metrics>,
        stopping: CancellationToken,
        origins: Arc<Origins>,
    ) -> Self {
        Self { engine, limits, workers, metrics, stopping, origins }
    }

    /// The state of the [`bounded`] middleware.
    fn bounded(&self) -> (Limits, Workers) {
        (self.limits.clone(), self.workers.clone())
    }
}

/// The router of all routes.
pub fn router(app: App) -> Router {
    let (endless, work): (Vec<_>, _) =
        ENDPOINTS.iter().partition(|endpoint| matches!(endpoint.returns, Returns::Events));
    let routes = |endpoints: Vec<&'static Endpoint>| {
        endpoints.into_iter().fold(Router::new(), |router, endpoint| {
            let served = EndpointState { app: app.clone(), endpoint };
            router.route(endpoint.path, (endpoint.methods)().with_state(served))
        })
    };
    let work = routes(work)
        .route("/scs", get(scs::answer))
        // Inside the layer of limits, so that it runs on the workers.
        .route_layer(layers::compression_of_large())
        .route_layer(from_fn_with_state(app.bounded(), bounded::limit))
        // What has no end has no time limit, and places of its own.
        .merge(routes(endless))
        .route_layer(from_fn_with_state(app.limits.clone(), received::whole));
    let router = work
        .merge(pages::router(&app))
        .route("/openapi.json", get(openapi::answer))
        .fallback(unknown_path)
        .layer(from_fn_with_state(app.limits.clone(), open))
        .route("/health/live", get(monitoring::live))
        .route("/health/ready", get(monitoring::ready))
        .route("/metrics", get(monitoring::metrics));
    layers::around(router.with_state(app))
}

/// Middleware for all but health and metrics: takes a permit for an open request.
async fn open(State(limits): State<Limits>, request: Request, next: Next) -> Result<Response> {
    limits.open(request.extensions()).await?;
    Ok(next.run(request).await)
}

async fn unknown_path(uri: Uri) -> Error {
    Error::new(Kind::NotFound, format!("there is no {}; / lists what there is", uri.path()))
}
