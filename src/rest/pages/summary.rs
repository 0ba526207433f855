//! The summary of an object: its position, when and how often it was observed, and links to what other services know of the position.

use askama::Template;
use serde_json::{Map, Value};

use super::position::Position;
use super::series::Series;
use super::tally::Tally;
use super::text::{self, count, counted, fixed};

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<dl class="facts">
{% if let Some(place) = place %}{{ place|safe }}{% endif %}<div><dt>First detection</dt><dd class="numbers">{{ first.utc }} UTC</dd><dd class="numbers">MJD {{ first.mjd }}</dd></div>
<div><dt>Last detection</dt><dd class="numbers">{{ last.utc }} UTC</dd><dd class="numbers">MJD {{ last.mjd }}</dd></div>
<div><dt>Measurements</dt><dd>{{ detections }}{% if let Some(poor) = poor %}, {{ poor }} of poor quality{% endif %}</dd>
{% if let Some(counted) = counted %}<dd>{{ counted }} by Rubin's count</dd>
{% endif %}<dd>{{ forced }} forced</dd></div>
</dl>
"#
)]
pub(crate) struct SummaryList {
    place: Option<Position>,
    first: When,
    last: When,
    detections: String,
    poor: Option<String>,
    /// `nDiaSources` of the object, if the table has another number of sources.
    counted: Option<String>,
    forced: String,
}

struct When {
    utc: String,
    mjd: String,
}

impl SummaryList {
    pub(crate) fn new(object: &Map<String, Value>, detections: &Series, forced: &Series) -> Self {
        let number = |name| object.get(name).and_then(Value::as_f64);
        let rubin = object.get("r:nDiaSources").and_then(Value::as_u64);
        let Tally { count: found, poor, .. } = detections.all;
        Self {
            place: number("r:ra")
                .zip(number("r:dec"))
                .map(|(ra, dec)| Position::from_degrees(ra, dec)),
            first: When::from_mjd_tai(detections.first_mjd_tai),
            last: When::from_mjd_tai(detections.last_mjd_tai),
            detections: counted(found, "detection"),
            poor: (poor > 0).then(|| count(poor)),
            counted: rubin.filter(|rubin| *rubin != found).map(count),
            forced: forced.all.count(),
        }
    }
}

impl When {
    fn from_mjd_tai(mjd_tai: Option<f64>) -> Self {
        let utc = mjd_tai.map_or_else(|| text::NOTHING.to_string(), text::utc);
        Self { utc, mjd: fixed(mjd_tai, 6) }
    }
}
