//! `/api/v1/schema`: the fields of one endpoint. In: its path. Out: a JSON object with one block
//! per family of columns, names sorted and without prefix: those that a request for all columns gets, and with `computed` also
//! those that the server computes.

use arrow::datatypes::Schema;
use axum::extract::{OptionalFromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, json};

use super::App;
use super::received::Sent;
use super::rows::warned;
use crate::error::{Error, Kind, Result};
use crate::request::argument::{Argument, COMPUTED, ENDPOINT};
use crate::request::arguments::Arguments;
use crate::request::flag;
use crate::request::ignored::Warning;
use crate::request::json::{Scalar, Value};
use crate::schema::{DESCRIPTION, Table, UCD, UNIT, type_name};
use crate::warehouse::LeftOut;

pub const ABOUT: &str = "The fields of an endpoint: ask with endpoint, such as /api/v1/sources.";
const BLOCKS: [(&str, &str); 2] =
    [("r:", "LSST original fields (r:)"), ("f:", "Fink science module outputs (f:)")];
/// Of other people's files: each column with why it is not among the fields.
const LEFT_OUT_BLOCK: &str = "Not served";
const COMPUTED_BLOCK: (&str, &str) = ("v:", "Computed by the server (v:)");

/// The endpoint whose fields are asked for.
pub struct SchemaRequest {
    table: Table,
    computed: bool,
    warning: Option<String>,
}

impl OptionalFromRequest<App> for SchemaRequest {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Option<Self>> {
        let sent = Sent::of(request.extensions());
        sent.parse(Self::ARGUMENTS.to_vec(), &app.workers, Self::parse).await
    }
}

impl SchemaRequest {
    pub const ARGUMENTS: [&'static Argument; 2] = [&ENDPOINT, &COMPUTED];

    fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        let table = arguments.remove(ENDPOINT.name).map_or_else(missing, endpoint)?;
        let computed = flag(&COMPUTED, &mut arguments)?;
        let (_, arguments) = arguments.into_names();
        let warning = Warning { arguments, ..Warning::default() }.text();
        Ok(Self { table, computed, warning })
    }
}

fn paths() -> String {
    let mut paths = Table::ALL.map(Table::path);
    paths.sort_unstable();
    paths.join(", ")
}

fn missing() -> Result<Table> {
    Err(Error::argument(format!("endpoint is missing: give one of {}", paths())))
}

fn endpoint(value: Value<'_>) -> Result<Table> {
    let Value::One(Scalar::Text(path)) = value else {
        return Err(Error::argument(format!("endpoint must be one of {}, not {value}", paths())));
    };
    Table::ALL.into_iter().find(|table| table.path() == path).ok_or_else(|| {
        let text = format!("endpoint must be one of {}, not `{path:.40}`", paths());
        Error::new(Kind::NotFound, text)
    })
}

pub async fn answer(State(app): State<App>, request: Option<SchemaRequest>) -> Result<Response> {
    let Some(SchemaRequest { table, computed, warning }) = request else {
        return Ok(format!("{ABOUT}\n").into_response());
    };
    let schema = app.engine.schema(table)?;
    let mut blocks: Map<_, _> = BLOCKS.map(|named| block(&schema, named)).into_iter().collect();
    if computed {
        blocks.extend([block(app.engine.computed_schema(table).await?.as_ref(), COMPUTED_BLOCK)]);
    }
    let left_out: Map<_, _> = app
        .engine
        .left_out(table)
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
