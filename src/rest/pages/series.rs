//! The measurements of one kind that an object has. In: its id. Out: the newest as they are, for a table, and what is told of all of them,
//! however many there are.

use std::collections::BTreeMap;

use super::measurement::{COLUMNS, Measurement, TAG};
use super::read::fold;
use super::tally::Tally;
use super::text;
use crate::error::{Error, Kind, Result};
use crate::plot::WITHDRAWN;
use crate::query::{Columns, Engine, Query};
use crate::rest::bounded::Placement;
use crate::schema::Table;

/// As many rows are shown, the newest; a page says so where there are more.
const MOST_SHOWN: usize = 10_000;

#[derive(Default)]
pub struct Series {
    /// Of the measurements, the newest first.
    pub newest: Vec<Measurement>,
    pub all: Tally,
    /// By the name of their band, where they have one.
    pub bands: BTreeMap<Option<String>, Tally>,
    /// The times of the newest and the oldest.
    pub last_mjd_tai: Option<f64>,
    pub first_mjd_tai: Option<f64>,
    /// Whether they are told apart by quality.
    pub tagged: bool,
    /// What the table lacks of what is shown.
    pub missing: Vec<String>,
}

impl Series {
    /// The detections, each with what it is worth where the tables have the columns that tell.
    pub async fn detections(engine: &Engine, placement: &Placement, id: i64) -> Result<Self> {
        let tagged = Query::with_upper_limits(vec![id], columns(Some(TAG)));
        match Self::read(engine, placement, &tagged, Self::take_detection).await {
            Err(error) if error.kind() == Kind::Argument => {
                let plain = Query::newest_first(Table::Sources, vec![id], columns(None));
                let mut found = Self::read(engine, placement, &plain, Self::take_detection).await?;
                found.missing.push(unjudged(&error));
                Ok(found)
            }
            found => Ok(Self { tagged: true, ..found? }),
        }
    }

    pub async fn forced(engine: &Engine, placement: &Placement, id: i64) -> Result<Self> {
        let query = Query::newest_first(Table::Fp, vec![id], columns(Some(WITHDRAWN)));
        let mut found = Self::read(engine, placement, &query, Self::take_forced).await?;
        found.missing.retain(|column| !column.ends_with(WITHDRAWN));
        Ok(Self { tagged: true, ..found })
    }

    async fn read(
        engine: &Engine,
        placement: &Placement,
        query: &Query,
        take: fn(&mut Self, Measurement),
    ) -> Result<Self> {
        let found = fold(engine, placement, query, Self::default(), take).await?;
        let named = |column: String| format!("{} {column}", query.table().name());
        let missing = found.missing.into_iter().map(named).collect();
        Ok(Self { missing, ..found.rows })
    }

    /// Forced measurements are read on their own, too.
    fn take_detection(&mut self, row: Measurement) {
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

    /// Whether there are older ones than those shown.
    pub fn has_more(&self) -> bool {
        self.all.count > self.newest.len() as u64
    }

    pub fn shown(&self) -> String {
        text::count(self.newest.len() as u64)
    }
}

/// Without a limit: an upper limit is no detection, and which rows are is known when they come.
fn columns(more: Option<&str>) -> Columns {
    Columns::Named(COLUMNS.into_iter().chain(more).map(String::from).collect())
}

/// The first column that the quality cuts miss is reason enough; the error goes on with those that there are.
fn unjudged(error: &Error) -> String {
    let error = error.to_string();
    let why = error.split(['.', '\n']).next().unwrap_or_default();
    let why = why.rsplit(": ").next().unwrap_or_default();
    format!("what the quality cuts and upper limits take ({why:.100})")
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
