//! `/api/v1/crossmatch`: the objects near each of many places.

use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::answer::{RowsToSend, send, server_in};
use super::bounded::Placement;
use super::endpoint::EndpointState;
use super::etag;
use crate::error::{Error, Result};
use crate::failure;
use crate::origin::AskedAt;
use crate::request::CrossmatchRequest;
use crate::telemetry::{RowsSent, planned};

/// Says how many of the places have no object near them.
const UNMATCHED: HeaderName = HeaderName::from_static("x-diaflight-unmatched");

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for CrossmatchRequest {
    type Rejection = Error;

    async fn from_request(request: Request, served: &EndpointState) -> Result<Option<Self>> {
        served.parse(request, Self::parse).await
    }
}

async fn answer(
    State(served): State<EndpointState>,
    Extension(placement): Extension<Placement>,
    sent: RowsSent,
    asked: AskedAt,
    method: Method,
    headers: HeaderMap,
    request: Option<CrossmatchRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(served.about()) };
    let (engine, query) = (served.app.engine.clone(), request.query.clone());
    let find = async move {
        let found = engine.crossmatch(&query).await?;
        Ok((query.places.len() - found.matched(), found))
    };
    let found = placement.work(true, planned(find)).await.map_err(failure::from_reading);
    let (unmatched, found) = found?;
    let answer = planned(served.app.engine.newest_sources(found)).await;
    let answer = answer.map_err(failure::from_reading)?;
    let server = server_in(request.format, &served.app, &asked);
    let question = (etag::question_of_crossmatch(&request), &server);
    let rows = RowsToSend {
        rows: sent.counted(answer.rows),
        is_large: answer.is_large,
        versions: answer.versions,
        tag: etag::tag(answer.versions, question)?,
        format: request.format,
        ids_as_text: request.ids_as_text,
        warning: request.warning(&answer.unknown_columns),
        file_stem: "crossmatch".to_string(),
        server,
    };
    let mut response = send(rows, &placement, &method, &headers).await?;
    response.headers_mut().insert(UNMATCHED, HeaderValue::from(unmatched));
    Ok(response)
}
