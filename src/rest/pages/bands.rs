//! A table with one line per band of an object, from the summaries of its measurements.

use askama::Template;

use super::series::Series;
use super::tally::Tally;
use crate::plot::{self, BANDS};

/// One band of one object.
pub(crate) struct BandTally<'a> {
    /// Its name; `None` for measurements without a band.
    name: Option<&'a str>,
    detections: &'a Tally,
    forced: &'a Tally,
}

static NONE: Tally = Tally::NONE;

impl BandTally<'_> {
    /// The name as in the rows; empty for measurements without a band.
    pub(crate) fn value(&self) -> &str {
        self.name.unwrap_or_default()
    }

    pub(crate) fn label(&self) -> &str {
        self.name.unwrap_or("no band")
    }

    /// The name of its colour and symbol.
    pub(crate) fn mark(&self) -> &'static str {
        plot::named(self.value()).name
    }
}

/// The bands that an object was measured in, from blue to red; bands of other cameras come last.
pub(crate) fn bands<'a>(detections: &'a Series, forced: &'a Series) -> Vec<BandTally<'a>> {
    let names = detections.bands.keys().chain(forced.bands.keys());
    let mut names: Vec<&Option<String>> = names.collect();
    let place = |name: &Option<String>| {
        let known = BANDS.iter().position(|band| Some(band.name) == name.as_deref());
        known.unwrap_or(BANDS.len() + usize::from(name.is_none()))
    };
    names.sort_by_key(|name| (place(name), *name));
    names.dedup();
    let band = |name: &'a Option<String>| BandTally {
        name: name.as_deref(),
        detections: detections.bands.get(name).unwrap_or(&NONE),
        forced: forced.bands.get(name).unwrap_or(&NONE),
    };
    names.into_iter().map(band).collect()
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<div class="wide" tabindex="0" role="region" aria-labelledby="bands">
<table class="stacked bands">
<thead><tr><th scope="col">Band</th><th scope="col">Detections</th><th scope="col">Latest psfFlux, nJy</th><th scope="col">Peak psfFlux, nJy</th>
<th scope="col">Peak AB mag</th><th scope="col">Range, nJy</th><th scope="col">Forced</th><th scope="col">Range of forced, nJy</th></tr></thead>
<tbody>
{% for band in bands %}<tr><th scope="row"><svg class="mark band-{{ band.mark() }}" aria-hidden="true"><use href="#band-{{ band.mark() }}"/></svg>{{ band.label() }}</th>
<td>{{ band.detections.count() }}</td><td>{{ band.detections.latest() }}<small>{{ band.detections.latest_date() }}</small></td>
<td>{{ band.detections.peak() }}<small>{{ band.detections.peak_date() }}</small></td><td>{{ band.detections.peak_mag() }}</td><td>{{ band.detections.range() }}</td>
<td>{{ band.forced.count() }}</td><td>{{ band.forced.range() }}</td></tr>
{% endfor %}</tbody>
</table>
</div>
<p class="hint">Dates are in UTC. Detections of poor quality count, and their fluxes are left out here.</p>
"##
)]
pub(crate) struct Bands<'a> {
    pub bands: &'a [BandTally<'a>],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bands_are_in_order_and_none_is_left_out() {
        let series = |names: &[Option<&str>]| Series {
            bands: names.iter().map(|name| (name.map(String::from), Tally::NONE)).collect(),
            ..Series::default()
        };
        let detections = series(&[Some("z"), Some("3"), None]);
        let forced = series(&[Some("w"), Some("g"), Some("z")]);
        let bands = bands(&detections, &forced);
        let told: Vec<_> = bands.iter().map(|band| (band.label(), band.mark())).collect();
        assert_eq!(
            told,
            [("g", "g"), ("z", "z"), ("3", "other"), ("w", "other"), ("no band", "other")]
        );
        let html = Bands { bands: &bands }.render().unwrap();
        assert!(html.contains("no band") && html.contains("#band-other"), "{html}");
    }
}
