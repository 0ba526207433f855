//! The chart of what a search by place found, as SVG within the page: its colours are those of the page, and each mark leads to its object.

use askama::Template;

use super::found::FoundRow;
use super::position::degrees;
use super::text::{arcsec, count};
use crate::plot::FieldChart;
use crate::query::Circle;

/// Below the square of the field: the legend, and what is said of the mark that is pointed at.
const LEGEND_Y: f64 = FieldChart::SIDE + 16.0;
const READOUT_Y: f64 = FieldChart::SIDE + 52.0;
const HEIGHT: f64 = FieldChart::SIDE + 66.0;
/// Where the sizes of the legend are.
const LEGEND_X: [f64; 4] = [132.0, 190.0, 262.0, 350.0];

/// It is no `img` to a screen reader: what is in an image cannot be reached.
#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<figure class="field">
<a class="skip" href="#list">Skip the chart</a>
<svg viewBox="0 0 {{ FieldChart::SIDE }} {{ HEIGHT }}" role="group" aria-labelledby="field-title" aria-describedby="field-about">
<title id="field-title">Field of {{ radius }}″ around {{ centre }}</title>
<desc id="field-about">North is up, east is to the left. Each object has a mark where its newest detection is: the symbol of the band, larger with a larger psfFlux. The table below has the same objects.</desc>
<circle class="rim" cx="{{ MIDDLE }}" cy="{{ MIDDLE }}" r="{{ FieldChart::RIM }}"/>
<path class="lines" d="M{{ MIDDLE - 7.0 }} {{ MIDDLE }}h14M{{ MIDDLE }} {{ MIDDLE - 7.0 }}v14"/>
<text x="{{ MIDDLE }}" y="{{ MIDDLE - FieldChart::RIM - 10.0 }}" text-anchor="middle">N</text>
<text x="{{ MIDDLE - FieldChart::RIM - 10.0 }}" y="{{ MIDDLE + 5.0 }}" text-anchor="end">E</text>
{% if let Some((length, name)) = scale %}<path class="lines" d="M16 {{ FieldChart::SIDE - 22.0 }}v8h{{ length|fmt("{:.1}") }}v-8"/>
<text x="16" y="{{ FieldChart::SIDE - 28.0 }}">{{ name }}</text>
{% endif %}{% for mark in marks %}<a href="{{ mark.id }}"><title>{{ mark.about }}</title><circle class="reach" cx="{{ mark.x|fmt("{:.1}") }}" cy="{{ mark.y|fmt("{:.1}") }}" r="{{ mark.reach()|fmt("{:.1}") }}"/><use class="band-{{ mark.band }}" href="#band-{{ mark.band }}" x="{{ mark.left()|fmt("{:.1}") }}" y="{{ mark.top()|fmt("{:.1}") }}" width="{{ mark.side()|fmt("{:.1}") }}" height="{{ mark.side()|fmt("{:.1}") }}"/><text class="readout" x="{{ MIDDLE }}" y="{{ READOUT_Y }}" text-anchor="middle">{{ mark.about }}</text></a>
{% endfor %}<text x="16" y="{{ LEGEND_Y + 5.0 }}">|psfFlux|, nJy</text>
{% for (x, radius, flux) in legend %}<circle class="lines" cx="{{ x }}" cy="{{ LEGEND_Y }}" r="{{ radius }}"/><text x="{{ x + radius + 6.0 }}" y="{{ LEGEND_Y + 5.0 }}">{{ flux }}</text>
{% endfor %}</svg>
<figcaption class="hint">North is up, east to the left. Each mark has the symbol of its band, and leads to its object; point at it, or go from one to the next with the tab key.</figcaption>
</figure>
"##
)]
pub(crate) struct FieldFigure {
    radius: String,
    centre: String,
    scale: Option<(f64, &'static str)>,
    marks: Vec<FieldMark>,
    legend: [(f64, f64, String); 4],
}

const MIDDLE: f64 = FieldChart::SIDE / 2.0;

/// The mark of an object.
struct FieldMark {
    id: i64,
    band: &'static str,
    x: f64,
    y: f64,
    radius: f64,
    about: String,
}

impl FieldFigure {
    pub(crate) fn new(circle: &Circle, rows: &[FoundRow]) -> Self {
        let chart = FieldChart::new([circle.ra_deg, circle.dec_deg], circle.radius_deg);
        let mut marks: Vec<_> = rows.iter().filter_map(|row| FieldMark::new(&chart, row)).collect();
        // A small mark is on top of a large one, where it can be seen.
        marks.sort_by(|one, other| other.radius.total_cmp(&one.radius));
        let legend = |i: usize| {
            let flux = FieldChart::LEGEND_NJY[i];
            (LEGEND_X[i], FieldChart::mark_radius(Some(flux)), count(flux as u64))
        };
        Self {
            radius: arcsec(circle.radius_deg),
            centre: degrees(circle.ra_deg, circle.dec_deg),
            scale: chart.scale(),
            marks,
            legend: [0, 1, 2, 3].map(legend),
        }
    }
}

impl FieldMark {
    fn new(chart: &FieldChart, row: &FoundRow) -> Option<Self> {
        let [x, y] = chart.point(row.place()?)?;
        let (separation, newest) = (row.separation(), &row.newest);
        let about = format!("{} · {separation}″ · {} {} nJy", row.id, newest.band(), newest.flux());
        let radius = FieldChart::mark_radius(newest.psf_flux);
        Some(Self { id: row.id, band: row.mark(), x, y, radius, about })
    }

    /// The side of its symbol, in which the outline leaves some room.
    fn side(&self) -> f64 {
        2.4 * self.radius
    }

    fn left(&self) -> f64 {
        self.x - self.side() / 2.0
    }

    fn top(&self) -> f64 {
        self.y - self.side() / 2.0
    }

    /// How far around it a pointer finds it.
    fn reach(&self) -> f64 {
        self.radius.max(7.0) + 2.0
    }
}
