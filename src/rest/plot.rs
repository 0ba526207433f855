//! `/api/v1/plot`: the light curve of one object as a picture, for notebooks, chats and pages without scripts. In: a
//! [`PlotRequest`]. Out: SVG or PNG.

use std::mem;

use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::header::{CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;

use super::bounded::Placement;
use super::endpoint::EndpointState;
use super::rows::{validators, warned};
use super::{App, etag};
use crate::error::{Error, Kind, Result};
use crate::failure;
use crate::plot::{self, LightCurve, Picture};
use crate::query::{Query, Rows, Versions};
use crate::request::PlotRequest;

pub fn methods() -> MethodRouter<EndpointState> {
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
    let question = (request.dia_object_id, request.picture, request.quantity);
    let detections = drawable(app, &request).await?;
    if method != Method::POST && headers.contains_key(IF_NONE_MATCH) {
        let versions = app.engine.versions(detections).await.map_err(failure::of_reading)?;
        let tag = etag::tag(app.instance, versions, question)?;
        if etag::matches(&headers, &tag) {
            return Ok((StatusCode::NOT_MODIFIED, validators(versions, tag)?).into_response());
        }
    }
    let mut drawing = Drawing { synthetic: app.engine.is_synthetic(), ..Drawing::default() };
    let versions = drawing.read(app, &placement, detections, LightCurve::take_sources).await?;
    drawing.read(app, &placement, &request.forced, LightCurve::take_forced).await?;
    if !matches!(detections.rows, Rows::SourcesWithUpperLimits { .. }) {
        drawing.missing.push("the quality flags of sources".to_string());
    }
    if drawing.curve.points.is_empty() && drawing.curve.unplaced == 0 {
        let text = format!("diaObjectId {}: there is no measurement of it", request.dia_object_id);
        return Err(Error::new(Kind::NotFound, text));
    }
    let tag = etag::tag(app.instance, versions, question)?;
    let warning = request.warning();
    let picture = in_place(placement, move || drawing.draw(&request)).await?;
    Ok((validators(versions, tag)?, warned(warning), picture).into_response())
}

/// The detections with what they are worth; foreign tables may lack what tells it.
async fn drawable<'a>(app: &App, request: &'a PlotRequest) -> Result<&'a Query> {
    match app.engine.versions(&request.detections).await {
        Err(error) if error.kind() == Kind::Argument => Ok(&request.untagged),
        Err(error) => Err(failure::of_reading(error)),
        Ok(_) => Ok(&request.detections),
    }
}

/// What is to be drawn.
#[derive(Default)]
struct Drawing {
    curve: LightCurve,
    /// What the tables lack for it.
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
        let answer = app.engine.run(query).await.map_err(failure::of_reading)?;
        let table = query.table().name();
        let missing = answer.unknown_columns.iter().filter(|column| column.name != plot::WITHDRAWN);
        self.missing.extend(missing.map(|column| format!("{table} {}", column.name)));
        let (mut rows, mut curve) = (answer.rows, mem::take(&mut self.curve));
        let read = async move {
            while let Some(rows) = rows.try_next().await.map_err(Error::from)? {
                take(&mut curve, &rows)?;
            }
            Ok(curve)
        };
        let read = placement.work(answer.is_large, read).await;
        self.curve = read.map_err(failure::of_reading)?;
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

/// Work that nothing can stop: it holds its place until it is done, whether or not somebody waits.
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
        let state = (limits.clone(), Workers::of_caller());
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
