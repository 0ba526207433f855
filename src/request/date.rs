//! Reads the times of a request (`startdate`, `stopdate`, `window`): in UTC as clients write them, in TAI as the tables have them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Timelike};

use super::argument::{Argument, Takes};
use super::arguments::Arguments;
use super::json::{Scalar, Value};
use super::query::wrong;
use crate::astronomy::utc_to_mjd_tai;
use crate::error::{Error, Result};
use crate::query::{ActiveTime, TimeKind};
use crate::schema::provenance::PLAUSIBLE_MJD;

/// The beginning of a range of times.
pub(super) static START: Argument = Argument {
    name: "startdate",
    about: "Only objects that have varied since then: ISO 8601, JD or MJD, in UTC.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "2026-01-10 10:00:00",
};

/// The end of a range of times.
pub(super) static STOP: Argument = Argument {
    name: "stopdate",
    about: "Only objects that have varied until then: ISO 8601, JD or MJD, in UTC.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "2026-03-06",
};

/// The length of a range of times.
pub(super) static WINDOW: Argument = Argument {
    name: "window",
    about: "The days after `startdate`, in place of `stopdate`.",
    takes: Takes::NumberOrText,
    is_required: false,
    example: "30",
};

/// What of an object lies in the range.
pub(super) static KIND: Argument = Argument {
    name: "kind",
    about: "Whether all of an object's time, from its first source to its newest, lies between the dates, or some of it.",
    takes: Takes::Word(|| vec!["within", "across"]),
    is_required: false,
    example: "within",
};

const DAY_MS: f64 = 86_400_000.0;
/// A number of at least so many days is a JD, and a smaller one an MJD.
const FIRST_JD: f64 = 2_400_000.0;
const JD_OF_MJD: f64 = 2_400_000.5;
const UNIX_EPOCH_MJD: i64 = 40_587;

/// A time in UTC: the day, as MJD, and milliseconds since its midnight.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct UtcTime {
    day: i64,
    ms: i64,
}

/// A time of ISO 8601 in UTC as MJD in TAI; `None` for any other text, and before 1972.
pub(super) fn iso_mjd_tai(text: &str) -> Option<f64> {
    let UtcTime { day, ms } = iso(text.trim())?;
    utc_to_mjd_tai(day, ms)
}

/// Whether a range of times is among the arguments.
pub(super) fn has_time(arguments: &Arguments<'_>) -> bool {
    [&START, &STOP, &WINDOW].iter().any(|argument| arguments.contains_key(argument.name))
}

/// Takes the range of times out of the arguments of a request; `None` for any time.
pub(super) fn active_time(arguments: &mut Arguments<'_>) -> Result<Option<ActiveTime>> {
    let kind = kind(arguments)?;
    let start = arguments.remove(START.name).map(|value| time(&START, value)).transpose()?;
    let stop = arguments.remove(STOP.name).map(|value| time(&STOP, value)).transpose()?;
    let window = arguments.remove(WINDOW.name).map(days).transpose()?;
    let stop = match (window, start, stop) {
        (None, _, stop) => stop,
        (Some(_), None, _) => return Err(Error::argument("window is given without startdate")),
        (Some(_), _, Some(_)) => {
            return Err(Error::argument("window and stopdate are both given: leave out one"));
        }
        (Some(days), Some(start), None) => Some(start.after(days)),
    };
    if stop < start && stop.is_some() {
        return Err(Error::argument("stopdate is before startdate"));
    }
    if start.is_none() && stop.is_none() {
        return Ok(None);
    }
    let mjd = |argument: &Argument, time: Option<UtcTime>, without| match time {
        Some(UtcTime { day, ms }) => utc_to_mjd_tai(day, ms).ok_or_else(|| {
            let text = "UTC has whole leap seconds since 1972-01-01: give a later time";
            Error::argument(format!("{}: {text}", argument.name))
        }),
        None => Ok(without),
    };
    let from_mjd = mjd(&START, start, f64::NEG_INFINITY)?;
    let to_mjd = mjd(&STOP, stop, f64::INFINITY)?;
    Ok(Some(ActiveTime { from_mjd, to_mjd, kind }))
}

fn kind(arguments: &mut Arguments<'_>) -> Result<TimeKind> {
    match arguments.remove(KIND.name) {
        None => Ok(TimeKind::Within),
        Some(Value::One(Scalar::Text(text))) if text == "within" => Ok(TimeKind::Within),
        Some(Value::One(Scalar::Text(text))) if text == "across" => Ok(TimeKind::Across),
        Some(other) => Err(wrong(KIND.name, "within or across", other)),
    }
}

fn days(value: Value<'_>) -> Result<f64> {
    let days = value.number().filter(|days| (0.0..=*PLAUSIBLE_MJD.end()).contains(days));
    days.ok_or_else(|| wrong(WINDOW.name, "a number of days, of at least 0", value))
}

fn time(argument: &Argument, value: Value<'_>) -> Result<UtcTime> {
    let time = match &value {
        Value::One(Scalar::Text(text) | Scalar::Number(text)) => {
            let text = text.trim();
            text.parse().map_or_else(|_| iso(text), UtcTime::from_number)
        }
        _ => None,
    };
    let right =
        "a time in UTC, such as 2026-01-10, 2026-01-10T10:00:00Z, MJD 61050.5 or JD 2461051";
    time.ok_or_else(|| wrong(argument.name, right, value))
}

fn iso(text: &str) -> Option<UtcTime> {
    const TIMES: [&str; 4] =
        ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"];
    let utc = text.strip_suffix('Z').unwrap_or(text);
    let midnight = || NaiveDate::parse_from_str(utc, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0);
    let with_time = |form: &&str| NaiveDateTime::parse_from_str(utc, form).ok();
    let offset = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.naive_utc());
    let time = TIMES.iter().find_map(with_time).or_else(midnight).or_else(offset)?;
    let day = i64::from(time.date().to_epoch_days()) + UNIX_EPOCH_MJD;
    let of_day = time.time();
    // A leap second has more than a thousand milliseconds.
    let ms = i64::from(of_day.num_seconds_from_midnight()) * 1000
        + i64::from(of_day.nanosecond() / 1_000_000);
    PLAUSIBLE_MJD.contains(&(day as f64)).then_some(UtcTime { day, ms })
}

impl UtcTime {
    fn from_number(number: f64) -> Option<Self> {
        let mjd = if number >= FIRST_JD { number - JD_OF_MJD } else { number };
        let day = mjd.floor();
        let ms = ((mjd - day) * DAY_MS).round() as i64;
        PLAUSIBLE_MJD.contains(&mjd).then_some(Self { day: day as i64, ms })
    }

    fn after(self, days: f64) -> Self {
        let ms = self.ms + ((days - days.floor()) * DAY_MS).round() as i64;
        let more = ms.div_euclid(DAY_MS as i64);
        Self { day: self.day + days.floor() as i64 + more, ms: ms.rem_euclid(DAY_MS as i64) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::arguments::{self, Body};

    fn active(members: &str) -> Result<Option<ActiveTime>> {
        let body = format!("{{{members}}}");
        let names = [&START, &STOP, &WINDOW, &KIND].map(|argument| argument.name);
        active_time(&mut arguments::read(Body::Json(body.as_bytes()), "", &names)?)
    }

    #[test]
    fn a_time_is_read_in_every_way_of_writing_it_and_is_of_utc() {
        // 2026-01-10 12:00 UTC; TAI is 37 s ahead.
        let expected = 61050.5 + 37.0 / 86400.0;
        for text in [
            "61050.5",
            r#""61050.5""#,
            "2461051",
            r#""2026-01-10 12:00:00""#,
            r#""2026-01-10T12:00:00.000Z""#,
            r#"" 2026-01-10T12:00 ""#,
            r#""2026-01-10T14:00:00+02:00""#,
        ] {
            let time = active(&format!(r#""startdate": {text}"#)).unwrap().unwrap();
            assert!((time.from_mjd - expected).abs() < 1e-9, "{text}: {time:?}");
            assert_eq!((time.to_mjd, time.kind), (f64::INFINITY, TimeKind::Within));
        }
        let day = active(r#""stopdate": "2026-01-10", "kind": "across""#).unwrap().unwrap();
        assert_eq!((day.from_mjd, day.kind), (f64::NEG_INFINITY, TimeKind::Across));
        assert!((day.to_mjd - (expected - 0.5)).abs() < 1e-9);
        assert_eq!(active("").unwrap(), None);
    }

    #[test]
    fn a_window_is_as_long_as_it_says() {
        let both = |stop: &str| active(&format!(r#""startdate": "2026-01-10 18:00", {stop}"#));
        let window = both(r#""window": 1.5"#).unwrap();
        assert_eq!(window, both(r#""stopdate": "2026-01-12 06:00""#).unwrap());
    }

    #[test]
    fn a_wrong_time_is_refused_by_name() {
        for (members, named) in [
            (r#""startdate": "yesterday""#, "startdate must be a time in UTC"),
            (r#""startdate": true"#, "startdate must be"),
            (r#""startdate": "NaN""#, "startdate must be"),
            (r#""startdate": 20260110"#, "startdate must be"),
            (r#""stopdate": "2026-02-30""#, "stopdate must be"),
            (r#""stopdate": "1970-02-03""#, "stopdate: UTC has whole leap seconds"),
            (r#""startdate": 61050, "stopdate": 61049"#, "stopdate is before startdate"),
            (r#""window": 2"#, "window is given without startdate"),
            (r#""startdate": 61050, "window": -1"#, "window must be"),
            (r#""startdate": 61050, "window": "1e300""#, "window must be"),
            (r#""startdate": 61050, "window": 1, "stopdate": 61052"#, "window and stopdate"),
            (r#""kind": "around""#, "kind must be within or across"),
        ] {
            let error = active(members).expect_err(members).to_string();
            assert!(error.starts_with(named), "{members}: {error}");
        }
    }
}
