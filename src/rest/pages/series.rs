//! The detections or the forced photometry of an object: the newest rows, for a table, and a summary of all of them, however many there
//! are.

use std::collections::BTreeMap;

use super::measurement::{COLUMNS, Measurement};
use super::read::fold;
use super::tally::Tally;
use super::text;
use crate::error::Result;
use crate::query::{Engine, Query};
use crate::rest::bounded::Placement;
use crate::rest::light_curve;
use crate::schema::TAG;

/// As many of the newest rows are shown; the page says so if there are more.
const MOST_SHOWN: usize = 10_000;

/// The measurements of one kind of an object.
#[derive(Default)]
pub(crate) struct Series {
    /// The newest measurements, newest first.
    pub newest: Vec<Measurement>,
    /// The summary of all.
    pub all: Tally,
    /// The summaries by band; `None` is of measurements without a band.
    pub bands: BTreeMap<Option<String>, Tally>,
    /// The time of the newest.
    pub last_mjd_tai: Option<f64>,
    /// The time of the oldest.
    pub first_mjd_tai: Option<f64>,
    /// Whether they are tagged as good or poor.
    pub tagged: bool,
    /// The columns that the tables lack.
    pub missing: Vec<String>,
}

impl Series {
    /// The detections of an object, each tagged as good or poor where the tables have the columns for it.
    pub(crate) async fn detections(
        engine: &Engine,
        placement: &Placement,
        id: i64,
    ) -> Result<Self> {
        let detections = light_curve::detections(engine, id, &COLUMNS, &[TAG]).await?;
        let mut found =
            Self::read(engine, placement, &detections.query, Self::take_detection).await?;
        found.missing.extend(detections.missing());
        Ok(Self { tagged: detections.are_tagged, ..found })
    }

    /// The forced photometry of an object.
    pub(crate) async fn forced(engine: &Engine, placement: &Placement, id: i64) -> Result<Self> {
        let query = light_curve::forced(id, &COLUMNS);
        let found = Self::read(engine, placement, &query, Self::take_forced).await?;
        Ok(Self { tagged: true, ..found })
    }

    /// Reads all rows, without a limit: only a row that is read shows whether it is a detection or an upper limit.
    async fn read(
        engine: &Engine,
        placement: &Placement,
        query: &Query,
        take: fn(&mut Self, Measurement),
    ) -> Result<Self> {
        let found = fold(engine, placement, query, Self::default(), take).await?;
        Ok(Self { missing: light_curve::missing(query, found.missing), ..found.rows })
    }

    fn take_detection(&mut self, row: Measurement) {
        // Forced photometry is shown on its own.
        if !row.is_forced() {
            self.bands.entry(row.band.clone()).or_default().take(&row);
            self.take(row);
        }
    }

    fn take_forced(&mut self, row: Measurement) {
        if !row.says_nothing() {
            self.bands.entry(row.band.clone()).or_default().take(&row);
        }
        self.take(row);
    }

    fn take(&mut self, row: Measurement) {
        self.all.take(&row);
        self.last_mjd_tai = self.last_mjd_tai.or(row.midpoint_mjd_tai);
        self.first_mjd_tai = row.midpoint_mjd_tai.or(self.first_mjd_tai);
        if self.newest.len() < MOST_SHOWN {
            self.newest.push(row);
        }
    }

    /// Whether there are older rows than those shown.
    pub(crate) fn has_more(&self) -> bool {
        self.all.count > self.newest.len() as u64
    }

    /// How many are shown.
    pub(crate) fn shown(&self) -> String {
        text::count(self.newest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn all_rows_count_and_the_newest_are_shown() {
        for (err, counted) in [(json!(-1), false), (json!(null), false), (json!(0.1), true)] {
            let mut series = Series::default();
            let row = json!({"r:band": "u", "r:psfFlux": 1e6, "r:psfFluxErr": err});
            series.take_forced(from_value(row).unwrap());
            assert_eq!(series.bands.len(), usize::from(counted), "{err}");
            let quality = if counted { "good" } else { "poor" };
            assert_eq!((series.newest.len(), series.newest[0].quality()), (1, quality));
        }
        let mut series = Series::default();
        series.take_forced(from_value(json!({"r:band": "u", "r:psfFlux": 1})).unwrap());
        assert_eq!(series.bands.len(), 1, "of a table without uncertainties");
        let mut series = Series::default();
        for n in 0..25_000 {
            let tag = if n % 2 == 0 { "upperlim" } else { "valid" };
            let band = if n == 24_999 { json!(null) } else { json!("g") };
            let row = json!({"r:midpointMjdTai": 61_000.0 - f64::from(n), "r:band": band,
                "r:psfFlux": n, "v:tag": tag});
            series.take_detection(from_value(row).unwrap());
        }
        assert_eq!((series.all.count, series.newest.len()), (12_500, MOST_SHOWN));
        assert_eq!((series.has_more(), series.shown().len()), (true, "10\u{202f}000".len()));
        assert_eq!(series.last_mjd_tai, Some(60_999.0));
        assert_eq!(series.first_mjd_tai, Some(61_000.0 - 24_999.0));
        assert_eq!((series.bands[&None].count, series.bands[&Some("g".into())].count), (1, 12_499));
    }
}
