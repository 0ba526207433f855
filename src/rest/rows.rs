//! Answers a [`RowRequest`]: streams its rows in the format that it asks for, with headers that say what they are.
//!
//! An answer is held back until [`HELD_BYTES`] or its end: what fails before that is an error
//! answer, and a small answer goes out whole, with its length; up to [`PIECES_BYTES`] of it where pieces are asked for. A lookup of a
//! few pages is answered on the thread that took the request; a large one is made, encoded and compressed on the workers.

use axum::body::Body;
use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use headers::{CacheControl, ETag, HeaderMapExt};

use super::bounded::{Large, Placement};
use super::endpoint::EndpointState;
use super::{App, etag, ranges};
use crate::encode::{Format, encode};
use crate::error::{Error, Result};
use crate::failure;
use crate::query::{ObjectIds, Query, Versions};
use crate::request::RowRequest;
use crate::telemetry::{RowsSent, planned};

/// Names the versions of the tables that an answer was made from.
pub(crate) const SNAPSHOT: HeaderName = HeaderName::from_static("x-diaflight-snapshot");
/// Says what was ignored of a request.
pub(crate) const WARNING: HeaderName = HeaderName::from_static("x-diaflight-warning");

/// As many bytes of an answer are held back before the first is sent.
const HELD_BYTES: usize = 64 << 10;

/// The same if the client asks for the length, or for a range.
const PIECES_BYTES: usize = 4 << 20;

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
    if etag::is_conditional(&headers) {
        let versions = app.engine.versions(query).await.map_err(failure::from_reading)?;
        let tag = etag::tag(versions, etag::question(&request))?;
        if let Some(status) = etag::status_instead(&method, &headers, &tag) {
            return Ok((status, validators(versions, tag)?).into_response());
        }
    }
    let answer = planned(app.engine.run(query)).await.map_err(failure::from_reading)?;
    let tag = etag::tag(answer.versions, etag::question(&request))?;
    let rows = sent.counted(answer.rows);
    // There may be a newer version by now.
    if let Some(status) = etag::status_instead(&method, &headers, &tag) {
        return Ok((status, validators(answer.versions, tag)?).into_response());
    }
    let first = hold(BytesMut::new(), encode(request.format, rows), HELD_BYTES);
    let mut begun = placement.work(answer.is_large, first).await?;
    if let HeldAnswer::Part(held, chunks) = begun {
        begun = match ranges::are_asked_for(&method, &headers) {
            // Then it needs as much memory as a large answer.
            true => placement.work(true, hold(held, chunks, PIECES_BYTES)).await?,
            false => HeldAnswer::Part(held, chunks),
        };
    }
    let mut response = match begun {
        HeldAnswer::Whole(body) => ranges::response(&method, &headers, &tag, body),
        HeldAnswer::Part(held, chunks) => {
            // Compression polls once more after the end.
            let all = stream::iter([Ok(held.freeze())]).chain(chunks).fuse();
            Body::from_stream(all).into_response()
        }
    };
    response.headers_mut().extend(validators(answer.versions, tag)?);
    if answer.is_large {
        response.extensions_mut().insert(Large);
    }
    response.headers_mut().extend(warned(request.warning(&answer.unknown_columns)));
    response.headers_mut().extend(content(query, request.format)?);
    Ok(response)
}

/// Answers with the plan. It lists the pages that are read, of each row group, which takes long with many objects.
async fn explanation(app: &App, query: &Query, placement: &Placement) -> Result<Response> {
    let (engine, query) = (app.engine.clone(), query.clone());
    let text = async move { engine.explain(&query).await };
    let text = placement.work(true, text).await.map_err(failure::from_reading)?;
    Ok(text.into_response())
}

/// The headers by which a client can ask whether an answer has changed.
pub(crate) fn validators(versions: Versions, tag: ETag) -> Result<HeaderMap> {
    let snapshot = HeaderValue::try_from(versions.to_string());
    let mut headers = HeaderMap::from_iter([
        (SNAPSHOT, snapshot.map_err(|error| Error::internal(error.to_string()))?),
        (VARY, HeaderValue::from_static("accept-encoding")),
    ]);
    headers.typed_insert(tag);
    headers.typed_insert(CacheControl::new().with_no_cache());
    Ok(headers)
}

/// The header of a warning.
pub(crate) fn warned(warning: Option<String>) -> HeaderMap {
    let warning = warning.and_then(|text| HeaderValue::try_from(text).ok());
    warning.map(|warning| (WARNING, warning)).into_iter().collect()
}

/// The headers for the type of the body, with a file name for formats that are saved.
fn content(query: &Query, format: Format) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if format != Format::Json {
        let objects = match &query.ids {
            ObjectIds::Listed(ids) if ids.len() == 1 => ids[0].to_string(),
            ObjectIds::Listed(ids) => format!("{}-objects", ids.len()),
            ObjectIds::Within(_) => "all".to_string(),
        };
        let (stem, extension) = (query.table().name(), format.extension());
        let name = format!("attachment; filename=\"{stem}-{objects}.{extension}\"");
        let name =
            HeaderValue::try_from(name).map_err(|error| Error::internal(error.to_string()))?;
        headers.insert(CONTENT_DISPOSITION, name);
    }
    Ok(headers)
}

/// The beginning of an answer.
enum HeldAnswer {
    Whole(Bytes),
    /// The bytes so far, and the stream of the rest.
    Part(BytesMut, BoxStream<'static, Result<Bytes>>),
}

/// Reads an answer to its end, or up to `most` bytes.
async fn hold(
    mut held: BytesMut,
    mut chunks: BoxStream<'static, Result<Bytes>>,
    most: usize,
) -> Result<HeldAnswer> {
    while held.len() < most {
        match chunks.next().await {
            Some(chunk) => held.extend_from_slice(&chunk.map_err(failure::from_reading)?),
            None => return Ok(HeldAnswer::Whole(held.freeze())),
        }
    }
    Ok(HeldAnswer::Part(held, chunks))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio_util::sync::CancellationToken;
    use tower::ServiceExt;

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
