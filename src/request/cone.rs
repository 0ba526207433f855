//! Reads the arguments of a search in a circle into a [`ConeQuery`] and how to answer it.

use super::argument::{Argument, COLUMNS, Takes};
use super::arguments::Arguments;
use super::date::{KIND, START, STOP, WINDOW};
use super::ignored::{Ignored, Warning};
use super::position::{DEC, RA, position};
use super::query::wrong;
use super::rows::{IDS_AS, OUTPUT_FORMAT, flag, format, ids_as_text};
use super::search::{BOTH_AS_OF, radius_deg, search};
use crate::encode::Format;
use crate::error::Result;
use crate::query::{Circle, ConeQuery, UnknownColumn};

static RADIUS: Argument = Argument {
    name: "radius",
    about: "The radius of the circle in arcseconds, above 0 and at most 18,000 (5 degrees). What is on its rim is within it.",
    takes: Takes::NumberOrText,
    is_required: true,
    example: "5",
};

static MOST: Argument = Argument {
    name: "n",
    about: "At most so many objects, the nearest: 1,000 if it is left out, at most 1,000,000. `X-Diaflight-Warning` says where there are more.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "1000",
};

static NEAREST: Argument = Argument {
    name: "nearest",
    about: "Only the nearest object: as `n=1`, without a warning.",
    takes: Takes::Flag,
    is_required: false,
    example: "false",
};

static COUNT: Argument = Argument {
    name: "count",
    about: "Instead of rows: how many objects there are, as `v:count`.",
    takes: Takes::Flag,
    is_required: false,
    example: "false",
};

/// The largest radius.
const MOST_RADIUS: (f64, &str) = (18_000.0, "18,000 arcseconds (5 degrees)");
const USUAL_MOST: usize = 1000;
const MOST_MOST: usize = 1_000_000;

/// The arguments of `/api/v1/conesearch`.
#[derive(Debug)]
pub struct ConeRequest {
    /// What to look for.
    pub query: ConeQuery,
    /// Whether only the number of objects is asked for.
    pub count: bool,
    /// The format of the answer.
    pub format: Format,
    /// Whether ids are texts in JSON.
    pub ids_as_text: bool,
    /// Whether it is the nearest object alone that is asked for.
    nearest: bool,
    /// What was given and is no argument.
    pub ignored_arguments: Ignored,
}

impl ConeRequest {
    /// The path of the endpoint.
    pub const PATH: &str = "/api/v1/conesearch";
    /// The arguments.
    pub const ARGUMENTS: &[&Argument] = &[
        &RA,
        &DEC,
        &RADIUS,
        &MOST,
        &NEAREST,
        &COUNT,
        &START,
        &STOP,
        &WINDOW,
        &KIND,
        &COLUMNS,
        &OUTPUT_FORMAT,
        &IDS_AS,
        &BOTH_AS_OF,
    ];

    /// Those that say where.
    pub const OF_CIRCLE: &[&Argument] = &[&RA, &DEC, &RADIUS];
    /// The most objects that can be asked for.
    pub const MOST_OBJECTS: usize = MOST_MOST;

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        let arguments = &mut arguments;
        let [ra_deg, dec_deg] = position(arguments)?;
        let radius_deg = radius_deg(&RADIUS, MOST_RADIUS, arguments)?;
        let nearest = flag(&NEAREST, arguments)?;
        let most = if nearest { 1 } else { most(arguments)? };
        let count = flag(&COUNT, arguments)?;
        let search = search(arguments)?;
        let format = arguments.remove(OUTPUT_FORMAT.name).map_or(Ok(Format::Json), format)?;
        let ids_as_text = ids_as_text(arguments)?;
        let (left, mut ignored_arguments) = std::mem::take(arguments).into_names();
        left.into_iter().for_each(|name| ignored_arguments.push(name));
        let circle = Circle { ra_deg, dec_deg, radius_deg };
        let query = ConeQuery { circle, most, search };
        Ok(Self { query, count, format, ids_as_text, nearest, ignored_arguments })
    }

    /// What an answer says where it has not all objects: `2 of 4 objects, the nearest; n=4 gives all`.
    pub fn cut(&self, total: usize) -> Option<String> {
        let answered = total.min(self.query.most);
        let gives = match total {
            ..=MOST_MOST => format!("n={total} gives all"),
            _ => "give a smaller radius for all".to_string(),
        };
        (answered < total && !self.nearest)
            .then(|| format!("{answered} of {total} objects, the nearest; {gives}"))
    }

    /// The warning to send with the answer.
    pub fn warning(
        &self,
        unknown_columns: &[UnknownColumn],
        cut: Option<String>,
    ) -> Option<String> {
        let arguments = self.ignored_arguments.clone();
        let (columns, as_of) = (unknown_columns.into(), self.query.search.as_of.clone());
        Warning { columns, arguments, as_of, cut, ..Warning::default() }.text()
    }
}

fn most(arguments: &mut Arguments<'_>) -> Result<usize> {
    let Some(value) = arguments.remove(MOST.name) else { return Ok(USUAL_MOST) };
    let most = value.number().filter(|most| (1..=MOST_MOST).contains(most));
    most.ok_or_else(|| wrong(MOST.name, "an integer from 1 to 1000000", value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::Columns;
    use crate::request::arguments::{self, Body};

    fn parsed(members: &str) -> Result<ConeRequest> {
        let body = format!(r#"{{"ra": 10, "dec": 20, {members}}}"#);
        let names: Vec<_> = ConeRequest::ARGUMENTS.iter().map(|argument| argument.name).collect();
        ConeRequest::parse(arguments::read(Body::Json(body.as_bytes()), "", &names)?)
    }

    #[test]
    fn what_is_left_out_has_usual_values() {
        let request = parsed(r#""radius": "3600""#).unwrap();
        let expected = Circle { ra_deg: 10.0, dec_deg: 20.0, radius_deg: 1.0 };
        assert_eq!((request.query.circle, request.query.most), (expected, 1000));
        assert_eq!((request.format, request.query.search.columns), (Format::Json, Columns::All));
        assert!(!request.count && !request.ids_as_text && request.query.search.time.is_none());
    }

    #[test]
    fn a_wrong_argument_is_refused_by_name() {
        for (members, named) in [
            (r#""n": 5"#, "radius is missing"),
            (
                r#""radius": 18000.5"#,
                "`radius` cannot be bigger than 18,000 arcseconds (5 degrees).",
            ),
            (r#""radius": 0"#, "radius must be a number of arcseconds above 0"),
            (r#""radius": "NaN""#, "radius must be"),
            (r#""radius": "x""#, "radius must be"),
            (r#""radius": 5, "n": 0"#, "n must be an integer from 1 to 1000000"),
            (r#""radius": 5, "n": 1.5"#, "n must be"),
            (r#""radius": 5, "n": 1000001"#, "n must be"),
            (r#""radius": 5, "nearest": "yes""#, "nearest must be true or false"),
            (r#""radius": 5, "count": 1"#, "count must be true or false"),
            (r#""radius": 5, "ids": "words""#, "ids must be one of number, text"),
            (r#""radius": 5, "as_of": "12; fp=7""#, "as_of"),
        ] {
            let error = parsed(members).expect_err(members).to_string();
            assert!(error.starts_with(named), "{members}: {error}");
        }
    }
}
