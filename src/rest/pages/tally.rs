//! Summarises measurements, newest first: how many there are, and the latest, the peak and the range of their fluxes. There is no mean: for
//! a variable object it would describe no measurement.

use super::measurement::Measurement;
use super::text::{self, NOTHING, fixed};

/// Counts a measurement. Its flux counts only if its quality is good.
#[derive(Default)]
pub(crate) struct Tally {
    pub count: u64,
    pub poor: u64,
    latest: Option<Measurement>,
    peak: Option<Measurement>,
    least_njy: Option<f64>,
}

impl Tally {
    pub(crate) const NONE: Self =
        Self { count: 0, poor: 0, latest: None, peak: None, least_njy: None };

    pub(crate) fn take(&mut self, measurement: &Measurement) {
        self.count += 1;
        self.poor += u64::from(measurement.is_poor());
        let Some(njy) = measurement.psf_flux.filter(|_| !measurement.is_poor()) else { return };
        self.latest.get_or_insert_with(|| measurement.clone());
        if self.peak.as_ref().and_then(|peak| peak.psf_flux).is_none_or(|peak| njy > peak) {
            self.peak = Some(measurement.clone());
        }
        self.least_njy = Some(self.least_njy.map_or(njy, |least| least.min(njy)));
    }

    pub(crate) fn count(&self) -> String {
        text::count(self.count)
    }

    pub(crate) fn latest(&self) -> String {
        flux(self.latest.as_ref())
    }

    pub(crate) fn latest_date(&self) -> String {
        self.latest.as_ref().map(Measurement::date).unwrap_or_default()
    }

    pub(crate) fn peak(&self) -> String {
        flux(self.peak.as_ref())
    }

    pub(crate) fn peak_date(&self) -> String {
        self.peak.as_ref().map(Measurement::date).unwrap_or_default()
    }

    pub(crate) fn peak_mag(&self) -> String {
        self.peak.as_ref().map_or_else(|| NOTHING.to_string(), Measurement::mag)
    }

    /// The range of the fluxes.
    pub(crate) fn range(&self) -> String {
        let most_njy = self.peak.as_ref().and_then(|peak| peak.psf_flux);
        match self.least_njy.zip(most_njy) {
            Some((least, most)) => format!("{least:.1} to {most:.1}"),
            None => NOTHING.to_string(),
        }
    }
}

fn flux(measurement: Option<&Measurement>) -> String {
    let value = |measurement: &Measurement| match measurement.psf_flux_err() {
        Some(_) => format!("{} ± {}", measurement.flux(), measurement.flux_err()),
        None => measurement.flux(),
    };
    measurement.map_or_else(|| fixed(None, 1), value)
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn what_is_told_is_of_a_measurement() {
        let mut tally = Tally::default();
        for (flux, hour, tag) in [
            (None, 5, "valid"),
            (Some(90_000.0), 4, "badquality"),
            (Some(-17_000.0), 3, "valid"),
            (Some(17_000.0), 2, "valid"),
            (Some(3.0), 1, "valid"),
        ] {
            let row = json!({"r:psfFlux": flux, "r:psfFluxErr": 2.0, "v:abMag": flux.map(|_| 20.8),
                "v:dateUtc": format!("2026-01-01T0{hour}:00:00.000"), "v:tag": tag});
            tally.take(&from_value(row).unwrap());
        }
        assert_eq!((tally.count, tally.poor), (5, 1));
        let latest = (tally.latest(), tally.latest_date());
        assert_eq!(latest, ("-17000.0 ± 2.0".into(), "2026-01-01 03:00:00".into()));
        let peak = (tally.peak(), tally.peak_date(), tally.peak_mag());
        assert_eq!(peak, ("17000.0 ± 2.0".into(), "2026-01-01 02:00:00".into(), "20.800".into()));
        assert_eq!(tally.range(), "-17000.0 to 17000.0");
        let nothing = Tally::default();
        assert_eq!([nothing.latest(), nothing.peak(), nothing.range()], ["–", "–", "–"]);
    }
}
