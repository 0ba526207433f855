//! Ticks for an axis of time in MJD (TAI): at midnights of UTC, or at its whole hours, minutes or seconds, each with the date in UTC. A
//! whole MJD in TAI is 37 s before midnight of UTC, on the day before.

use std::ops::Range;

use crate::astronomy::{mjd_to_iso_utc, utc_to_mjd_tai};

/// A tick on the axis.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    /// Its place on the axis.
    pub mjd_tai: f64,
    /// The date in UTC, as precise as the distance of the ticks requires.
    pub date: String,
}

const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// The digits of times: the texts of the axis have no more.
const LEAST_MS: i64 = 1;

/// A time after every date of the calendar.
const MOST_MJD: f64 = 1e8;

/// At most `most` ticks for a range; none if it has no dates.
pub(crate) fn dates(range: &Range<f64>, most: usize) -> Vec<Tick> {
    if !(range.start >= 0.0 && range.end < MOST_MJD) {
        return Vec::new();
    }
    let span_ms = (range.end - range.start) * DAY_MS as f64;
    let Some(step_ms) = steps_ms().find(|step| span_ms / *step as f64 <= most as f64) else {
        return Vec::new();
    };
    // Begins before the range, since TAI is ahead of UTC by less than a minute, which may be many steps.
    let start_ms = (range.start * DAY_MS as f64) as i64 - MINUTE_MS;
    let first = start_ms.div_euclid(step_ms);
    let last = first + MINUTE_MS / step_ms + most as i64 + 2;
    let ticks = (first..=last).filter_map(|n| {
        let (day, ms) = ((n * step_ms).div_euclid(DAY_MS), (n * step_ms).rem_euclid(DAY_MS));
        let mjd_tai = utc_to_mjd_tai(day, ms)?;
        Some(Tick { mjd_tai, date: date(mjd_tai, step_ms)? })
    });
    ticks.filter(|tick| range.contains(&tick.mjd_tai)).collect()
}

/// The steps between ticks: those of seconds, minutes, hours and days that divide the next unit, then 1, 2 and 5 times powers of ten of
/// days.
fn steps_ms() -> impl Iterator<Item = i64> {
    let below_second = [1, 2, 5, 10, 20, 50, 100, 200, 500].map(|n| n * LEAST_MS);
    let sixtieths = [1, 2, 5, 10, 20, 30];
    let seconds = sixtieths.map(|n| n * SECOND_MS);
    let minutes = sixtieths.map(|n| n * MINUTE_MS);
    let hours = [1, 2, 3, 6, 12].map(|n| n * HOUR_MS);
    let days = (0..6).flat_map(|power| [1, 2, 5].map(|n| n * 10_i64.pow(power) * DAY_MS));
    below_second.into_iter().chain(seconds).chain(minutes).chain(hours).chain(days)
}

fn date(mjd_tai: f64, step_ms: i64) -> Option<String> {
    let digits = match step_ms {
        step if step >= DAY_MS => "2026-01-01".len(),
        step if step >= MINUTE_MS => "2026-01-01 00:00".len(),
        step if step >= SECOND_MS => "2026-01-01 00:00:00".len(),
        _ => "2026-01-01 00:00:00.000".len(),
    };
    Some(mjd_to_iso_utc(mjd_tai)?.get(..digits)?.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_stands_where_its_date_begins() {
        let spans = [1e-6, 1e-4, 0.003, 0.04, 0.7, 1.0, 3.0, 11.0, 400.0, 5000.0];
        for (span, start) in spans.map(|span| [(span, 61_041.3), (span, 57_753.99)]).concat() {
            let ticks = dates(&(start..start + span), 8);
            assert!((1..=9).contains(&ticks.len()) || span < 1.0, "{span}: {ticks:?}");
            for Tick { mjd_tai, date } in ticks {
                let iso = mjd_to_iso_utc(mjd_tai).unwrap().replace('T', " ");
                let (told, rest) = iso.split_at(date.len());
                assert_eq!(told, date);
                assert!(rest.chars().all(|c| "0:. ".contains(c)), "{date} stands at {iso}");
            }
        }
    }

    #[test]
    fn ranges_without_dates_have_none() {
        for range in [0.0..1.0, -1e300..1e300, f64::NAN..f64::NAN, 1e15..1e15 + 10.0] {
            assert_eq!(dates(&range, 8), []);
        }
        assert!(dates(&(61_000.0..61_000.0), 8).len() <= 9);
    }
}
