//! What an object is in each band. In: its measurements. Out: a line per band with counts and weighted means, as a table.

use askama::Template;

use super::measurement::Measurement;
use super::text::{count, fixed};
use crate::astronomy::ab_mag;
use crate::plot::BANDS;

/// One band of one object.
pub struct Band {
    pub name: String,
    detections: Mean,
    forced: Mean,
}

/// The mean of fluxes but for those of poor quality, each weighted by the inverse of its variance; and the count of all.
#[derive(Default)]
struct Mean {
    count: u64,
    weights: f64,
    weighted_njy: f64,
}

impl Mean {
    fn of<'a>(measurements: impl Iterator<Item = &'a Measurement>) -> Self {
        measurements.fold(Self::default(), |mut mean, measurement| {
            mean.count += 1;
            if measurement.is_poor() {
                return mean;
            }
            if let (Some(flux), Some(error)) = (measurement.psf_flux, measurement.psf_flux_err)
                && error > 0.0
            {
                mean.weights += error.powi(-2);
                mean.weighted_njy += flux * error.powi(-2);
            }
            mean
        })
    }

    fn flux_njy(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.weighted_njy / self.weights)
    }

    fn error_njy(&self) -> Option<f64> {
        (self.weights > 0.0).then(|| self.weights.powf(-0.5))
    }

    fn count(&self) -> String {
        count(self.count)
    }

    fn flux(&self) -> String {
        match self.error_njy() {
            Some(error) => format!("{} ± {}", fixed(self.flux_njy(), 1), fixed(Some(error), 1)),
            None => fixed(None, 1),
        }
    }

    fn mag(&self) -> String {
        fixed(self.flux_njy().and_then(ab_mag), 3)
    }
}

/// The bands that an object was measured in, from the bluest; those of other cameras after them.
pub fn bands(sources: &[Measurement], forced: &[Measurement]) -> Vec<Band> {
    let mut names: Vec<&str> = sources
        .iter()
        .chain(forced)
        .filter_map(|measurement| measurement.band.as_deref())
        .collect();
    let place = |name: &str| BANDS.iter().position(|band| band.name == name).unwrap_or(BANDS.len());
    names.sort_by_key(|name| (place(name), *name));
    names.dedup();
    let band = |name| Band {
        detections: Mean::of(of(sources, name)),
        forced: Mean::of(of(forced, name)),
        name: String::from(name),
    };
    names.into_iter().map(band).collect()
}

fn of<'a>(rows: &'a [Measurement], band: &'a str) -> impl Iterator<Item = &'a Measurement> {
    rows.iter().filter(move |row| row.band.as_deref() == Some(band))
}

#[derive(Template)]
#[template(
    ext = "html",
    source = r##"<div class="wide" tabindex="0" role="region" aria-labelledby="bands">
<table>
<thead><tr><th scope="col">Band</th><th scope="col">Detections</th><th scope="col">Mean psfFlux, nJy</th>
<th scope="col">AB mag</th><th scope="col">Forced</th><th scope="col">Mean forced, nJy</th></tr></thead>
<tbody>
{% for band in bands %}<tr><th scope="row"><svg class="mark band-{{ band.name }}" aria-hidden="true"><use href="#band-{{ band.name }}"/></svg>{{ band.name }}</th>
<td>{{ band.detections.count() }}</td><td>{{ band.detections.flux() }}</td><td>{{ band.detections.mag() }}</td>
<td>{{ band.forced.count() }}</td><td>{{ band.forced.flux() }}</td></tr>
{% endfor %}</tbody>
</table>
</div>
<p class="hint">Means of the measurements below but for those of poor quality, each weighted by the inverse of its variance; the magnitude is that of the mean flux.</p>
"##
)]
pub struct Bands<'a> {
    pub bands: &'a [Band],
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn means_are_weighted_and_bands_in_order() {
        let rows = |values: &[(&str, Option<f64>, f64)]| -> Vec<Measurement> {
            let row = |(band, flux, error): &(&str, Option<f64>, f64)| {
                let tag = if *flux == Some(1e6) { "badquality" } else { "valid" };
                json!({"r:band": band, "r:psfFlux": flux, "r:psfFluxErr": error, "v:tag": tag})
            };
            from_value(values.iter().map(row).collect()).unwrap()
        };
        let sources = rows(&[
            ("z", Some(100.0), 1.0),
            ("z", Some(200.0), 2.0),
            ("z", None, 1.0),
            ("z", Some(1e6), 1.0),
        ]);
        let forced = rows(&[("w", Some(-3.0), 1.0), ("g", None, 0.0)]);
        let bands = bands(&sources, &forced);
        assert_eq!(bands.iter().map(|band| &band.name[..]).collect::<Vec<_>>(), ["g", "z", "w"]);
        let [g, z, w] = &bands[..] else { panic!() };
        assert_eq!((z.detections.count(), z.detections.flux()), ("4".into(), "120.0 ± 0.9".into()));
        assert_eq!(z.detections.mag(), "26.202");
        assert_eq!(
            (g.forced.count(), g.forced.flux(), g.forced.mag()),
            ("1".into(), "–".into(), "–".into())
        );
        assert_eq!((w.forced.flux(), w.forced.mag()), ("-3.0 ± 1.0".into(), "–".into()));
    }
}
