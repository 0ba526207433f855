//! The measurements of an object. In: its rows of `sources` or `fp`. Out: a table of them, newest first.

use askama::Template;
use serde::Deserialize;
use serde_json::Number;

use super::text::{self, NOTHING, count, fixed};
use crate::query::{Columns, Query};
use crate::schema::Table;

/// A page shows as many rows of a table, the newest; it says so where there are more.
pub const MOST_ROWS: usize = 10_000;

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
    pub tag: Option<String>,
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

/// The question for an object's measurements; one row more than are shown tells whether there are more.
pub fn query(table: Table, id: i64) -> Query {
    let columns = Columns::Named(COLUMNS.map(String::from).to_vec());
    Query { limit: Some(MOST_ROWS + 1), ..Query::of(table, vec![id], columns) }
}

/// The table, under its name.
#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<details class="measurements"{% if open %} open{% endif %}><summary>{{ name }} <span class="count">{{ self::how_many(rows) }}</span></summary>
{% if rows.len() > MOST_ROWS %}<p class="hint">The newest {{ MOST_ROWS }} of them; the downloads have all.</p>
{% endif %}<div class="wide" tabindex="0" role="region" aria-label="{{ name }}">
<table class="rows">
<thead><tr><th scope="col">Date (UTC)</th><th scope="col">MJD (TAI)</th><th scope="col">Band</th><th scope="col">psfFlux, nJy</th>
<th scope="col">±</th><th scope="col">AB mag</th><th scope="col">±</th><th scope="col">S/N</th><th scope="col">Visit</th>
{% if self.tagged() %}<th scope="col">Quality</th>{% endif %}</tr></thead>
<tbody>
{% for row in rows.iter().take(MOST_ROWS) %}<tr><td>{{ row.date() }}</td><td>{{ row.mjd() }}</td><td>{{ row.band() }}</td><td>{{ row.flux() }}</td><td>{{ row.flux_err() }}</td><td>{{ row.mag() }}</td><td>{{ row.mag_err() }}</td><td>{{ row.snr() }}</td><td>{{ row.visit() }}</td>{% if self.tagged() %}<td>{{ row.quality() }}</td>{% endif %}</tr>
{% endfor %}</tbody>
</table>
</div>
</details>
"#
)]
pub struct Measurements<'a> {
    pub name: &'static str,
    pub rows: &'a [Measurement],
    /// Whether the table is shown at first.
    pub open: bool,
}

impl Measurements<'_> {
    fn tagged(&self) -> bool {
        self.rows.first().is_some_and(|row| row.tag.is_some())
    }
}

/// The number of rows, as far as they were read.
pub fn how_many(rows: &[Measurement]) -> String {
    match rows.len() {
        length if length > MOST_ROWS => format!("more than {}", count(MOST_ROWS as u64)),
        length => count(length as u64),
    }
}

impl Measurement {
    fn date(&self) -> String {
        self.date_utc.as_deref().map_or_else(|| NOTHING.to_string(), text::date)
    }

    fn mjd(&self) -> String {
        fixed(self.midpoint_mjd_tai, 6)
    }

    fn band(&self) -> &str {
        self.band.as_deref().unwrap_or(NOTHING)
    }

    fn flux(&self) -> String {
        fixed(self.psf_flux, 1)
    }

    fn flux_err(&self) -> String {
        fixed(self.psf_flux_err, 1)
    }

    fn mag(&self) -> String {
        fixed(self.ab_mag, 3)
    }

    fn mag_err(&self) -> String {
        fixed(self.ab_mag_err, 3)
    }

    fn snr(&self) -> String {
        fixed(self.psf_flux.zip(self.psf_flux_err).map(|(flux, error)| flux / error), 1)
    }

    fn visit(&self) -> String {
        self.visit.as_ref().map_or_else(|| NOTHING.to_string(), Number::to_string)
    }

    fn quality(&self) -> &str {
        match self.tag.as_deref() {
            Some("valid") => "good",
            Some("badquality") => "poor",
            other => other.unwrap_or(NOTHING),
        }
    }
}
