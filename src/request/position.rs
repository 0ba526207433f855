//! Reads right ascensions and declinations (ICRS) as clients write them.
//!
//! | written as | right ascension | declination |
//! |---|---|---|
//! | decimal degrees | `53.2501` | `-27.8610` |
//! | with units | `03h33m00.33s` | `-27d51m39.74s` |
//! | with colons, or with spaces | `03:33:00.33` hours | `-27:51:39.74` degrees |

use super::argument::{Argument, Takes};
use super::arguments::Arguments;
use super::json::{Scalar, Value};
use super::query::wrong;
use crate::error::{Error, Result};

/// The right ascension of a place.
pub(super) static RA: Argument = Argument {
    name: "ra",
    about: "Right ascension (ICRS): degrees, or hours as `03h33m00.33s`, `03:33:00.33` or `03 33 00.33`.",
    takes: Takes::NumberOrText,
    is_required: true,
    example: "53.2501",
};

/// The declination of a place.
pub(super) static DEC: Argument = Argument {
    name: "dec",
    about: "Declination (ICRS): degrees, or as `-27d51m39.74s`, `-27:51:39.74` or `-27 51 39.74`.",
    takes: Takes::NumberOrText,
    is_required: true,
    example: "-27.8610",
};

const HOUR_DEG: f64 = 15.0;

/// Takes the two out of the arguments of a request: degrees, the right ascension from 0 to 360.
pub(super) fn position(arguments: &mut Arguments<'_>) -> Result<[f64; 2]> {
    let mut take = |argument: &Argument| {
        let missing =
            || Error::argument(format!("{} is missing: give degrees (ICRS)", argument.name));
        arguments.remove(argument.name).ok_or_else(missing)
    };
    place(take(&RA)?, take(&DEC)?)
}

/// The place that two values stand for: degrees, the right ascension from 0 to 360.
pub(super) fn place(ra: Value<'_>, dec: Value<'_>) -> Result<[f64; 2]> {
    let ra = coordinate(&RA, 'h', HOUR_DEG, ra)?;
    let dec = coordinate(&DEC, 'd', 1.0, dec)?;
    if !(-90.0..=90.0).contains(&dec) {
        return Err(Error::argument(format!("dec must be from -90 to 90 degrees, not {dec}")));
    }
    Ok([ra.rem_euclid(360.0), dec])
}

/// A coordinate in degrees, of which the first unit has so many.
fn coordinate(argument: &Argument, unit: char, unit_deg: f64, value: Value<'_>) -> Result<f64> {
    let degrees = match &value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => {
            decimal(text.trim()).or_else(|| Some(sexagesimal(text.trim(), unit)? * unit_deg))
        }
        _ => None,
    };
    let right = || match argument.example.strip_prefix('-') {
        Some(_) => "degrees, such as -27.8610 or -27d51m39.74s",
        None => "degrees, such as 53.2501, or hours, such as 03h33m00.33s",
    };
    degrees.ok_or_else(|| wrong(argument.name, right(), value))
}

fn decimal(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// A number of units, with minutes and seconds.
fn sexagesimal(text: &str, unit: char) -> Option<f64> {
    let (sign, text) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let parts: Vec<&str> = if text.contains(unit) {
        let (units, rest) = text.split_once(unit)?;
        let (minutes, rest) = rest.split_once('m').unwrap_or(("0", rest));
        let seconds = if rest.is_empty() { "0" } else { rest.strip_suffix('s')? };
        vec![units, minutes, seconds]
    } else if text.contains(':') {
        text.split(':').collect()
    } else {
        text.split_whitespace().collect()
    };
    let [units, minutes, rest @ ..] = &parts[..] else { return None };
    let seconds = match rest {
        [] => 0.0,
        [seconds] => unsigned(seconds)?,
        _ => return None,
    };
    let (units, minutes) = (whole(units)?, whole(minutes)?);
    (minutes < 60.0 && seconds < 60.0).then(|| sign * (units + (minutes + seconds / 60.0) / 60.0))
}

fn whole(text: &str) -> Option<f64> {
    text.trim().bytes().all(|byte| byte.is_ascii_digit()).then(|| unsigned(text))?
}

/// A number in plain digits, with a fraction or without.
fn unsigned(text: &str) -> Option<f64> {
    let text = text.trim();
    let is_plain = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn read(ra: &str, dec: &str) -> Result<[f64; 2]> {
        let body = format!(r#"{{"ra": {ra}, "dec": {dec}}}"#);
        position(&mut arguments::read(Body::Json(body.as_bytes()), "", &[RA.name, DEC.name])?)
    }

    #[test]
    fn one_place_in_four_notations() {
        let expected = [53.251375, -27.861_038_888_888_89];
        for (ra, dec) in [
            ("53.251375", "-27.86103888888889"),
            (r#""53.251375""#, r#"" -27.86103888888889""#),
            (r#""03h33m00.33s""#, r#""-27d51m39.74s""#),
            (r#""03:33:00.33""#, r#""-27:51:39.74""#),
            (r#"" 3 33 00.33 ""#, r#""-27 51 39.74""#),
            ("413.251375", r#""-27d51m39.74s""#),
        ] {
            let found = read(ra, dec).unwrap();
            let near = |at: usize| (found[at] - expected[at]).abs() < 1e-12;
            assert!(near(0) && near(1), "{ra} {dec}: {found:?}");
        }
        assert_eq!(read(r#""1h""#, r#""-0d30m""#).unwrap(), [15.0, -0.5]);
        assert_eq!(read("-90", "90").unwrap(), [270.0, 90.0]);
    }

    #[test]
    fn what_is_no_place_is_refused_by_name() {
        for (ra, dec, named) in [
            (r#""kfdlkj""#, "1", "ra"),
            (r#""""#, "1", "ra"),
            ("true", "1", "ra"),
            ("[1]", "1", "ra"),
            (r#""inf""#, "1", "ra"),
            ("1e999", "1", "ra"),
            (r#""3:60:00""#, "1", "ra"),
            (r#""3:00:60""#, "1", "ra"),
            (r#""3:1:2:3""#, "1", "ra"),
            (r#""3h-1m2s""#, "1", "ra"),
            (r#""3.5h10m""#, "1", "ra"),
            (r#""3h33m0.33""#, "1", "ra"),
            ("1", r#""5:""#, "dec"),
            ("1", "90.5", "dec must be from -90 to 90"),
            ("1", r#""-90d00m01s""#, "dec must be from -90 to 90"),
            ("1", "null", "dec"),
        ] {
            let error = read(ra, dec).expect_err(ra).to_string();
            assert!(error.starts_with(named), "{ra} {dec}: {error}");
        }
    }
}
