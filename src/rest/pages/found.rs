//! The objects that a search by place found, as a table: how far and in which direction each is, and its newest detection.

use askama::Template;
use serde::Deserialize;

use super::loose::{number, text};
use super::measurement::Measurement;
use super::read::read_found;
use super::text::{NOTHING, fixed};
use crate::error::Result;
use crate::plot;
use crate::query::{Circle, Columns, ConeQuery, Engine, FoundObjects, SkySearch};
use crate::rest::bounded::Placement;

/// An object near a place.
#[derive(Deserialize)]
pub(crate) struct FoundRow {
    #[serde(rename = "r:diaObjectId")]
    pub id: i64,
    #[serde(rename = "r:ra", default, deserialize_with = "number")]
    ra_deg: Option<f64>,
    #[serde(rename = "r:dec", default, deserialize_with = "number")]
    dec_deg: Option<f64>,
    #[serde(rename = "v:separation_degree", default, deserialize_with = "number")]
    separation_deg: Option<f64>,
    #[serde(rename = "r:nDiaSources", default, deserialize_with = "text")]
    sources: Option<String>,
    #[serde(flatten)]
    pub newest: Measurement,
    /// The direction from the place, from north through east.
    #[serde(skip)]
    angle_deg: Option<f64>,
}

const COLUMNS: [&str; 9] = [
    "r:diaObjectId",
    "r:ra",
    "r:dec",
    "r:nDiaSources",
    "r:midpointMjdTai",
    "r:band",
    "r:psfFlux",
    "r:psfFluxErr",
    "v:dateUtc",
];

/// The search for the rows of a circle, at most so many.
pub(crate) fn query(circle: Circle, most: usize) -> ConeQuery {
    let columns = Columns::Named(COLUMNS.map(String::from).to_vec());
    let search = SkySearch { time: None, columns, as_of: None, objects_version: None };
    ConeQuery { circle, most, search }
}

/// Reads what the search for a circle found, the nearest first, and which columns the tables lack for it.
pub(crate) async fn read(
    engine: &Engine,
    placement: &Placement,
    circle: &Circle,
    found: FoundObjects,
) -> Result<(Vec<FoundRow>, Vec<String>)> {
    let found = read_found::<FoundRow>(engine, placement, found).await?;
    let mut rows = found.rows;
    for row in &mut rows {
        let angle = |place| plot::position_angle_deg([circle.ra_deg, circle.dec_deg], place);
        row.angle_deg = row.place().and_then(angle);
    }
    Ok((rows, found.missing))
}

impl FoundRow {
    /// Right ascension and declination of its newest detection.
    pub(crate) fn place(&self) -> Option<[f64; 2]> {
        Some([self.ra_deg?, self.dec_deg?])
    }

    pub(crate) fn separation(&self) -> String {
        fixed(self.separation_deg.map(|degrees| degrees * 3600.0), 2)
    }

    /// The name of the symbol and the colour of the band.
    pub(crate) fn mark(&self) -> &'static str {
        plot::named(self.newest.band.as_deref().unwrap_or_default()).name
    }

    fn angle(&self) -> String {
        fixed(self.angle_deg.map(|degrees| degrees.round() % 360.0), 0)
    }

    fn sources(&self) -> &str {
        self.sources.as_deref().unwrap_or(NOTHING)
    }
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<div class="wide" tabindex="0" role="region" aria-label="{{ name }}">
<table class="stacked found">
<thead><tr><th scope="col">diaObjectId</th><th scope="col">Separation, ″</th><th scope="col">Position angle, °</th><th scope="col">Band</th><th scope="col">psfFlux, nJy</th><th scope="col">±</th><th scope="col">Newest (UTC)</th><th scope="col">Detections</th></tr></thead>
<tbody>
{% for row in rows %}<tr><th scope="row" class="numbers"><a href="{{ row.id }}">{{ row.id }}</a></th><td>{{ row.separation() }}</td><td>{{ row.angle() }}</td><td><svg class="mark band-{{ row.mark() }}" aria-hidden="true"><use href="#band-{{ row.mark() }}"/></svg>{{ row.newest.band() }}</td><td>{{ row.newest.flux() }}</td><td>{{ row.newest.flux_err() }}</td><td>{{ row.newest.date() }}</td><td>{{ row.sources() }}</td></tr>
{% endfor %}</tbody>
</table>
</div>
"##
)]
pub(crate) struct FoundTable {
    /// What the rows are.
    pub name: &'static str,
    pub rows: Vec<FoundRow>,
}
