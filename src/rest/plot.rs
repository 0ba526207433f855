//! `/api/v1/plot`: the light curve of one object as a picture, for notebooks, chats and pages without scripts. In: a
//! [`PlotRequest`]. Out: SVG or PNG.

use axum::extract::{OptionalFromRequest, Request, State};
use axum::http::header::{CONTENT_TYPE, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use datafusion::arrow::array::RecordBatch;
use futures::TryStreamExt;

use super::received::Sent;
use super::rows::validators;
use super::{App, etag};
use crate::error::{Error, Kind, Result};
use crate::failure;
use crate::plot::{self, Point};
use crate::query::{Query, Versions};
use crate::request::{Picture, PlotRequest};

pub const ABOUT: &str = "The light curve of an object as a picture: ask with diaObjectId, and output-format (svg, png), quantity (flux, \
                     magnitude) if you like.";

impl OptionalFromRequest<App> for PlotRequest {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>> {
        let sent = Sent::receive(request, app.limits.options.max_body_bytes).await?;
        sent.parse(Self::parse)
    }
}

pub async fn answer(
    State(app): State<App>,
    headers: HeaderMap,
    request: Option<PlotRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(format!("{ABOUT}\n").into_response()) };
    let question = (request.dia_object_id, request.picture, request.quantity);
    if headers.contains_key(IF_NONE_MATCH) {
        let versions = app.engine.versions(&request.detections).await;
        let versions = versions.map_err(failure::of_reading)?;
        let tag = etag::tag(app.instance, versions, question)?;
        if etag::matches(&headers, &tag) {
            return Ok((StatusCode::NOT_MODIFIED, validators(versions, tag)?).into_response());
        }
    }
    let (versions, mut points) = read(&app, &request.detections, plot::tagged).await?;
    points.extend(read(&app, &request.forced, plot::forced).await?.1);
    if points.is_empty() {
        let text = format!("diaObjectId {}: there is no measurement of it", request.dia_object_id);
        return Err(Error::new(Kind::NotFound, text));
    }
    let tag = etag::tag(app.instance, versions, question)?;
    let picture = tokio::task::spawn_blocking(move || draw(&request, &points));
    let picture = picture.await.map_err(|error| Error::internal(error.to_string()))??;
    Ok((validators(versions, tag)?, picture).into_response())
}

async fn read(
    app: &App,
    query: &Query,
    points: fn(&RecordBatch) -> Result<Vec<Point>>,
) -> Result<(Versions, Vec<Point>)> {
    let mut answer = app.engine.run(query).await.map_err(failure::of_reading)?;
    let mut read = Vec::new();
    while let Some(rows) = answer.rows.try_next().await.map_err(Error::from)? {
        read.extend(points(&rows)?);
    }
    Ok((answer.versions, read))
}

fn draw(request: &PlotRequest, points: &[Point]) -> Result<Response> {
    let title = format!("diaObjectId {}", request.dia_object_id);
    let svg = plot::svg(&title, points, request.quantity)?;
    let content_type = [(CONTENT_TYPE, request.picture.content_type())];
    Ok(match request.picture {
        Picture::Svg => (content_type, svg).into_response(),
        Picture::Png => (content_type, plot::png(&svg)?).into_response(),
    })
}
