//! Converts times, as MJD in TAI, to ISO 8601 texts in TAI and UTC, and to Rubin's observing days.
//!
//! A time is a whole number of days and milliseconds before anything is added to it, so nothing is lost
//! to floating point: TAI - UTC is a whole number of seconds since 1972.

use chrono::{Datelike, NaiveDate};
use hifitime::Epoch;

use super::function::{Compute, FunctionDefinition};

const MJD_TAI: (&str, &str) = ("mjd_tai", "time as a Modified Julian Date in TAI");

pub(crate) static DEFINITIONS: [FunctionDefinition; 3] = [
    FunctionDefinition {
        name: "mjd_to_iso_tai",
        arguments: &[MJD_TAI],
        about: "Time in TAI as ISO 8601 text, to the nearest millisecond; null where it is no date.",
        source: "ISO 8601, rounded as ERFA's d2dtf",
        compute: Compute::Text(|a| Ok(mjd_to_iso_tai(a[0]))),
    },
    FunctionDefinition {
        name: "mjd_to_iso_utc",
        arguments: &[MJD_TAI],
        about: "Time in UTC as ISO 8601 text, to the nearest millisecond, a leap second as 23:59:60; \
            null before 1972, the first year of whole leap seconds.",
        source: "ISO 8601, with the leap seconds of IERS Bulletin C",
        compute: Compute::Text(|a| Ok(mjd_to_iso_utc(a[0]))),
    },
    FunctionDefinition {
        name: "day_obs",
        arguments: &[MJD_TAI],
        about: "Rubin's observing day as the number YYYYMMDD: the date in the time zone UTC-12, so that \
            a night has one; null before 1972.",
        source: "SITCOMTN-032",
        compute: Compute::Long(|a| Ok(day_obs(a[0]))),
    },
];

const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 86_400 * SECOND_MS;
const UNIX_EPOCH_MJD: i64 = 40_587;
/// The calendar has no dates beyond so many days.
const MOST_DAYS: f64 = 1e8;

/// A date and a time of day.
struct DayTime {
    /// The day, as MJD.
    day: i64,
    /// Milliseconds since midnight; a day with a leap second has 1000 more.
    ms: i64,
}

impl DayTime {
    fn tai(mjd_tai: f64) -> Option<Self> {
        let day = mjd_tai.floor();
        let ms = (SECOND_MS as f64 * (86_400.0 * (mjd_tai - day))).round() as i64;
        let is_date = day.abs() < MOST_DAYS; // not so for NaN
        is_date.then(|| Self { day: day as i64 + ms / DAY_MS, ms: ms % DAY_MS })
    }

    fn utc(mjd_tai: f64) -> Option<Self> {
        let Self { day, ms } = Self::tai(mjd_tai)?;
        let of_day = ms - tai_minus_utc_ms(day)?;
        if of_day >= 0 {
            return Some(Self { day, ms: of_day });
        }
        // It is not yet midnight in UTC: the day before, with its own offset.
        Some(Self { day: day - 1, ms: ms + DAY_MS - tai_minus_utc_ms(day - 1)? })
    }

    fn date(&self) -> Option<NaiveDate> {
        NaiveDate::from_epoch_days(i32::try_from(self.day - UNIX_EPOCH_MJD).ok()?)
    }

    fn iso(&self) -> Option<String> {
        let seconds = self.ms / SECOND_MS;
        // A leap second makes the last minute of its day longer.
        let minutes = (seconds / 60).min(24 * 60 - 1);
        Some(format!(
            "{}T{:02}:{:02}:{:02}.{:03}",
            self.date()?,
            minutes / 60,
            minutes % 60,
            seconds - 60 * minutes,
            self.ms % SECOND_MS
        ))
    }
}

/// TAI - UTC on a day of UTC; `None` before 1972.
fn tai_minus_utc_ms(day: i64) -> Option<i64> {
    // hifitime's table has UTC dates, and compares them with a time that it takes to be TAI.
    let seconds = Epoch::from_mjd_tai(day as f64).leap_seconds(true)?;
    Some(seconds as i64 * SECOND_MS)
}

fn mjd_to_iso_tai(mjd_tai: f64) -> Option<String> {
    DayTime::tai(mjd_tai)?.iso()
}

/// The ISO 8601 text of a time in UTC, to the millisecond; `None` outside of the calendar.
pub fn mjd_to_iso_utc(mjd_tai: f64) -> Option<String> {
    DayTime::utc(mjd_tai)?.iso()
}

/// The MJD in TAI of a time of day in UTC, given as the MJD of the day and milliseconds since its midnight; `None` before 1972.
pub fn utc_to_mjd_tai(day: i64, ms: i64) -> Option<f64> {
    if day as f64 > MOST_DAYS {
        return None;
    }
    Some(day as f64 + (ms + tai_minus_utc_ms(day)?) as f64 / DAY_MS as f64)
}

fn day_obs(mjd_tai: f64) -> Option<i64> {
    let DayTime { day, ms } = DayTime::utc(mjd_tai)?;
    let day = if ms < DAY_MS / 2 { day - 1 } else { day };
    Some(number_of(DayTime { day, ms: 0 }.date()?))
}

/// The first and the last time (MJD, TAI) of an observing day, as [`day_obs`] has it; `None` before 1972 and outside of the calendar.
pub fn night_mjd_tai(date: NaiveDate) -> Option<(f64, f64)> {
    let first = first_of_day_obs(date)?;
    let next = first_of_day_obs(date.succ_opt()?)?;
    Some((first, next.next_down()))
}

fn first_of_day_obs(date: NaiveDate) -> Option<f64> {
    let day = i64::from(date.to_epoch_days()) + UNIX_EPOCH_MJD;
    let mut time = utc_to_mjd_tai(day, DAY_MS / 2)?;
    let number = number_of(date);
    // Times are rounded to milliseconds before they have a day.
    while day_obs(time.next_down())? >= number {
        time = time.next_down();
    }
    Some(time)
}

fn number_of(date: NaiveDate) -> i64 {
    i64::from(date.year()) * 10_000 + i64::from(date.month() * 100 + date.day())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MJD in TAI of a time of day in seconds.
    fn mjd(day: i32, seconds: f64) -> f64 {
        f64::from(day) + seconds / 86_400.0
    }

    #[test]
    fn a_leap_second_is_the_sixtieth() {
        let new_year_2017 = 57_754;
        for (seconds, utc) in [
            (35.9994, "2016-12-31T23:59:59.999"),
            (35.9996, "2016-12-31T23:59:60.000"),
            (36.5, "2016-12-31T23:59:60.500"),
            (36.9994, "2016-12-31T23:59:60.999"),
            (36.9996, "2017-01-01T00:00:00.000"),
            (37.0, "2017-01-01T00:00:00.000"),
        ] {
            assert_eq!(mjd_to_iso_utc(mjd(new_year_2017, seconds)).as_deref(), Some(utc));
        }
        let tai = mjd_to_iso_tai(mjd(new_year_2017, 36.5));
        assert_eq!(tai.as_deref(), Some("2017-01-01T00:00:36.500"));
    }

    #[test]
    fn rounding_carries_into_the_next_day() {
        let tai = mjd_to_iso_tai(mjd(60_000, 86_399.999_6));
        assert_eq!(tai.as_deref(), Some("2023-02-26T00:00:00.000"));
        let utc = mjd_to_iso_utc(mjd(60_001, 36.9996));
        assert_eq!(utc.as_deref(), Some("2023-02-26T00:00:00.000"));
    }

    #[test]
    fn utc_begins_in_1972() {
        assert_eq!(mjd_to_iso_utc(mjd(41_317, 10.0)).as_deref(), Some("1972-01-01T00:00:00.000"));
        assert_eq!(mjd_to_iso_utc(mjd(41_317, 9.9)), None);
        assert_eq!(day_obs(mjd(41_317, 9.9)), None);
        assert_eq!(mjd_to_iso_tai(0.0).as_deref(), Some("1858-11-17T00:00:00.000"));
    }

    #[test]
    fn a_time_in_utc_is_where_its_date_says() {
        for (day, ms, utc) in [
            (61_041, 0, "2026-01-01T00:00:00.000"),
            (61_041, 86_399_999, "2026-01-01T23:59:59.999"),
            (57_753, 43_200_000, "2016-12-31T12:00:00.000"),
            (57_754, 0, "2017-01-01T00:00:00.000"),
            (41_317, 0, "1972-01-01T00:00:00.000"),
        ] {
            let mjd = utc_to_mjd_tai(day, ms).unwrap();
            assert_eq!(mjd_to_iso_utc(mjd).as_deref(), Some(utc));
        }
        assert_eq!([utc_to_mjd_tai(41_316, 0), utc_to_mjd_tai(i64::MAX, 0)], [None, None]);
    }

    #[test]
    fn what_is_no_date_is_null() {
        for mjd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -9.9e7] {
            assert_eq!((mjd_to_iso_tai(mjd), mjd_to_iso_utc(mjd)), (None, None), "{mjd}");
            assert_eq!(day_obs(mjd), None, "{mjd}");
        }
    }

    /// The nights are those in the ids of two real visits, 2025123100245 and 2026030500055.
    #[test]
    fn a_night_is_one_observing_day() {
        assert_eq!(day_obs(61_041.226_178_580_66), Some(20_251_231));
        assert_eq!(day_obs(61_105.093_643_486_834), Some(20_260_305));
        // Noon in UTC.
        assert_eq!(day_obs(mjd(61_041, 43_236.9)), Some(20_251_231));
        assert_eq!(day_obs(mjd(61_041, 43_237.1)), Some(20_260_101));
    }

    #[test]
    fn a_night_is_all_times_of_its_observing_day_and_no_other() {
        // Three of them have a leap second, or end with one.
        for (year, month, day) in
            [(2026, 3, 5), (2016, 12, 30), (2016, 12, 31), (2015, 6, 30), (1972, 6, 30)]
        {
            let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
            let number = number_of(date);
            let (first, last) = night_mjd_tai(date).unwrap();
            assert_eq!((day_obs(first), day_obs(last)), (Some(number), Some(number)));
            assert!(day_obs(first.next_down()).unwrap() < number, "{date}");
            assert!(day_obs(last.next_up()).unwrap() > number, "{date}");
        }
        assert_eq!(night_mjd_tai(NaiveDate::from_ymd_opt(1960, 1, 1).unwrap()), None);
    }
}
