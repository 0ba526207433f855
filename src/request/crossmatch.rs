//! Reads the arguments of a search near many places into a [`CrossmatchQuery`] and how to answer it.

use std::mem::take;
use std::sync::Arc;

use super::argument::{Argument, COLUMNS, Takes};
use super::arguments::Arguments;
use super::date::{KIND, START, STOP, WINDOW};
use super::ignored::{Ignored, Warning};
use super::places::{PLACES, PlaceList};
use super::query::wrong;
use super::rows::{IDS_AS, OUTPUT_FORMAT, format, ids_as_text};
use super::search::{BOTH_AS_OF, radius_deg, search};
use crate::encode::Format;
use crate::error::{Error, Result};
use crate::query::{CrossmatchQuery, UnknownColumn};

static RADIUS: Argument = Argument {
    name: "radius",
    about: "How far from a place an object may be, in arcseconds: above 0 and at most 60.",
    takes: Takes::NumberOrText,
    is_required: true,
    example: "5",
};

static MOST: Argument = Argument {
    name: "n",
    about: "At most so many objects for each place, the nearest: 1 if it is left out. Of all places together at most 1,000,000.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "1",
};

/// The largest radius.
const MOST_RADIUS: (f64, &str) = (60.0, "60 arcseconds");

/// The arguments of `/api/v1/crossmatch`.
#[derive(Debug)]
pub struct CrossmatchRequest {
    /// What to look for.
    pub query: CrossmatchQuery,
    /// The format of the answer.
    pub format: Format,
    /// Whether ids are texts in JSON.
    pub ids_as_text: bool,
    ignored_arguments: Ignored,
}

impl CrossmatchRequest {
    /// At most so many objects of the places of a request together.
    pub const MOST_OBJECTS: usize = 1_000_000;
    /// The path of the endpoint.
    pub const PATH: &str = "/api/v1/crossmatch";
    /// The arguments.
    pub const ARGUMENTS: &[&Argument] = &[
        &PLACES,
        &RADIUS,
        &MOST,
        &START,
        &STOP,
        &WINDOW,
        &KIND,
        &COLUMNS,
        &OUTPUT_FORMAT,
        &IDS_AS,
        &BOTH_AS_OF,
    ];

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        let places = PlaceList::take(&mut arguments)?;
        let names = places.names();
        Self::near(places.places, names, arguments)
    }

    /// Whether places are among the arguments.
    pub fn has_places(arguments: &Arguments<'_>) -> bool {
        arguments.contains_key(PLACES.name)
    }

    /// Reads all arguments but the places, which come apart: the query has none.
    pub fn parse_without_places(arguments: Arguments<'_>) -> Result<Self> {
        Self::near(Vec::new(), Arc::default(), arguments)
    }

    fn near(
        places: Vec<[f64; 2]>,
        names: Arc<[String]>,
        mut arguments: Arguments<'_>,
    ) -> Result<Self> {
        let arguments = &mut arguments;
        let radius_deg = radius_deg(&RADIUS, MOST_RADIUS, arguments)?;
        let most = most(places.len().max(1), arguments)?;
        let search = search(arguments)?;
        let format = arguments.remove(OUTPUT_FORMAT.name).map_or(Ok(Format::Json), format)?;
        let ids_as_text = ids_as_text(arguments)?;
        let (left, mut ignored_arguments) = take(arguments).into_names();
        left.into_iter().for_each(|name| ignored_arguments.push(name));
        let query = CrossmatchQuery { places, names, radius_deg, most, search };
        Ok(Self { query, format, ids_as_text, ignored_arguments })
    }

    /// The warning to send with the answer.
    pub fn warning(&self, unknown_columns: &[UnknownColumn]) -> Option<String> {
        let arguments = self.ignored_arguments.clone();
        let (columns, as_of) = (unknown_columns.into(), self.query.search.as_of.clone());
        Warning { columns, arguments, as_of, ..Warning::default() }.text()
    }
}

/// How many objects a place may have in the answer.
fn most(places: usize, arguments: &mut Arguments<'_>) -> Result<usize> {
    const MOST_OBJECTS: usize = CrossmatchRequest::MOST_OBJECTS;
    let Some(value) = arguments.remove(MOST.name) else { return Ok(1) };
    let most = value.number::<usize>().filter(|most| *most > 0);
    let most = most.ok_or_else(|| wrong(MOST.name, "an integer of at least 1", value))?;
    match most.checked_mul(places) {
        Some(..=MOST_OBJECTS) => Ok(most),
        _ => Err(Error::argument(format!(
            "n is {most} for each of {places} places: at most {MOST_OBJECTS} objects are answered with, so n can be {} here",
            MOST_OBJECTS / places
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn parsed(members: &str) -> Result<CrossmatchRequest> {
        let body = format!(r#"{{"places": [[10, 20], [1, 2]], {members}}}"#);
        let names: Vec<_> =
            CrossmatchRequest::ARGUMENTS.iter().map(|argument| argument.name).collect();
        CrossmatchRequest::parse(arguments::read(Body::Json(body.as_bytes()), "", &names)?)
    }

    #[test]
    fn what_is_left_out_has_usual_values() {
        let request = parsed(r#""radius": "60""#).unwrap();
        assert_eq!((request.query.radius_deg, request.query.most), (60.0 / 3600.0, 1));
        assert_eq!((request.format, request.ids_as_text), (Format::Json, false));
        assert_eq!(*request.query.names, ["0".to_string(), "1".to_string()]);
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (members, named) in [
            (r#""n": 5"#, "radius is missing: give arcseconds, at most 60"),
            (r#""radius": 60.5"#, "`radius` cannot be bigger than 60 arcseconds."),
            (r#""radius": 5, "n": 0"#, "n must be an integer of at least 1"),
            (r#""radius": 5, "n": 500001"#, "n is 500001 for each of 2 places"),
        ] {
            let error = parsed(members).expect_err(members).to_string();
            assert!(error.starts_with(named), "{members}: {error}");
        }
    }
}
