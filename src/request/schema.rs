//! Reads the arguments of a request for the columns of an endpoint into a [`SchemaRequest`].

use super::argument::{Argument, Takes};
use super::arguments::Arguments;
use super::ignored::Warning;
use super::json::{Scalar, Value};
use super::rows::flag;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

static ENDPOINT: Argument = Argument {
    name: "endpoint",
    about: "The endpoint whose fields are asked for.",
    takes: Takes::Word(|| Table::ALL.map(Table::path).to_vec()),
    is_required: true,
    example: "/api/v1/sources",
};

static COMPUTED: Argument = Argument {
    name: "computed",
    about: "Also the fields that the server computes (`v:`).",
    takes: Takes::Flag,
    is_required: false,
    example: "true",
};

/// The argument that names the endpoint.
pub struct SchemaRequest {
    /// The table of the endpoint.
    pub table: Table,
    /// Whether the columns that the server computes are asked for, too.
    pub computed: bool,
    /// What was ignored of the request.
    pub warning: Option<String>,
}

impl SchemaRequest {
    /// The arguments of `/api/v1/schema`.
    pub const ARGUMENTS: &[&Argument] = &[&ENDPOINT, &COMPUTED];

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
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
