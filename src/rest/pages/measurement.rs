//! One measurement of an object: a row of `sources` or `fp`, and its values as people read them.

use serde::{Deserialize, Deserializer};

use super::loose::{number, text};
use super::text::{self, NOTHING, fixed};
use crate::plot;

/// A diaSource or a forced measurement.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Measurement {
    #[serde(rename = "r:midpointMjdTai", default, deserialize_with = "number")]
    pub midpoint_mjd_tai: Option<f64>,
    #[serde(rename = "r:band", default, deserialize_with = "text")]
    pub band: Option<String>,
    #[serde(rename = "r:visit", default, deserialize_with = "text")]
    visit: Option<String>,
    #[serde(rename = "r:psfFlux", default, deserialize_with = "number")]
    pub psf_flux: Option<f64>,
    /// The outer `None`: the table has no such column.
    #[serde(rename = "r:psfFluxErr", default, deserialize_with = "number_of_column")]
    psf_flux_err: Option<Option<f64>>,
    #[serde(rename = "v:abMag", default, deserialize_with = "number")]
    ab_mag: Option<f64>,
    #[serde(rename = "v:abMagErr", default, deserialize_with = "number")]
    ab_mag_err: Option<f64>,
    #[serde(rename = "v:dateUtc", default, deserialize_with = "text")]
    date_utc: Option<String>,
    #[serde(rename = "r:timeWithdrawnMjdTai", default, deserialize_with = "number")]
    withdrawn_mjd_tai: Option<f64>,
    #[serde(rename = "v:tag", default, deserialize_with = "text")]
    tag: Option<String>,
}

/// The columns of a detection and of forced photometry alike.
pub(crate) const COLUMNS: [&str; 8] = [
    "r:midpointMjdTai",
    "r:band",
    "r:visit",
    "r:psfFlux",
    "r:psfFluxErr",
    "v:abMag",
    "v:abMagErr",
    "v:dateUtc",
];

fn number_of_column<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<f64>>, D::Error> {
    number(value).map(Some)
}

impl Measurement {
    /// Whether it is a detection that does not pass the quality cuts.
    pub(crate) fn is_poor(&self) -> bool {
        self.tag.as_deref() == Some("badquality")
    }

    /// Whether it [says nothing](plot::says_nothing) of the object.
    pub(crate) fn says_nothing(&self) -> bool {
        plot::says_nothing(self.withdrawn_mjd_tai, self.psf_flux_err)
    }

    /// Its uncertainty, where it is known.
    pub(crate) fn psf_flux_err(&self) -> Option<f64> {
        self.psf_flux_err.flatten()
    }

    /// Whether it is forced photometry among tagged detections.
    pub(crate) fn is_forced(&self) -> bool {
        matches!(self.tag.as_deref(), Some("upperlim" | "forced" | "badforced"))
    }

    pub(crate) fn date(&self) -> String {
        self.date_utc.as_deref().map_or_else(|| NOTHING.to_string(), text::date)
    }

    pub(crate) fn mjd(&self) -> String {
        fixed(self.midpoint_mjd_tai, 6)
    }

    pub(crate) fn band(&self) -> &str {
        self.band.as_deref().unwrap_or(NOTHING)
    }

    pub(crate) fn flux(&self) -> String {
        fixed(self.psf_flux, 1)
    }

    pub(crate) fn flux_err(&self) -> String {
        fixed(self.psf_flux_err(), 1)
    }

    pub(crate) fn mag(&self) -> String {
        fixed(self.ab_mag, 3)
    }

    pub(crate) fn mag_err(&self) -> String {
        fixed(self.ab_mag_err, 3)
    }

    pub(crate) fn snr(&self) -> String {
        let known = self.psf_flux_err().filter(|error| *error > 0.0);
        fixed(self.psf_flux.zip(known).map(|(flux, error)| flux / error), 1)
    }

    pub(crate) fn visit(&self) -> &str {
        self.visit.as_deref().unwrap_or(NOTHING)
    }

    pub(crate) fn quality(&self) -> &str {
        let is_poor = match self.tag {
            Some(_) => self.is_poor(),
            None => self.says_nothing(),
        };
        if is_poor { "poor" } else { "good" }
    }
}
