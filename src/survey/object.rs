//! One object's life. In: its place in the survey's plan and its own random numbers. Out: its sources,
//! its forced measurements and what Fink says of it.
//!
//! The number of sources is log-normal, with a median of 6 in the wide survey and of 150 in the deep fields
//! (standard deviation of the logarithm: 1), at most 2,000 and no more than there are visits: about 20
//! on average. The amplitude of the light curve is the one that gives that number at the survey's threshold
//! of 5 sigma, so that what is detected, what is not, and the forced fluxes agree with each other.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, StandardNormal};

use super::camera::Pixel;
use super::field::Field;
use super::light_curve::{LightCurve, amplitude_for};
use super::matches::Matches;
use super::plan::{Plan, bug};
use super::rows::{Forced, Noise, Object, Rows, Source};
use super::summary::summarize;
use super::visit::{BANDS, IDS_PER_DETECTOR, Visit};
use crate::error::Result;

const MOST_SOURCES: usize = 2000;
/// Detection threshold in sigma, a little above Rubin's 5 so that rounding does not cross it.
const THRESHOLD: f64 = 5.05;
/// The brightest amplitude: about magnitude 16.
const MOST_NJY: f64 = 1e6;

/// Where an object enters the survey.
pub struct Birth {
    /// Its `diaObjectId`, which is the `diaSourceId` of its first source.
    pub id: i64,
    /// Index of the visit that finds it first, in the plan.
    visit: u32,
    /// Tells its ids from those of other objects in the same detector.
    counter: u64,
    /// Degrees (east, north) from the centre of the field.
    place_deg: [f64; 2],
    rng: ChaCha8Rng,
}

impl Birth {
    pub fn draw(plan: &Plan, visit: u32, counter: u64, mut rng: ChaCha8Rng) -> Self {
        let first = &plan.visits[visit as usize];
        let detector = rng.random_range(0..super::camera::DETECTORS);
        let [x, y] = [rng.random_range(20.0..4050.0), rng.random_range(20.0..3980.0)];
        let place_deg = first.place_of(detector, x, y);
        Self { id: first.pack(detector, counter), visit, counter, place_deg, rng }
    }
}

/// A visit that has the object on a detector.
struct Epoch<'a> {
    index: u32,
    visit: &'a Visit,
    pixel: Pixel,
    /// Difference flux in units of the amplitude.
    shape: f64,
    /// The measurement's error in units of its uncertainty.
    error_sigma: f64,
    template_njy: f64,
}

impl Epoch<'_> {
    /// The uncertainty of a difference flux: sky, and photons of template and source.
    fn uncertainty_njy(&self, flux_njy: f64) -> f64 {
        let band = &BANDS[usize::from(self.visit.band)];
        let sky = band.sky_noise_njy * self.visit.sky;
        (sky.powi(2) + (self.template_njy + flux_njy.abs()) / band.electrons_per_njy).sqrt()
    }

    /// The amplitude from which the object is detected.
    fn needed_njy(&self) -> f64 {
        let at_threshold = THRESHOLD * self.uncertainty_njy(0.0);
        let uncertainty = self.uncertainty_njy(at_threshold);
        let helped = self.error_sigma * self.shape.signum();
        ((THRESHOLD - helped) * uncertainty / self.shape.abs().max(1e-9)).max(1e-3)
    }

    fn flux_njy(&self, amplitude_njy: f64) -> (f64, f64) {
        let flux = amplitude_njy * self.shape;
        let uncertainty = self.uncertainty_njy(flux);
        (flux + self.error_sigma * uncertainty, uncertainty)
    }
}

/// Lives an object and appends its rows.
pub fn live(plan: &Plan, birth: Birth, rows: &mut Rows) -> Result<()> {
    let Birth { id, visit, counter, place_deg, mut rng } = birth;
    let first = &plan.visits[visit as usize];
    let field = &plan.fields[first.field as usize];
    let curve = LightCurve::draw(first.midpoint_mjd_tai, &mut rng);
    let template: f64 = LogNormal::new(8.5, 1.4).map_err(bug)?.sample(&mut rng);
    let epochs = epochs(plan, field, visit, place_deg, &curve, template.min(5e5), &mut rng);

    let count = source_count(field.deep, epochs.len(), &mut rng)?;
    let mut needed: Vec<f64> = epochs.iter().skip(1).map(Epoch::needed_njy).collect();
    let amplitude = amplitude_for(count - 1, &mut needed).min(MOST_NJY);

    let (ra_deg, dec_deg) = field.position(place_deg);
    let matches = Matches::draw(curve.kind(), &mut rng)?;
    let object = rows.objects.len() as u32;
    let (first_source, first_forced) = (rows.sources.len(), rows.forced.len());
    let mut last_forced = first_forced;
    for epoch in &epochs {
        let sources = rows.sources.len() - first_source;
        if sources == MOST_SOURCES {
            break;
        }
        let (mut flux, uncertainty) = epoch.flux_njy(amplitude);
        if sources == 0 {
            // The first is a detection, or there would be no object.
            let least = THRESHOLD + 0.2 * epoch.error_sigma.abs();
            flux = flux.abs().max(least * uncertainty).copysign(epoch.shape);
        }
        let detector = epoch.pixel.detector;
        if sources >= 2 {
            rows.forced.push(Forced {
                object,
                visit: epoch.index,
                detector,
                id: epoch.visit.pack(detector, IDS_PER_DETECTOR - 1 - counter),
                flux_njy: flux + 0.15 * uncertainty * rng.sample::<f64, _>(StandardNormal),
                uncertainty_njy: uncertainty,
                template_njy: epoch.template_njy,
            });
        }
        if flux.abs() >= 5.0 * uncertainty {
            let noise = Noise::draw(&mut rng);
            let snr = flux.abs() / uncertainty;
            let position_error_deg = (0.6 * epoch.visit.seeing_arcsec / snr).max(0.005) / 3600.0;
            rows.sources.push(Source {
                object,
                visit: epoch.index,
                pixel: epoch.pixel,
                id: epoch.visit.pack(detector, counter),
                ra_deg: (ra_deg + position_error_deg * noise.east / dec_deg.to_radians().cos())
                    .rem_euclid(360.0),
                dec_deg: dec_deg + position_error_deg * noise.north,
                position_error_deg,
                flux_njy: flux,
                uncertainty_njy: uncertainty,
                template_njy: epoch.template_njy,
                labels: matches.labels(sources, &mut rng),
                noise,
            });
            last_forced = rows.forced.len();
        }
    }
    // Forced photometry comes with alerts: what was measured after the newest one is not known yet.
    rows.forced.truncate(last_forced);
    let summary = summarize(plan, &rows.sources[first_source..]);
    let sources = first_source..rows.sources.len();
    rows.objects.push(Object { id, kind: curve.kind(), matches, sources, summary });
    Ok(())
}

/// The visits from the first on that have the object on a detector.
fn epochs<'a>(
    plan: &'a Plan,
    field: &Field,
    first: u32,
    place_deg: [f64; 2],
    curve: &LightCurve,
    template_njy: f64,
    rng: &mut ChaCha8Rng,
) -> Vec<Epoch<'a>> {
    let from = field.visits.partition_point(|visit| *visit < first);
    let covering = field.visits[from..].iter().filter_map(|&index| {
        let visit = &plan.visits[index as usize];
        Some((index, visit, visit.pixel_of(place_deg)?))
    });
    let epochs = covering.map(|(index, visit, pixel)| Epoch {
        index,
        visit,
        pixel,
        shape: curve.at(visit.midpoint_mjd_tai, visit.band),
        error_sigma: rng.sample(StandardNormal),
        template_njy: template_njy * BANDS[usize::from(visit.band)].colour,
    });
    epochs.collect()
}

fn source_count(deep: bool, epochs: usize, rng: &mut impl Rng) -> Result<usize> {
    let median: f64 = if deep { 150.0 } else { 6.0 };
    let count: f64 = LogNormal::new(median.ln(), 1.0).map_err(bug)?.sample(rng);
    Ok((count as usize).clamp(1, MOST_SOURCES.min(epochs.max(1))))
}
