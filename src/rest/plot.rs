//! `/api/v1/plot`: the light curve of one object as a picture (SVG or PNG), for notebooks, chats and pages without scripts.

use std::mem;

use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;

use super::answer::{validators, warned};
use super::bounded::Placement;
use super::endpoint::EndpointState;
use super::light_curve::{detections, forced, missing};
use super::{App, etag};
use crate::error::{Error, Kind, Result};
use crate::failure;
use crate::plot::{self, LightCurve, Picture};
use crate::query::{Query, Versions};
use crate::request::PlotRequest;
use crate::schema::{FLUX_LIMIT, TAG};
use crate::telemetry::planned;

/// The columns of a measurement that are drawn.
const MEASURED: [&str; 4] = ["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"];

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for PlotRequest {
    type Rejection = Error;

    async fn from_request(request: Request, served: &EndpointState) -> Result<Option<Self>> {
        served.parse(request, Self::parse).await
    }
}

async fn answer(
    State(served): State<EndpointState>,
    Extension(placement): Extension<Placement>,
    method: Method,
    headers: HeaderMap,
    request: Option<PlotRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(served.about()) };
    let app = &served.app;
    let id = request.dia_object_id;
    let (picture, quantity, synthetic) =
        (request.picture, request.quantity, app.engine.is_synthetic());
    let question = |forced: Versions| (id, picture, quantity, synthetic, forced);
    let detections = detections(&app.engine, id, &MEASURED, &[TAG, FLUX_LIMIT]).await?;
    let forced = forced(id, &MEASURED);
    if etag::is_conditional(&headers) {
        let versions = app.engine.versions(&detections.query).await;
        let versions = versions.map_err(failure::from_reading)?;
        let of_forced = app.engine.versions(&forced).await.map_err(failure::from_reading)?;
        let tag = etag::tag(versions, question(of_forced))?;
        if let Some(status) = etag::status_instead(&method, &headers, &tag) {
            return Ok((status, validators(versions, tag)?).into_response());
        }
    }
    let mut drawing = Drawing { synthetic, ..Drawing::default() };
    let versions =
        drawing.read(app, &placement, &detections.query, LightCurve::take_sources).await?;
    let of_forced = drawing.read(app, &placement, &forced, LightCurve::take_forced).await?;
    drawing.missing.extend(detections.missing());
    if drawing.curve.points.is_empty() && drawing.curve.unplaced == 0 {
        let text = format!("diaObjectId {id}: there is no measurement of it");
        return Err(Error::new(Kind::NotFound, text));
    }
    let tag = etag::tag(versions, question(of_forced))?;
    if let Some(status) = etag::status_instead(&method, &headers, &tag) {
        return Ok((status, validators(versions, tag)?).into_response());
    }
    let warning = request.warning();
    let picture = in_place(placement, move || drawing.draw(&request)).await?;
    Ok((validators(versions, tag)?, warned(warning), picture).into_response())
}

/// What is to be drawn.
#[derive(Default)]
struct Drawing {
    curve: LightCurve,
    /// The columns that the tables lack for it.
    missing: Vec<String>,
    synthetic: bool,
}

type Take = fn(&mut LightCurve, &RecordBatch) -> Result<()>;

impl Drawing {
    async fn read(
        &mut self,
        app: &App,
        placement: &Placement,
        query: &Query,
        take: Take,
    ) -> Result<Versions> {
        let answer = planned(app.engine.run(query)).await.map_err(failure::from_reading)?;
        let unknown = answer.unknown_columns.into_iter().map(|column| column.name);
        self.missing.extend(missing(query, unknown));
        let (mut rows, mut curve) = (answer.rows, mem::take(&mut self.curve));
        let read = async move {
            while let Some(rows) = rows.try_next().await.map_err(Error::from)? {
                take(&mut curve, &rows)?;
            }
            Ok(curve)
        };
        let read = placement.work(answer.is_large, read).await;
        self.curve = read.map_err(failure::from_reading)?;
        Ok(answer.versions)
    }

    fn draw(&self, request: &PlotRequest) -> Result<Response> {
        let made_up = if self.synthetic { " (synthetic)" } else { "" };
        let title = format!("diaObjectId {}{made_up}", request.dia_object_id);
        let svg = plot::svg(&title, &self.curve, request.quantity, &self.missing)?;
        let content_type = [(CONTENT_TYPE, request.picture.content_type())];
        Ok(match request.picture {
            Picture::Svg => (content_type, svg).into_response(),
            Picture::Png => (content_type, plot::png(&svg)?).into_response(),
        })
    }
}

/// Runs work that cannot be interrupted. It keeps its permit until it is done, even if the client has gone.
async fn in_place<T: Send + 'static>(
    placement: Placement,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let work = tokio::task::spawn_blocking(move || {
        let _place = placement;
        work()
    });
    work.await.map_err(|error| Error::internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, mpsc};

    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use tower::ServiceExt;

    use super::super::bounded;
    use super::*;
    use crate::limits::{Limits, ServerOptions};
    use crate::workers::Workers;

    #[tokio::test]
    async fn a_picture_holds_its_place_until_it_is_drawn() {
        let options = ServerOptions { max_concurrent_requests: 1, ..ServerOptions::DEFAULT };
        let limits = Limits::new(options);
        let (begun, mut has_begun) = tokio::sync::mpsc::unbounded_channel();
        let (finish, finished) = mpsc::channel();
        let finished = Arc::new(Mutex::new(finished));
        let handler = |Extension(placement)| {
            in_place(placement, move || {
                begun.send(()).unwrap();
                finished.lock().unwrap().recv().unwrap();
                Ok("drawn")
            })
        };
        let state = (limits.clone(), Workers::current());
        let router = Router::new().route("/", get(handler));
        let router = router.layer(from_fn_with_state(state, bounded::limit));
        let asked = tokio::spawn(router.oneshot(Request::new(Body::empty())));
        has_begun.recv().await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(limits.requests.free(), 0);
        finish.send(()).unwrap();
        while limits.requests.free() == 0 {
            tokio::task::yield_now().await;
        }
    }
}
