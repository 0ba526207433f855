//! What else lies within an arcminute of an object.

use askama::Template;
use serde::Deserialize;

use super::cone::path;
use super::found::{self, FoundTable};
use super::loose::number;
use super::read::read;
use super::text::count;
use crate::error::Result;
use crate::query::{Circle, Columns, Engine, Query};
use crate::rest::bounded::Placement;
use crate::schema::Table;
use crate::telemetry::planned;

const RADIUS_DEG: f64 = 1.0 / 60.0;
/// As many are listed; the page of the search has all.
const MOST_LISTED: usize = 20;

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<h2 id="near">Within an arcminute</h2>
{% match table %}{% when Some(table) %}{% if table.rows.is_empty() %}<p>No other object is there.</p>
{% else %}{{ table|safe }}{% endif %}<p>{% if let Some(more) = more %}And {{ more }} more: {% endif %}<a href="{{ page }}">a chart of the field</a></p>
{% when None %}<p><a href="{{ page }}">Look for what else is there</a>: that takes longer than this page may.</p>
{% endmatch %}"#
)]
pub(crate) struct Neighbours {
    /// The search for all.
    page: String,
    /// The nearest; `None` where it is not known without a longer look.
    table: Option<FoundTable>,
    more: Option<String>,
}

#[derive(Deserialize)]
struct NewestPlace {
    #[serde(rename = "r:ra", default, deserialize_with = "number")]
    ra_deg: Option<f64>,
    #[serde(rename = "r:dec", default, deserialize_with = "number")]
    dec_deg: Option<f64>,
}

impl Neighbours {
    /// Looks around the newest detection of an object, since this is the place by which searches find it: two objects are then as far from
    /// each other on both their pages. `None` if that is not known.
    pub(crate) async fn read(
        engine: &Engine,
        placement: &Placement,
        id: i64,
    ) -> Result<Option<Self>> {
        let columns = Columns::Named(["r:ra", "r:dec"].map(String::from).to_vec());
        let newest = Query::newest_first(Table::Sources, vec![id], columns);
        let newest = Query { limit: Some(1), ..newest };
        let newest = read::<NewestPlace>(engine, placement, &newest).await?.rows;
        let place = newest.first().and_then(|newest| newest.ra_deg.zip(newest.dec_deg));
        let is_on_sky = |(ra, dec): &(f64, f64)| ra.is_finite() && (-90.0..=90.0).contains(dec);
        let Some((ra_deg, dec_deg)) = place.filter(is_on_sky) else { return Ok(None) };
        let circle = Circle { ra_deg, dec_deg, radius_deg: RADIUS_DEG };
        // The page is worth reading without them.
        let found = Self::around(engine, placement, circle, id).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the page of an object has no list of what is near it");
            None
        });
        let (table, more) = found.unzip();
        Ok(Some(Self { page: path(&circle), table, more: more.flatten() }))
    }

    /// The nearest others in a circle, and how many more there are; `None` where it takes more than a small lookup.
    async fn around(
        engine: &Engine,
        placement: &Placement,
        circle: Circle,
        id: i64,
    ) -> Result<Option<(FoundTable, Option<String>)>> {
        let query = found::query(circle, MOST_LISTED + 1);
        let Some(found) = planned(engine.find_if_few(&query)).await? else { return Ok(None) };
        let total = found.total;
        let (mut rows, _) = found::read(engine, placement, &circle, found).await?;
        rows.retain(|row| row.id != id);
        rows.truncate(MOST_LISTED);
        // The object is within the circle itself.
        let more = total.saturating_sub(1 + rows.len());
        let more = (more > 0).then(|| count(more as u64));
        Ok(Some((FoundTable { name: "Objects within an arcminute", rows }, more)))
    }
}
