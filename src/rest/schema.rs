//! `/api/v1/schema`: the columns of one endpoint, as a JSON object with one block per family. Names are sorted and have no prefix. The
//! columns are those of a request that names none, and with `computed` also those that the server computes.

use std::sync::Arc;

use arrow::datatypes::Schema;
use axum::extract::{OptionalFromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use serde_json::{Map, json};

use super::answer::warned;
use super::endpoint::EndpointState;
use crate::error::{Error, Result};
use crate::query::SearchedIn;
use crate::request::{DescribedEndpoint, SchemaRequest};
use crate::schema::{DESCRIPTION, UCD, UNIT, type_name};
use crate::warehouse::LeftOut;

const BLOCKS: [(&str, &str); 2] =
    [("r:", "LSST original fields (r:)"), ("f:", "Fink science module outputs (f:)")];
/// The block of columns that are not served, each with the reason. Only tables of others have it.
const LEFT_OUT_BLOCK: &str = "Not served";
const COMPUTED_BLOCK: (&str, &str) = ("v:", "Computed by the server (v:)");

/// The handlers of the endpoint.
pub(crate) fn methods() -> MethodRouter<EndpointState> {
    get(answer).post(answer)
}

impl OptionalFromRequest<EndpointState> for SchemaRequest {
    type Rejection = Error;

    async fn from_request(request: Request, served: &EndpointState) -> Result<Option<Self>> {
        served.parse(request, Self::parse).await
    }
}

async fn answer(
    State(served): State<EndpointState>,
    request: Option<SchemaRequest>,
) -> Result<Response> {
    let Some(SchemaRequest { endpoint, computed, warning }) = request else {
        return Ok(served.about());
    };
    let engine = &served.app.engine;
    let (schema, computed_columns) = match endpoint {
        DescribedEndpoint::Rows(table) => {
            (engine.schema(table)?, engine.computed_schema(table).await?)
        }
        DescribedEndpoint::Cone => engine.found_schemas(&SearchedIn::Circle).await?,
        DescribedEndpoint::Crossmatch => {
            engine.found_schemas(&SearchedIn::Places(Arc::default())).await?
        }
        DescribedEndpoint::Skymap => engine.found_schemas(&SearchedIn::Region(None)).await?,
    };
    let mut blocks: Map<_, _> = BLOCKS.map(|named| block(&schema, named)).into_iter().collect();
    if computed {
        blocks.extend([block(&computed_columns, COMPUTED_BLOCK)]);
    }
    let left_out: Map<_, _> = engine
        .left_out(endpoint.table())
        .into_iter()
        .map(|LeftOut { column, why }| (column, why.into()))
        .collect();
    if !left_out.is_empty() {
        blocks.insert(LEFT_OUT_BLOCK.to_string(), left_out.into());
    }
    let body = serde_json::Value::Object(blocks).to_string();
    Ok(([(CONTENT_TYPE, "application/json")], warned(warning), body).into_response())
}

/// The fields of one family, under its title.
fn block(schema: &Schema, (prefix, title): (&str, &str)) -> (String, serde_json::Value) {
    let fields = schema.fields().iter().filter_map(|field| {
        let text = |key: &str| field.metadata().get(key).cloned().unwrap_or_default();
        let mut entry = json!({"type": type_name(field.data_type()), "doc": text(DESCRIPTION)});
        for key in [UNIT, UCD] {
            if !text(key).is_empty() {
                entry[key] = text(key).into();
            }
        }
        Some((field.name().strip_prefix(prefix)?.to_string(), entry))
    });
    (title.to_string(), serde_json::Value::Object(fields.collect()))
}
