//! One measurement of an object. In: its row of `sources` or `fp`. Out: its values as people read them.

use serde::{Deserialize, Deserializer};

use super::loose::{number, text};
use super::text::{self, NOTHING, fixed};

/// A diaSource or a forced measurement.
#[derive(Clone, Debug, Deserialize)]
pub struct Measurement {
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

/// Those of every table; `v:tag` is there with upper limits alone.
pub const COLUMNS: [&str; 8] = [
    "r:midpointMjdTai",
    "r:band",
    "r:visit",
    "r:psfFlux",
    "r:psfFluxErr",
    "v:abMag",
    "v:abMagErr",
    "v:dateUtc",
];
pub const TAG: &str = "v:tag";

fn number_of_column<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<f64>>, D::Error> {
    number(value).map(Some)
}

impl Measurement {
    /// A detection that does not pass the quality cuts.
    pub fn is_poor(&self) -> bool {
        self.tag.as_deref() == Some("badquality")
    }

    /// Of a forced measurement: withdrawn by Rubin, or without an uncertainty above zero where the table has uncertainties: it says nothing of the object.
    pub fn says_nothing(&self) -> bool {
        let is_uncertain = |error: Option<f64>| error.is_none_or(|error| error <= 0.0);
        self.withdrawn_mjd_tai.is_some() || self.psf_flux_err.is_some_and(is_uncertain)
    }

    /// Its uncertainty, where it is known.
    pub fn psf_flux_err(&self) -> Option<f64> {
        self.psf_flux_err.flatten()
    }

    /// Where detections stand beside what was forced where there is none.
    pub fn is_forced(&self) -> bool {
        matches!(self.tag.as_deref(), Some("upperlim" | "forced" | "badforced"))
    }

    pub fn date(&self) -> String {
        self.date_utc.as_deref().map_or_else(|| NOTHING.to_string(), text::date)
    }

    pub fn mjd(&self) -> String {
        fixed(self.midpoint_mjd_tai, 6)
    }

    pub fn band(&self) -> &str {
        self.band.as_deref().unwrap_or(NOTHING)
    }

    pub fn flux(&self) -> String {
        fixed(self.psf_flux, 1)
    }

    pub fn flux_err(&self) -> String {
        fixed(self.psf_flux_err(), 1)
    }

    pub fn mag(&self) -> String {
        fixed(self.ab_mag, 3)
    }

    pub fn mag_err(&self) -> String {
        fixed(self.ab_mag_err, 3)
    }

    pub fn snr(&self) -> String {
        let known = self.psf_flux_err().filter(|error| *error > 0.0);
        fixed(self.psf_flux.zip(known).map(|(flux, error)| flux / error), 1)
    }

    pub fn visit(&self) -> &str {
        self.visit.as_deref().unwrap_or(NOTHING)
    }

    pub fn quality(&self) -> &str {
        let is_poor = match self.tag {
            Some(_) => self.is_poor(),
            None => self.says_nothing(),
        };
        if is_poor { "poor" } else { "good" }
    }
}
