//! Reads what all searches by place are asked: the times, the columns, the versions.

use super::argument::{AS_OF, Argument, COLUMNS, Takes};
use super::arguments::Arguments;
use super::date::active_time;
use super::json::Value;
use super::query::{columns, version_or_time, wrong};
use crate::error::{Error, Result};
use crate::query::{Columns, SkySearch};
use crate::warehouse::AsOf;

pub(super) static BOTH_AS_OF: Argument = Argument {
    name: AS_OF.name,
    about: "Answers as the two tables were at a time, at both versions as `X-Diaflight-Snapshot` has them, or when a name was kept.",
    takes: Takes::VersionOrTime,
    is_required: false,
    example: "0; objects=0",
};

/// Columns that every answer has, before those that a search says itself.
const ALWAYS: [&str; 3] = ["r:ra", "r:dec", "r:midpointMjdTai"];

const ARCSEC_OF_DEG: f64 = 3600.0;

/// Takes what is asked out of the arguments of a request.
pub(super) fn search(arguments: &mut Arguments<'_>) -> Result<SkySearch> {
    let time = active_time(arguments)?;
    let columns = with_place(columns(arguments.remove(COLUMNS.name))?);
    let as_of = arguments.remove(AS_OF.name).map(as_of).transpose()?;
    let (as_of, objects_version) = as_of.unwrap_or_default();
    Ok(SkySearch { time, columns, as_of, objects_version })
}

/// Takes a radius out of them. `most`: the largest in arcseconds, and in words.
pub(super) fn radius_deg(
    radius: &Argument,
    (most_arcsec, most): (f64, &str),
    arguments: &mut Arguments<'_>,
) -> Result<f64> {
    let Some(value) = arguments.remove(radius.name) else {
        return Err(Error::argument(format!(
            "radius is missing: give arcseconds, at most {most_arcsec}"
        )));
    };
    match value.number::<f64>() {
        Some(arcsec) if arcsec > most_arcsec => {
            Err(Error::argument(format!("`radius` cannot be bigger than {most}.")))
        }
        Some(arcsec) if arcsec > 0.0 => Ok(arcsec / ARCSEC_OF_DEG),
        _ => Err(wrong(radius.name, "a number of arcseconds above 0", value)),
    }
}

/// The columns that are asked for, and those that every answer has.
fn with_place(asked: Columns) -> Columns {
    let Columns::Named(mut names) = asked else { return Columns::All };
    for name in ALWAYS {
        if !names.iter().any(|asked| asked == name) {
            names.push(name.to_string());
        }
    }
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

    fn parsed(members: &str) -> SkySearch {
        let names = [COLUMNS.name, AS_OF.name];
        let body = format!("{{{members}}}");
        search(&mut arguments::read(Body::Json(body.as_bytes()), "", &names).unwrap()).unwrap()
    }

    #[test]
    fn the_place_is_always_there() {
        for (asked, expected) in [
            ("r:raErr", "r:raErr r:ra r:dec r:midpointMjdTai"),
            ("r:dec,r:ra", "r:dec r:ra r:midpointMjdTai"),
        ] {
            let asked = parsed(&format!(r#""columns": "{asked}""#));
            let Columns::Named(names) = asked.columns else { panic!("not named") };
            assert_eq!(names.join(" "), expected);
        }
    }

    #[test]
    fn both_versions_are_as_the_header_has_them() {
        let asked = parsed(r#""as_of": "12; objects=7""#);
        let asked = (asked.as_of, asked.objects_version);
        assert_eq!(asked, (Some(AsOf::Version(12)), Some(7)));
    }
}
