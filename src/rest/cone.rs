//! `/api/v1/conesearch`: the objects in a circle on the sky, the nearest first, or how many there are.

use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use axum::extract::{Extension, OptionalFromRequest, Request, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream;

use super::answer::{RowsToSend, send, server_in, validators, with_note};
use super::bounded::Placement;
use super::endpoint::EndpointState;
use super::etag;
use crate::error::{Error, Result};
use crate::failure;
use crate::origin::AskedAt;
use crate::query::{ConeQuery, Engine, FoundObjects, Versions};
use crate::request::ConeRequest;
use crate::schema::{OVERFLOW, Table, answer_schema};
use crate::telemetry::{RowsSent, planned};

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for ConeRequest {
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
    request: Option<ConeRequest>,
) -> Result<Response> {
    let Some(request) = request else { return Ok(served.about()) };
    let engine = served.app.engine.clone();
    let server = server_in(request.format, &served.app, &asked);
    if etag::is_conditional(&headers) {
        let versions =
            engine.search_versions(&request.query.search).await.map_err(failure::from_reading)?;
        let tag = etag::tag(versions, (etag::question_of_cone(&request), &server))?;
        if let Some(status) = etag::status_instead(&method, &headers, &tag) {
            return Ok((status, validators(versions, tag)?).into_response());
        }
    }
    let found = find(&engine, &request.query, &placement).await.map_err(failure::from_reading)?;
    let (total, versions) = (found.total, found.versions());
    let tag = etag::tag(versions, (etag::question_of_cone(&request), &server))?;
    let (rows, is_large, warning) = if request.count {
        (counted(total, versions)?, false, request.warning(&[], None))
    } else {
        let answer = planned(engine.newest_sources(found)).await;
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
        file_stem: "conesearch".to_string(),
        server,
    };
    send(rows, &placement, &method, &headers).await
}

/// Finds the objects: few of them on this thread, others on the workers.
pub(super) async fn find(
    engine: &Engine,
    query: &ConeQuery,
    placement: &Placement,
) -> Result<FoundObjects> {
    if let Some(few) = planned(engine.find_if_few(query)).await? {
        return Ok(few);
    }
    let (engine, query) = (engine.clone(), query.clone());
    placement.work(true, planned(async move { engine.find(&query).await })).await
}

/// The number of objects, as the only row.
pub(super) fn counted(total: usize, versions: Versions) -> Result<SendableRecordBatchStream> {
    let count = Field::new("v:count", DataType::Int64, false);
    let schema = Schema::new(vec![count]);
    let schema = answer_schema(&schema, Table::Sources, &versions.to_string());
    let total = Int64Array::from(vec![total as i64]);
    let row = RecordBatch::try_new(schema.clone(), vec![Arc::new(total)])?;
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter([Ok(row)]))))
}

/// The rows with a mark where they are not all, so that a saved answer still says so.
pub(super) fn marked(
    rows: SendableRecordBatchStream,
    cut: Option<String>,
) -> SendableRecordBatchStream {
    match cut {
        Some(cut) => with_note(rows, OVERFLOW, cut),
        None => rows,
    }
}
