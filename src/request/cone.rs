//! Reads the arguments of a search in a circle into a [`ConeQuery`] and how to answer it.

use super::argument::{AS_OF, Argument, COLUMNS, Takes};
use super::arguments::Arguments;
use super::date::{KIND, START, STOP, WINDOW, active_time};
use super::ignored::{Ignored, Warning};
use super::json::Value;
use super::position::{DEC, RA, position};
use super::query::{columns, version_or_time, wrong};
use super::rows::{IDS_AS, OUTPUT_FORMAT, flag, format, ids_as_text};
use crate::encode::Format;
use crate::error::{Error, Result};
use crate::query::{Circle, Columns, ConeQuery, FoundObjects, UnknownColumn};
use crate::schema::SEPARATION;
use crate::warehouse::AsOf;

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

static BOTH_AS_OF: Argument = Argument {
    name: AS_OF.name,
    about: "Answers as the two tables were at a time, at both versions as `X-Diaflight-Snapshot` has them, or when a name was kept.",
    takes: Takes::VersionOrTime,
    is_required: false,
    example: "0; objects=0",
};

/// The largest radius.
const MOST_ARCSEC: f64 = 18_000.0;
const ARCSEC_OF_DEG: f64 = 3600.0;
const USUAL_MOST: usize = 1000;
const MOST_MOST: usize = 1_000_000;

/// Columns that every answer has, before that of the separation.
const ALWAYS: [&str; 3] = ["r:ra", "r:dec", "r:midpointMjdTai"];

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
    ignored_arguments: Ignored,
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

    /// Reads the merged arguments of a request.
    pub fn parse(mut arguments: Arguments<'_>) -> Result<Self> {
        let arguments = &mut arguments;
        let [ra_deg, dec_deg] = position(arguments)?;
        let circle = Circle { ra_deg, dec_deg, radius_deg: radius_deg(arguments)? };
        let time = active_time(arguments)?;
        let nearest = flag(&NEAREST, arguments)?;
        let most = if nearest { 1 } else { most(arguments)? };
        let count = flag(&COUNT, arguments)?;
        let columns = with_separation(columns(arguments.remove(COLUMNS.name))?);
        let format = arguments.remove(OUTPUT_FORMAT.name).map_or(Ok(Format::Json), format)?;
        let ids_as_text = ids_as_text(arguments)?;
        let as_of = arguments.remove(AS_OF.name).map(as_of).transpose()?;
        let (as_of, objects_version) = as_of.unwrap_or_default();
        let (left, mut ignored_arguments) = std::mem::take(arguments).into_names();
        left.into_iter().for_each(|name| ignored_arguments.push(name));
        let query = ConeQuery { circle, time, most, columns, as_of, objects_version };
        Ok(Self { query, count, format, ids_as_text, nearest, ignored_arguments })
    }

    /// What an answer says where it has not all objects: `2 of 4 objects, the nearest; n=4 gives all`.
    pub fn cut(&self, found: &FoundObjects) -> Option<String> {
        let (answered, total) = (found.answered(), found.total);
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
        let (columns, as_of) = (unknown_columns.into(), self.query.as_of.clone());
        Warning { columns, arguments, as_of, cut, ..Warning::default() }.text()
    }
}

fn radius_deg(arguments: &mut Arguments<'_>) -> Result<f64> {
    let Some(value) = arguments.remove(RADIUS.name) else {
        return Err(Error::argument("radius is missing: give arcseconds, at most 18000"));
    };
    match value.number::<f64>() {
        Some(arcsec) if arcsec > MOST_ARCSEC => {
            Err(Error::argument("`radius` cannot be bigger than 18,000 arcseconds (5 degrees)."))
        }
        Some(arcsec) if arcsec > 0.0 => Ok(arcsec / ARCSEC_OF_DEG),
        _ => Err(wrong(RADIUS.name, "a number of arcseconds above 0", value)),
    }
}

fn most(arguments: &mut Arguments<'_>) -> Result<usize> {
    let Some(value) = arguments.remove(MOST.name) else { return Ok(USUAL_MOST) };
    let most = value.number().filter(|most| (1..=MOST_MOST).contains(most));
    most.ok_or_else(|| wrong(MOST.name, "an integer from 1 to 1000000", value))
}

/// The columns that are asked for, those that every answer has, and the separation at the end.
fn with_separation(asked: Columns) -> Columns {
    let Columns::Named(mut names) = asked else { return Columns::All };
    names.retain(|name| name != SEPARATION);
    for name in ALWAYS {
        if !names.iter().any(|asked| asked == name) {
            names.push(name.to_string());
        }
    }
    names.push(SEPARATION.to_string());
    Columns::Named(names)
}

/// A version, a time or a name; or the versions of the sources and of the objects, as the header of an answer has them (`12; objects=7`).
fn as_of(value: Value<'_>) -> Result<(Option<AsOf>, Option<u64>)> {
    let text = version_or_time(&AS_OF, value)?;
    if let Some((sources, objects)) = text.split_once("; objects=")
        && let (Ok(sources), Ok(objects)) = (sources.parse(), objects.parse())
    {
        return Ok((Some(AsOf::Version(sources)), Some(objects)));
    }
    Ok((Some(AsOf::parse(&text).map_err(|error| error.context(AS_OF.name))?), None))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        assert_eq!((request.format, request.query.columns), (Format::Json, Columns::All));
        assert!(!request.count && !request.ids_as_text && request.query.time.is_none());
    }

    #[test]
    fn the_separation_comes_last_and_the_place_is_always_there() {
        for (asked, expected) in [
            ("r:raErr", "r:raErr r:ra r:dec r:midpointMjdTai"),
            ("v:separation_degree,r:dec,r:ra", "r:dec r:ra r:midpointMjdTai"),
        ] {
            let request = parsed(&format!(r#""radius": 5, "columns": "{asked}""#)).unwrap();
            let Columns::Named(names) = request.query.columns else { panic!("not named") };
            assert_eq!(names.join(" "), format!("{expected} v:separation_degree"));
        }
    }

    #[test]
    fn both_versions_are_as_the_header_has_them() {
        let request = parsed(r#""radius": 5, "as_of": "12; objects=7""#).unwrap();
        let asked = (request.query.as_of, request.query.objects_version);
        assert_eq!(asked, (Some(AsOf::Version(12)), Some(7)));
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
