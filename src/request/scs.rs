//! Reads the parameters of a Simple Cone Search (IVOA recommendation 1.03, section 2.1) into a [`ConeQuery`].

use crate::error::{Error, Result};
use crate::query::{Circle, Columns, ConeQuery, SkySearch};

/// The largest radius in degrees.
const MOST_DEG: f64 = 5.0;
const MOST_RECORDS: usize = 1_000_000;
/// What is answered with if `MAXREC` does not say it.
const USUAL_RECORDS: usize = 10_000;

/// The columns of `VERB=1`, and those that `VERB=2` has besides.
const FEW: [&str; 8] = [
    "r:diaObjectId",
    "r:ra",
    "r:dec",
    "r:midpointMjdTai",
    "r:band",
    "r:psfFlux",
    "r:psfFluxErr",
    "r:nDiaSources",
];
const MORE: [&str; 7] = [
    "r:diaSourceId",
    "r:raErr",
    "r:decErr",
    "r:scienceFlux",
    "r:scienceFluxErr",
    "r:reliability",
    "f:firstDiaSourceMjdTaiFink",
];

/// A Simple Cone Search.
#[derive(Debug)]
pub struct ScsRequest {
    /// What to look for.
    pub query: ConeQuery,
}

impl ScsRequest {
    /// Reads the pairs of a query string. Names have any case; those that are not known are passed over, as the standard has it.
    pub fn parse(query: &str) -> Result<Self> {
        let [mut ra, mut dec, mut radius, mut verbosity, mut most] = [const { None }; 5];
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match name.to_ascii_uppercase().as_str() {
                "RA" => &mut ra,
                "DEC" => &mut dec,
                "SR" => &mut radius,
                "VERB" => &mut verbosity,
                "MAXREC" => &mut most,
                _ => continue,
            };
            place.get_or_insert(value.into_owned());
        }
        let ra_deg = degrees("RA", ra, 0.0..=360.0)?;
        let dec_deg = degrees("DEC", dec, -90.0..=90.0)?;
        let radius_deg = degrees("SR", radius, 0.0..=MOST_DEG)?;
        let verbosity = whole("VERB", verbosity, 1..=3)?.unwrap_or(2);
        let most = whole("MAXREC", most, 0..=MOST_RECORDS)?.unwrap_or(USUAL_RECORDS);
        // A radius of 0 asks what the columns are (2.1).
        let most = if radius_deg > 0.0 { most } else { 0 };
        let circle = Circle { ra_deg, dec_deg, radius_deg };
        let columns = columns(verbosity);
        let search = SkySearch { time: None, columns, as_of: None, objects_version: None };
        Ok(Self { query: ConeQuery { circle, most, search } })
    }

    /// What an answer says where it has not all objects.
    pub fn cut(&self, total: usize) -> Option<String> {
        let most = self.query.most;
        (most < total).then(|| format!("{most} of {total} objects, the nearest"))
    }
}

fn columns(verbosity: usize) -> Columns {
    let more: &[&str] = match verbosity {
        1 => &[],
        2 => &MORE,
        _ => return Columns::All,
    };
    let names = FEW.iter().chain(more);
    Columns::Named(names.map(|name| name.to_string()).collect())
}

fn degrees(name: &str, value: Option<String>, range: std::ops::RangeInclusive<f64>) -> Result<f64> {
    let right =
        format!("{name} must be a number of degrees from {} to {}", range.start(), range.end());
    let value = value.ok_or_else(|| Error::argument(format!("{name} is missing: {right}")))?;
    let number = value.trim().parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| Error::argument(format!("{right}, not `{value:.40}`")))
}

fn whole(
    name: &str,
    value: Option<String>,
    range: std::ops::RangeInclusive<usize>,
) -> Result<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    let number = value.trim().parse().ok().filter(|number| range.contains(number));
    let (from, to) = range.into_inner();
    let right = || format!("{name} must be a whole number from {from} to {to}, not `{value:.40}`");
    number.map(Some).ok_or_else(|| Error::argument(right()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_any_case_and_verbosity_chooses_columns() {
        let count = |query: &str| match ScsRequest::parse(query).unwrap().query.search.columns {
            Columns::All => usize::MAX,
            Columns::Named(names) => names.len(),
        };
        assert_eq!(count("RA=1&DEC=2&SR=3&VERB=1"), 8);
        assert_eq!(count("ra=1&dec=2&sr=3&x=4"), 15);
        assert_eq!(count("Ra=1&Dec=2&Sr=3&Verb=3"), usize::MAX);
        let most = |query: &str| ScsRequest::parse(query).unwrap().query.most;
        assert_eq!(most("RA=1&DEC=2&SR=0&MAXREC=7"), 0);
        assert_eq!(most("RA=1&DEC=2&SR=0.1&MAXREC=7"), 7);
        assert_eq!(most("RA=1&DEC=2&SR=0.1"), USUAL_RECORDS);
    }

    #[test]
    fn a_wrong_parameter_is_named() {
        for (query, named) in [
            ("DEC=1&SR=1", "RA is missing: RA must be a number of degrees from 0 to 360"),
            ("RA=1h&DEC=1&SR=1", "RA must be"),
            ("RA=361&DEC=1&SR=1", "RA must be"),
            ("RA=1&DEC=-91&SR=1", "DEC must be"),
            ("RA=1&DEC=1&SR=5.1", "SR must be a number of degrees from 0 to 5, not `5.1`"),
            ("RA=1&DEC=1&SR=NaN", "SR must be"),
            ("RA=1&DEC=1&SR=1&VERB=4", "VERB must be a whole number from 1 to 3"),
            ("RA=1&DEC=1&SR=1&MAXREC=-1", "MAXREC must be"),
        ] {
            let error = ScsRequest::parse(query).expect_err(query).to_string();
            assert!(error.starts_with(named), "{query}: {error}");
        }
    }
}
