//! `/openapi.json`, the description of the endpoints for programs. It is made of the list of endpoints, the columns of the catalog and the
//! kinds of errors; its examples have an object of the data.

mod operation;
mod row;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::PathItemBuilder;
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    ComponentsBuilder, HttpMethod, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder,
    PathsBuilder, Server,
};

use super::App;
use super::endpoints::ENDPOINTS;
use crate::error::{Error, Result};
use crate::schema::Table;

const ABOUT: &str = "The light curves of Rubin's alerts: all measurements of an object, or of ten thousand. Every path answers `GET` with \
    arguments in the query string, and `POST` with the same arguments in a JSON object. Integers are exact and floats have the fewest digits \
    that read back; times are MJD in TAI, fluxes nJy, positions degrees. Arrow Flight and Flight SQL answer on the same port.";

/// Answers with the document.
pub(crate) async fn answer(State(app): State<App>) -> Result<Response> {
    let mut examples = Vec::new();
    for table in Table::ALL {
        // The document is complete without examples.
        let objects = app.engine.some_objects(table, 1).await.unwrap_or_default();
        let schema = app.engine.schema(table).ok();
        let is_there =
            |name: &str| schema.as_ref().is_none_or(|schema| schema.field_with_name(name).is_ok());
        let object = objects.first().map(i64::to_string).unwrap_or_default();
        examples.push(TableExamples { table, object, columns: example_columns(table, is_there) });
    }
    let text = serde_json::to_string(&document(&examples))
        .map_err(|error| Error::internal(format!("writing the OpenAPI document: {error}")))?;
    Ok(([(CONTENT_TYPE, "application/json")], text).into_response())
}

/// The object and the columns in the examples of a table.
pub(crate) struct TableExamples {
    table: Table,
    object: String,
    columns: String,
}

/// Columns for the examples, as far as the table has them.
fn example_columns(table: Table, is_there: impl Fn(&str) -> bool) -> String {
    let names: &[&str] = match table {
        Table::Sources | Table::Fp => &["r:midpointMjdTai", "r:band", "r:psfFlux", "r:psfFluxErr"],
        Table::Objects => &["r:diaObjectId", "r:ra", "r:dec", "r:nDiaSources"],
        Table::Places => &[],
    };
    let there: Vec<&str> = names.iter().copied().filter(|name| is_there(name)).collect();
    there.join(",")
}

/// The document, with its examples.
fn document(examples: &[TableExamples]) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut tags = Vec::new();
    for endpoint in &ENDPOINTS {
        tags.push(TagBuilder::new().name(endpoint.name()).build());
        let of = examples.iter().find(|examples| examples.table == endpoint.table);
        let (object, columns) =
            of.map_or(("", ""), |examples| (&examples.object, &examples.columns));
        let get = operation::get(endpoint, object, columns);
        let post = operation::post(endpoint, object);
        let item = PathItemBuilder::new()
            .operation(HttpMethod::Get, get)
            .operation(HttpMethod::Post, post);
        paths = paths.path(endpoint.path, item.build());
    }
    let components = Table::ALL.into_iter().fold(ComponentsBuilder::new(), |components, table| {
        components.schema(row::name(table), row::schema(table))
    });
    let components = components.schema(row::FOUND, row::found());
    let license = LicenseBuilder::new().name("Apache-2.0").build();
    let info = InfoBuilder::new()
        .title("diaflight")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .license(Some(license));
    OpenApiBuilder::new()
        .info(info.build())
        // Relative to the document, wherever a proxy has put it.
        .servers(Some([Server::new(".")]))
        .paths(paths.build())
        .tags(Some(tags))
        .components(Some(components.schema("Error", operation::error()).build()))
        .build()
}
