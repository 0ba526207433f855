//! `/api/v1/skymap`: the objects in a region of the sky, those in the likeliest cells first, or how many there are.

use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use axum::routing::{MethodRouter, get};

use super::answer::{RowsToSend, send, server_in};
use super::bounded::Placement;
use super::cone::{counted, marked};
use super::endpoint::EndpointState;
use super::etag;
use crate::error::{Error, Result};
use crate::failure;
use crate::limits::Client;
use crate::origin::AskedAt;
use crate::request::SkymapRequest;
use crate::telemetry::{RowsSent, planned};

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for SkymapRequest {
    type Rejection = Error;

    async fn from_request(request: Request, served: &EndpointState) -> Result<Option<Self>> {
        let limits = served.app.limits.for_caller(Client::from_extensions(request.extensions()));
        let (place, memory) = (limits.planning.enter().await?, limits.regions.hold());
        let parsed = served.parse_on_workers(request, move |arguments| {
            let _place = place;
            Self::parse(arguments, memory)
        });
        parsed.await
    }
}

async fn answer(
    State(served): State<EndpointState>,
    Extension(placement): Extension<Placement>,
    sent: RowsSent,
    asked: AskedAt,
    method: Method,
    headers: HeaderMap,
    request: Option<SkymapRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(served.about()) };
    let (engine, query) = (served.app.engine.clone(), request.query.clone());
    let find = async move { engine.find_in_region(&query).await };
    let found = placement.work(true, planned(find)).await.map_err(failure::from_reading)?;
    let (total, versions) = (found.total, found.versions());
    let server = server_in(request.format, &served.app, &asked);
    let tag = etag::tag(versions, (etag::question_of_skymap(&request), &server))?;
    let (rows, is_large, warning) = if request.count {
        (counted(total, versions)?, false, request.warning(&[], None))
    } else {
        let answer = planned(served.app.engine.newest_sources(found)).await;
        let answer = answer.map_err(failure::from_reading)?;
        let cut = request.cut(total);
        let rows = marked(answer.rows, cut.clone());
        (rows, answer.is_large, request.warning(&answer.unknown_columns, cut))
    };
    let rows = RowsToSend {
        rows: sent.counted(rows),
        is_large,
        versions,
        tag,
        format: request.format,
        ids_as_text: request.ids_as_text,
        warning,
        file_stem: "skymap".to_string(),
        server,
    };
    send(rows, &placement, &method, &headers).await
}
