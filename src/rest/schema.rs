//! `/api/v1/schema`: the fields of one endpoint. In: its path. Out: a JSON object with one block
//! per family of columns, names sorted and without prefix.

use axum::extract::{OptionalFromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, json};

use super::App;
use super::received::Sent;
use crate::error::{Error, Kind, Result};
use crate::request::json::{Scalar, Value};
use crate::schema::{DESCRIPTION, Table, UCD, UNIT, type_name};

const ABOUT: &str = "The fields of an endpoint: ask with endpoint, such as /api/v1/sources.";
const BLOCKS: [(&str, &str); 2] =
    [("r:", "LSST original fields (r:)"), ("f:", "Fink science module outputs (f:)")];

/// The endpoint whose fields are asked for.
pub struct SchemaRequest(Table);

impl OptionalFromRequest<App> for SchemaRequest {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>> {
        let sent = Sent::receive(request, app.limits.options.max_body_bytes).await?;
        sent.parse(|mut arguments| arguments.remove("endpoint").map_or_else(missing, endpoint))
    }
}

fn paths() -> String {
    let mut paths = Table::ALL.map(|table| format!("/api/v1/{}", table.name()));
    paths.sort();
    paths.join(", ")
}

fn missing() -> Result<SchemaRequest> {
    Err(Error::argument(format!("endpoint is missing: give one of {}", paths())))
}

fn endpoint(value: Value<'_>) -> Result<SchemaRequest> {
    let Value::One(Scalar::Text(path)) = value else {
        return Err(Error::argument(format!("endpoint must be one of {}, not {value}", paths())));
    };
    let table = path.strip_prefix("/api/v1/").and_then(Table::from_name);
    table.map(SchemaRequest).ok_or_else(|| {
        let text = format!("endpoint must be one of {}, not `{path:.40}`", paths());
        Error::new(Kind::NotFound, text)
    })
}

pub async fn answer(State(app): State<App>, request: Option<SchemaRequest>) -> Result<Response> {
    let Some(SchemaRequest(table)) = request else {
        return Ok(format!("{ABOUT}\n").into_response());
    };
    let schema = app.engine.schema(table)?;
    let block = |(prefix, title): (&str, &str)| {
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
    };
    let blocks: Map<_, _> = BLOCKS.map(block).into_iter().collect();
    let body = serde_json::Value::Object(blocks).to_string();
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}
