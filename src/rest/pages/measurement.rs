//! One measurement of an object, and the reading of all of them. In: an object's id. Out: its rows of `sources` or `fp`, newest
//! first.

use serde::Deserialize;
use serde_json::Number;

use super::read::read;
use super::text::{self, NOTHING, count, fixed};
use crate::error::{Kind, Result};
use crate::query::{Columns, Engine, Query};
use crate::rest::bounded::Placement;
use crate::schema::Table;

/// As many rows are read for a page, the newest; it says so where there are more.
const MOST_ROWS: usize = 10_000;

/// A diaSource or a forced measurement.
#[derive(Debug, Deserialize)]
pub struct Measurement {
    #[serde(rename = "r:midpointMjdTai")]
    pub midpoint_mjd_tai: Option<f64>,
    #[serde(rename = "r:band")]
    pub band: Option<String>,
    #[serde(rename = "r:visit")]
    visit: Option<Number>,
    #[serde(rename = "r:psfFlux")]
    pub psf_flux: Option<f64>,
    #[serde(rename = "r:psfFluxErr")]
    pub psf_flux_err: Option<f64>,
    #[serde(rename = "v:abMag")]
    ab_mag: Option<f64>,
    #[serde(rename = "v:abMagErr")]
    ab_mag_err: Option<f64>,
    #[serde(rename = "v:dateUtc")]
    date_utc: Option<String>,
    #[serde(rename = "v:tag")]
    tag: Option<String>,
}

const COLUMNS: [&str; 9] = [
    "r:midpointMjdTai",
    "r:band",
    "r:visit",
    "r:psfFlux",
    "r:psfFluxErr",
    "v:abMag",
    "v:abMagErr",
    "v:dateUtc",
    "v:tag",
];

/// The newest measurements of one kind.
pub struct Newest {
    pub rows: Vec<Measurement>,
    /// Whether there are older ones.
    pub more: bool,
}

impl Newest {
    /// The detections, each with what it is worth where the tables have the columns that tell.
    pub async fn detections(engine: &Engine, placement: &Placement, id: i64) -> Result<Self> {
        let tagged = Query { upper_limits: true, ..query(Table::Sources, id) };
        let mut found = match Self::read(engine, placement, &tagged).await {
            Err(error) if error.kind() == Kind::Argument => {
                return Self::read(engine, placement, &query(Table::Sources, id)).await;
            }
            found => found?,
        };
        found.rows.retain(|row| matches!(row.tag.as_deref(), Some("valid" | "badquality")));
        Ok(found)
    }

    pub async fn forced(engine: &Engine, placement: &Placement, id: i64) -> Result<Self> {
        Self::read(engine, placement, &query(Table::Fp, id)).await
    }

    async fn read(engine: &Engine, placement: &Placement, query: &Query) -> Result<Self> {
        let mut rows = read::<Measurement>(engine, placement, query).await?.rows;
        let more = rows.len() > MOST_ROWS;
        rows.truncate(MOST_ROWS);
        Ok(Self { rows, more })
    }

    /// Whether they have a tag.
    pub fn are_tagged(&self) -> bool {
        self.rows.first().is_some_and(|row| row.tag.is_some())
    }

    pub fn how_many(&self) -> String {
        let read = count(self.rows.len() as u64);
        if self.more { format!("more than {read}") } else { read }
    }
}

/// One row more than are read tells whether there are more.
fn query(table: Table, id: i64) -> Query {
    let columns = Columns::Named(COLUMNS.map(String::from).to_vec());
    Query { limit: Some(MOST_ROWS + 1), ..Query::of(table, vec![id], columns) }
}

impl Measurement {
    /// A detection that does not pass the quality cuts.
    pub fn is_poor(&self) -> bool {
        self.tag.as_deref() == Some("badquality")
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
        fixed(self.psf_flux_err, 1)
    }

    pub fn mag(&self) -> String {
        fixed(self.ab_mag, 3)
    }

    pub fn mag_err(&self) -> String {
        fixed(self.ab_mag_err, 3)
    }

    pub fn snr(&self) -> String {
        fixed(self.psf_flux.zip(self.psf_flux_err).map(|(flux, error)| flux / error), 1)
    }

    pub fn visit(&self) -> String {
        self.visit.as_ref().map_or_else(|| NOTHING.to_string(), Number::to_string)
    }

    pub fn quality(&self) -> &str {
        if self.is_poor() { "poor" } else { "good" }
    }
}
