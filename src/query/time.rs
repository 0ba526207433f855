//! A time given as decimal text, as the range of times it matches.

use crate::error::Result;

/// The `midpointMjdTai` values (MJD, TAI, both ends included) whose shortest decimal text, truncated or
/// rounded to the decimals of a given text, equals it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeMatch {
    pub from_mjd: f64,
    pub to_mjd: f64,
}

impl TimeMatch {
    /// Reads decimal text such as `61105.09364348`; text that is no number is an `Argument` error naming `midpointMjdTai`.
    pub fn parse(_text: &str) -> Result<Self> {
        todo!()
    }
}
