//! A time that a client gave in decimals, as the range of times that it matches. The two bounds are compared with `midpointMjdTai` as a
//! plain range, so that files and pages can be left out.

use std::hash::{Hash, Hasher};
use std::str::FromStr;

use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, Signed, Zero};

use crate::error::{Error, Result};

/// The `midpointMjdTai` values (MJD, TAI, both ends included) whose shortest decimal text, truncated or
/// rounded half away from zero to the decimals of a given text, equals it. Empty when `from > to`.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeMatch {
    /// The earliest time.
    pub from_mjd: f64,
    /// The latest time.
    pub to_mjd: f64,
}

impl Hash for TimeMatch {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.from_mjd.to_bits(), self.to_mjd.to_bits()).hash(state);
    }
}

/// Twice what any `float64` near an MJD has.
const MAX_TEXT_BYTES: usize = 100;
/// More decimals than any `float64` near an MJD has, and few enough to compute with.
const MAX_DIGITS: i64 = 400;

impl TimeMatch {
    /// Reads decimal text such as `61105.09364348` (an exponent is allowed). Text that is no number is
    /// an `Argument` error naming `midpointMjdTai`.
    pub fn parse(text: &str) -> Result<Self> {
        // The time to read decimals grows with the square of their number.
        let short = Some(text.trim()).filter(|text| text.len() <= MAX_TEXT_BYTES);
        let value = short
            .and_then(|text| BigDecimal::from_str(text).ok())
            .filter(|value| value.fractional_digit_count().abs() <= MAX_DIGITS)
            .ok_or_else(|| {
                Error::argument(format!(
                    "midpointMjdTai: `{text:.40}` is no number of at most {MAX_TEXT_BYTES} characters; give an MJD (TAI) in decimals, such as 61105.0936434868"
                ))
            })?;
        let decimals = value.fractional_digit_count().max(0);
        let unit = BigDecimal::new(BigInt::from(1), decimals);
        let half = BigDecimal::new(BigInt::from(5), decimals + 1);
        // Away from zero, a value within [|x| - half, |x| + half) rounds to x and one within
        // [|x|, |x| + unit) truncates to it; zero is reached from both sides.
        let magnitude = value.abs();
        let (low, high) = (&magnitude - &half, &magnitude + &unit);
        Ok(if value.is_zero() {
            Self { from_mjd: -below(&high), to_mjd: below(&high) }
        } else if value.is_negative() {
            Self { from_mjd: -below(&high), to_mjd: -at_least(&low) }
        } else {
            Self { from_mjd: at_least(&low), to_mjd: below(&high) }
        })
    }
}

/// The smallest `f64` whose shortest decimal text is not less than `bound`; infinity beyond them all.
fn at_least(bound: &BigDecimal) -> f64 {
    let mut value = nearest(bound);
    while value.is_finite() && shortest(value) < *bound {
        value = value.next_up();
    }
    while shortest(value.next_down()) >= *bound {
        value = value.next_down();
    }
    value
}

/// The greatest `f64` whose shortest decimal text is less than `bound`.
fn below(bound: &BigDecimal) -> f64 {
    at_least(bound).next_down()
}

/// The finite `f64` nearest to a decimal.
fn nearest(decimal: &BigDecimal) -> f64 {
    let value: f64 = decimal.to_plain_string().parse().unwrap_or(f64::MAX);
    value.clamp(f64::MIN, f64::MAX)
}

/// The shortest decimal text of a value, as a number; beyond the finite range, the greatest there is.
fn shortest(value: f64) -> BigDecimal {
    let finite = value.clamp(f64::MIN, f64::MAX);
    BigDecimal::from_str(&finite.to_string()).unwrap_or_else(|_| BigDecimal::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(text: &str, mjd: f64) -> bool {
        let range = TimeMatch::parse(text).unwrap();
        (range.from_mjd..=range.to_mjd).contains(&mjd)
    }

    #[test]
    fn truncated_and_rounded_text_matches() {
        let mjd = 61105.093643486834;
        for text in ["61105", "61105.0", "61105.09", "61105.0936434868", "61105.09364348"] {
            assert!(matches(text, mjd), "{text}");
        }
        for text in ["61105.09364349", "61105.093643486834", "6.1105e4", " 61105 "] {
            assert!(matches(text, mjd), "{text}");
        }
        for text in ["61105.0936435", "61105.1"] {
            // Rounded up at that decimal: 61105.0936435 and 61105.1.
            assert!(matches(text, mjd), "{text}");
        }
        for text in ["61104", "61106", "6110", "61105.09364350", "61105.09364347", "0", "-61105"] {
            assert!(!matches(text, mjd), "{text}");
        }
    }

    #[test]
    fn the_shortest_text_of_a_value_matches_that_value() {
        for mjd in [61105.093643486834, 61105.095800699935, 59000.5, 0.1, 1480360995.0001] {
            let range = TimeMatch::parse(&mjd.to_string()).unwrap();
            assert!(range.from_mjd <= mjd && mjd <= range.to_mjd, "{mjd}");
        }
        let range = TimeMatch::parse("61105.093643486834").unwrap();
        assert_eq!((range.from_mjd, range.to_mjd), (61105.093643486834, 61105.093643486834));
    }

    #[test]
    fn ends_are_exact() {
        let range = TimeMatch::parse("61105").unwrap();
        assert_eq!((range.from_mjd, range.to_mjd), (61104.5, 61106f64.next_down()));
        assert!(
            matches("-2", -2.9)
                && matches("-2", -1.5)
                && !matches("-2", -1.4)
                && !matches("-2", -3.0)
        );
        let beyond = TimeMatch::parse("1e400").unwrap();
        assert!(beyond.from_mjd > beyond.to_mjd, "no value is that large");
        assert!(matches("0", 0.9) && matches("0", -0.9) && !matches("0", 1.0));
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        let (digits, decimals) = ("7".repeat(1 << 20), format!("61105.{}", "0".repeat(1 << 20)));
        for text in
            ["", "abc", "61105,5", "nan", "inf", "1e999999999", "61105.0x", &digits, &decimals]
        {
            let error = TimeMatch::parse(text).unwrap_err().to_string();
            assert!(error.contains("midpointMjdTai") && error.len() < 300, "{error}");
        }
    }
}
