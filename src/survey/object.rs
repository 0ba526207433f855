//! Generates one object through all its visits, from its place in the survey's plan and its own random numbers: its sources, its forced
//! measurements and what Fink says of it.
//!
//! The number of sources is log-normal, with a median of 7 in the wide survey and of 150 in the deep fields
//! (standard deviation of the logarithm: 1), at most 2,000 and no more than there are visits: about 20
//! on average. The amplitude of the light curve is the one that gives that number at the survey's threshold
//! of 5 sigma, so that what is detected, what is not, and the forced fluxes agree with each other.

use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;

use super::camera;
use super::epoch::{Epoch, THRESHOLD};
use super::life::Life;
use super::light_curve::{FluxModel, amplitude_for};
use super::matches::{Classification, Matches};
use super::nights::Nights;
use super::plan::Plan;
use super::rows::{Forced, Object};
use super::source::{GeneratedSource, Noise};
use super::visit::IDS_PER_DETECTOR;
use super::{log_normal, normal};

const WIDE_MEDIAN: f64 = 7.0;
const DEEP_MEDIAN: f64 = 150.0;
const MOST_SOURCES: usize = 2000;
/// The brightest amplitude: about magnitude 16.
const MOST_NJY: f64 = 1e6;

/// The first detection of an object, which decides its id and place.
pub(crate) struct Birth {
    /// Its `diaObjectId`, which is the `diaSourceId` of its first source.
    pub id: i64,
    /// Index of the visit that finds it first, in the plan.
    visit: u32,
    /// Distinguishes its ids from those of other objects in the same detector.
    counter: u64,
    /// Degrees (east, north) from the centre of the field.
    place_deg: [f64; 2],
    rng: ChaCha8Rng,
}

impl Birth {
    pub(crate) fn draw(plan: &Plan, visit: u32, counter: u64, mut rng: ChaCha8Rng) -> Self {
        let first = &plan.visits[visit as usize];
        let detector = rng.random_range(0..camera::DETECTORS);
        let [x, y] = [camera::WIDTH_PIXELS, camera::HEIGHT_PIXELS]
            .map(|pixels| rng.random_range(20.0..pixels - 20.0));
        let place_deg = first.place_of(detector, x, y);
        Self { id: first.pack(detector, counter), visit, counter, place_deg, rng }
    }

    /// Generates the measurements of the object until the last of the nights. `object` is its index in the rows.
    pub(crate) fn live(mut self, plan: &Plan, nights: Nights, object: u32) -> Life {
        let rng = &mut self.rng;
        let first = &plan.visits[self.visit as usize];
        let field = &plan.fields[first.field as usize];
        let curve = FluxModel::draw(first.midpoint_mjd_tai, rng);
        let matches = Matches::draw(curve.kind(), rng);
        let template = curve.draw_template(rng);
        let epochs = Epoch::all(plan, field, self.visit, self.place_deg, &curve, template, rng);
        let amplitude = draw_amplitude(field.deep, &epochs, rng);
        let amplitude = amplitude.min(MOST_NJY).min(template * curve.most_of_template());

        let position = field.position(self.place_deg);
        let (mut sources, mut forced) = (Vec::new(), Vec::new());
        for epoch in epochs.iter().take_while(|epoch| plan.night(epoch.index) <= nights.last) {
            let history = sources.len();
            let mut flux = epoch.flux_njy(amplitude);
            if history == 0 {
                // The first epoch is a detection, or there would be no object.
                let least = (THRESHOLD + 0.2 * epoch.error_sigma.abs()) * flux.1;
                flux.0 = flux.0.abs().max(least).copysign(epoch.shape);
            }
            if history == MOST_SOURCES {
                break;
            }
            if history >= 2 {
                forced.push(self.forced(epoch, object, flux));
            }
            if flux.0.abs() >= 5.0 * flux.1 {
                let labels = matches.labels(history, &mut self.rng);
                sources.push(self.source(epoch, object, flux, position, labels));
            }
        }
        let (ra_deg, dec_deg) = position;
        let object = Object { id: self.id, kind: curve.kind(), matches, ra_deg, dec_deg };
        Life { object, sources, forced }
    }

    fn source(
        &mut self,
        epoch: &Epoch,
        object: u32,
        (flux_njy, uncertainty_njy): (f64, f64),
        (ra_deg, dec_deg): (f64, f64),
        labels: Classification,
    ) -> GeneratedSource {
        let noise = Noise::draw(&mut self.rng);
        let snr = flux_njy.abs() / uncertainty_njy;
        let position_error_deg = (0.6 * epoch.visit.seeing_arcsec / snr).max(0.005) / 3600.0;
        let east_deg = position_error_deg * noise.east;
        GeneratedSource {
            object,
            visit: epoch.index,
            pixel: epoch.pixel,
            id: epoch.visit.pack(epoch.pixel.detector, self.counter),
            is_alert: false,
            ra_deg: (ra_deg + east_deg / dec_deg.to_radians().cos()).rem_euclid(360.0),
            dec_deg: dec_deg + position_error_deg * noise.north,
            position_error_deg,
            flux_njy,
            uncertainty_njy,
            template_njy: epoch.template_njy,
            labels,
            noise,
        }
    }

    fn forced(
        &mut self,
        epoch: &Epoch,
        object: u32,
        (flux_njy, uncertainty_njy): (f64, f64),
    ) -> Forced {
        // Forced at the object's position, not at the source's own.
        let moved = 0.15 * normal(&mut self.rng);
        Forced {
            object,
            visit: epoch.index,
            detector: epoch.pixel.detector,
            // Their ids count from the other end than those of sources.
            id: epoch.visit.pack(epoch.pixel.detector, IDS_PER_DETECTOR - 1 - self.counter),
            flux_njy: flux_njy + moved * uncertainty_njy,
            uncertainty_njy,
            template_njy: epoch.template_njy,
        }
    }
}

/// Draws the number of sources, including the first, and gives the amplitude at which the object has as many.
fn draw_amplitude(deep: bool, epochs: &[Epoch], rng: &mut impl Rng) -> f64 {
    let median = if deep { DEEP_MEDIAN } else { WIDE_MEDIAN };
    let later = (log_normal(median, 1.0, rng) as usize).clamp(1, MOST_SOURCES) - 1;
    let mut needed: Vec<f64> = epochs.iter().skip(1).map(Epoch::needed_njy).collect();
    amplitude_for(later, &mut needed)
}
