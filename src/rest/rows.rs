//! Answers a [`RowRequest`] with its rows, or with the plan by which they are found.

use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use super::answer::{RowsToSend, send, server_in, validators};
use super::bounded::Placement;
use super::endpoint::EndpointState;
use super::{App, etag};
use crate::error::{Error, Result};
use crate::failure;
use crate::origin::AskedAt;
use crate::query::{ObjectIds, Query};
use crate::request::RowRequest;
use crate::telemetry::{RowsSent, planned};

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for RowRequest {
    type Rejection = Error;

    async fn from_request(request: Request, served: &EndpointState) -> Result<Option<Self>> {
        let table = served.endpoint.table;
        served.parse(request, move |arguments| Self::parse(table, arguments)).await
    }
}

async fn answer(
    State(served): State<EndpointState>,
    Extension(placement): Extension<Placement>,
    sent: RowsSent,
    asked: AskedAt,
    method: Method,
    headers: HeaderMap,
    request: Option<RowRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(served.about()) };
    let app = &served.app;
    let query = &request.query;
    if request.explain {
        return explanation(app, query, &placement).await;
    }
    let server = server_in(request.format, app, &asked);
    if etag::is_conditional(&headers) {
        let versions = app.engine.versions(query).await.map_err(failure::from_reading)?;
        let tag = etag::tag(versions, (etag::question(&request), &server))?;
        if let Some(status) = etag::status_instead(&method, &headers, &tag) {
            return Ok((status, validators(versions, tag)?).into_response());
        }
    }
    let answer = planned(app.engine.run(query)).await.map_err(failure::from_reading)?;
    let tag = etag::tag(answer.versions, (etag::question(&request), &server))?;
    let rows = RowsToSend {
        rows: sent.counted(answer.rows),
        is_large: answer.is_large,
        versions: answer.versions,
        tag,
        format: request.format,
        ids_as_text: request.ids_as_text,
        warning: request.warning(&answer.unknown_columns),
        file_stem: file_stem(query),
        server,
    };
    send(rows, &placement, &method, &headers).await
}

/// What a saved answer is called, without the ending.
fn file_stem(query: &Query) -> String {
    let objects = match &query.ids {
        ObjectIds::Listed(ids) if ids.len() == 1 => ids[0].to_string(),
        ObjectIds::Listed(ids) => format!("{}-objects", ids.len()),
        ObjectIds::Within(_) => "all".to_string(),
    };
    format!("{}-{objects}", query.table().name())
}

/// Answers with the plan. It lists the pages that are read, of each row group, which takes long with many objects.
async fn explanation(app: &App, query: &Query, placement: &Placement) -> Result<Response> {
    let (engine, query) = (app.engine.clone(), query.clone());
    let text = async move { engine.explain(&query).await };
    let text = placement.work(true, text).await.map_err(failure::from_reading)?;
    Ok(text.into_response())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

    use axum::body::Body;
    use axum::http::StatusCode;

    use super::*;
    use crate::limits::{Limits, ServerOptions};
    use crate::origin::Origins;
    use crate::query::{Engine, EngineOptions};
    use crate::telemetry::Metrics;
    use crate::warehouse::Warehouse;
    use crate::workers::Workers;

    #[tokio::test]
    async fn an_explanation_is_made_among_the_large_answers() {
        let warehouse = Warehouse::open("memory://explanation").unwrap();
        let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await.unwrap();
        let time_limit = std::time::Duration::from_millis(100);
        let limits =
            Limits::new(ServerOptions { memory_bytes: 0, time_limit, ..ServerOptions::DEFAULT });
        let (workers, metrics) = (Workers::current(), Arc::new(Metrics::default()));
        let (draining, origins) = (CancellationToken::new(), Arc::new(Origins::default()));
        let app = App::new(engine, limits.clone(), workers, metrics, draining, origins);
        let router = crate::rest::router(app);
        let ask = || {
            let path = "/api/v1/sources?diaObjectId=1&explain=true";
            let request = Request::builder().uri(path).body(Body::empty()).unwrap();
            router.clone().oneshot(request)
        };
        let place = limits.large_answers.enter().await.unwrap();
        assert_eq!(ask().await.unwrap().status(), StatusCode::TOO_MANY_REQUESTS);
        drop(place);
        let answer = ask().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "there is no table");
    }
}
