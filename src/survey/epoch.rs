//! A visit as one object sees it: where it falls on the camera, and how well its flux is measured.

use rand::Rng;

use super::camera::Pixel;
use super::field::Field;
use super::light_curve::FluxModel;
use super::normal;
use super::plan::Plan;
use super::visit::{BANDS, Visit};

/// Signal to noise ratio of a detection, a little above Rubin's 5 so that rounding does not cross it.
pub(crate) const THRESHOLD: f64 = 5.05;

/// A visit that has the object on a detector.
pub(crate) struct Epoch<'a> {
    /// Index in the plan's visits.
    pub index: u32,
    pub visit: &'a Visit,
    pub pixel: Pixel,
    /// Difference flux in units of the light curve's amplitude.
    pub shape: f64,
    /// The error of the measurement in units of its uncertainty.
    pub error_sigma: f64,
    pub template_njy: f64,
}

impl<'a> Epoch<'a> {
    /// The visits from `first` on that have a place of the field on a detector, in order of time.
    pub(crate) fn all(
        plan: &'a Plan,
        field: &Field,
        first: u32,
        place_deg: [f64; 2],
        curve: &FluxModel,
        template_njy: f64,
        rng: &mut impl Rng,
    ) -> Vec<Self> {
        let from = field.visits.partition_point(|visit| *visit < first);
        let covering = field.visits[from..].iter().filter_map(|&index| {
            let visit = &plan.visits[index as usize];
            Some((index, visit, visit.pixel_of(place_deg)?))
        });
        let epochs = covering.map(|(index, visit, pixel)| Self {
            index,
            visit,
            pixel,
            shape: curve.at(visit.midpoint_mjd_tai, visit.band),
            error_sigma: normal(rng),
            template_njy: template_njy * BANDS[usize::from(visit.band)].colour,
        });
        epochs.collect()
    }

    /// The measured difference flux and its uncertainty.
    pub(crate) fn flux_njy(&self, amplitude_njy: f64) -> (f64, f64) {
        let flux = amplitude_njy * self.shape;
        let uncertainty = self.uncertainty_njy(flux);
        (flux + self.error_sigma * uncertainty, uncertainty)
    }

    /// The amplitude from which the object is detected, given this error.
    pub(crate) fn needed_njy(&self) -> f64 {
        let uncertainty = self.uncertainty_njy(THRESHOLD * self.uncertainty_njy(0.0));
        let missing_sigma = THRESHOLD - self.error_sigma * self.shape.signum();
        (missing_sigma * uncertainty / self.shape.abs().max(1e-9)).max(1e-3)
    }

    /// The uncertainty of a difference flux: noise of the sky, and photon noise of template and source.
    fn uncertainty_njy(&self, flux_njy: f64) -> f64 {
        let band = &BANDS[usize::from(self.visit.band)];
        let sky = band.sky_noise_njy * self.visit.sky;
        (sky.powi(2) + (self.template_njy + flux_njy.abs()) / band.electrons_per_njy).sqrt()
    }
}
