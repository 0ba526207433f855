//! Reads the arguments of a request for the columns of an endpoint into a [`SchemaRequest`].

use super::argument::{Argument, Takes};
use super::arguments::Arguments;
use super::cone::ConeRequest;
use super::crossmatch::CrossmatchRequest;
use super::ignored::Warning;
use super::json::{Scalar, Value};
use super::rows::flag;
use super::skymap::SkymapRequest;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

static ENDPOINT: Argument = Argument {
    name: "endpoint",
    about: "The endpoint whose fields are asked for.",
    takes: Takes::Word(paths),
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

/// An endpoint whose answers have columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescribedEndpoint {
    /// That of a table.
    Rows(Table),
    /// The search in a circle.
    Cone,
    /// The search near many places.
    Crossmatch,
    /// The search in a region.
    Skymap,
}

impl DescribedEndpoint {
    const ALL: [(&str, Self); 6] = [
        (ConeRequest::PATH, Self::Cone),
        (CrossmatchRequest::PATH, Self::Crossmatch),
        ("/api/v1/fp", Self::Rows(Table::Fp)),
        ("/api/v1/objects", Self::Rows(Table::Objects)),
        (SkymapRequest::PATH, Self::Skymap),
        ("/api/v1/sources", Self::Rows(Table::Sources)),
    ];

    /// The table that it is asked of, or the first of two.
    pub fn table(self) -> Table {
        match self {
            Self::Rows(table) => table,
            Self::Cone | Self::Crossmatch | Self::Skymap => Table::Sources,
        }
    }
}

/// The argument that names the endpoint.
pub struct SchemaRequest {
    /// The endpoint.
    pub endpoint: DescribedEndpoint,
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
        let endpoint = arguments.remove(ENDPOINT.name).map_or_else(missing, endpoint)?;
        let computed = flag(&COMPUTED, &mut arguments)?;
        let (_, arguments) = arguments.into_names();
        let warning = Warning { arguments, ..Warning::default() }.text();
        Ok(Self { endpoint, computed, warning })
    }
}

fn paths() -> Vec<&'static str> {
    DescribedEndpoint::ALL.map(|(path, _)| path).to_vec()
}

fn missing() -> Result<DescribedEndpoint> {
    Err(Error::argument(format!("endpoint is missing: give one of {}", paths().join(", "))))
}

fn endpoint(value: Value<'_>) -> Result<DescribedEndpoint> {
    let paths = paths().join(", ");
    let Value::One(Scalar::Text(path)) = value else {
        return Err(Error::argument(format!("endpoint must be one of {paths}, not {value}")));
    };
    let known = DescribedEndpoint::ALL.into_iter().find(|(known, _)| *known == path);
    known.map(|(_, endpoint)| endpoint).ok_or_else(|| {
        let text = format!("endpoint must be one of {paths}, not `{path:.40}`");
        Error::new(Kind::NotFound, text)
    })
}
