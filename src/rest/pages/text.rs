//! Formats numbers and times for people; a dash where there is no value.

use crate::astronomy;

pub(crate) const NOTHING: &str = "–";

/// A number with so many decimals.
pub(crate) fn fixed(value: Option<f64>, decimals: usize) -> String {
    let value = value.filter(|value| value.is_finite());
    value.map_or_else(|| NOTHING.to_string(), |value| format!("{value:.decimals$}"))
}

/// A count, with its thousands separated.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}'); // a narrow space that does not break
        }
        text.push(digit);
    }
    text
}

/// A count of things, with their name in the singular or plural.
pub(crate) fn counted(number: u64, one: &str) -> String {
    format!("{} {one}{}", count(number), if number == 1 { "" } else { "s" })
}

/// An angle in arcseconds, without the noise of the conversion from degrees.
pub(crate) fn arcsec(degrees: f64) -> String {
    let arcsec = 3600.0 * degrees;
    format!("{arcsec:.9e}").parse().unwrap_or(arcsec).to_string()
}

/// A time in ISO 8601 to the second, with a space in place of the `T`.
pub(crate) fn date(iso: &str) -> String {
    iso.split('.').next().unwrap_or_default().replace('T', " ")
}

/// The date in UTC of an MJD in TAI.
pub(crate) fn utc(mjd_tai: f64) -> String {
    astronomy::mjd_to_iso_utc(mjd_tai).map_or_else(|| NOTHING.to_string(), |iso| date(&iso))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_readable() {
        assert_eq!(fixed(Some(-1234.5678), 2), "-1234.57");
        assert_eq!([fixed(None, 2), fixed(Some(f64::NAN), 0)], ["–", "–"]);
        for (value, text) in [(0, "0"), (999, "999"), (1000, "1 000"), (12_345_678, "12 345 678")] {
            assert_eq!(count(value).replace('\u{202f}', " "), text);
        }
        let told = [0, 1, 1000].map(|number| counted(number, "detection").replace('\u{202f}', " "));
        assert_eq!(told, ["0 detections", "1 detection", "1 000 detections"]);
        let told = [60.0, 7.3, 0.001, 18_000.0, 1e-9].map(|seconds| arcsec(seconds / 3600.0));
        assert_eq!(told, ["60", "7.3", "0.001", "18000", "0.000000001"]);
        assert_eq!(utc(61_041.226_178_580_66), "2026-01-01 05:25:04");
        assert_eq!(utc(f64::NAN), "–");
    }
}
