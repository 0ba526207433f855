//! One detection of a generated object: what is measured on it, and the random part of that.

use rand::{Rng, RngExt};

use super::camera::Pixel;
use super::matches::Classification;
use super::normal;

/// A detection. Fluxes are in nJy.
pub(crate) struct GeneratedSource {
    /// Index in [`SurveyRows::objects`](super::rows::SurveyRows::objects).
    pub object: u32,
    /// Index in the plan's visits.
    pub visit: u32,
    pub pixel: Pixel,
    pub id: i64,
    /// Whether it has an alert in the nights that are told of. The others are only in the histories of alerts.
    pub is_alert: bool,
    pub ra_deg: f64,
    pub dec_deg: f64,
    /// Uncertainty along either axis.
    pub position_error_deg: f64,
    /// The flux on the difference image.
    pub flux_njy: f64,
    pub uncertainty_njy: f64,
    pub template_njy: f64,
    pub labels: Classification,
    pub noise: Noise,
}

impl GeneratedSource {
    pub(crate) fn snr(&self) -> f64 {
        self.flux_njy.abs() / self.uncertainty_njy
    }

    /// Forced flux on the visit image: template and difference.
    pub(crate) fn science_njy(&self) -> f64 {
        self.template_njy + self.flux_njy + 0.2 * self.uncertainty_njy * self.noise.science
    }
}

/// The random part of the measurements of one source: normal deviates, and flags that are set by chance.
pub(crate) struct Noise {
    pub east: f64,
    pub north: f64,
    pub aperture: f64,
    pub science: f64,
    pub fit: f64,
    pub trail: f64,
    pub moments: [f64; 3],
    pub shape: f64,
    pub reliability: f64,
    /// A bearing, in degrees from -180 to 180.
    pub angle_deg: f64,
    /// Days from the exposure to its processing.
    pub processing_days: f64,
    pub shape_failed: bool,
    pub is_dipole: bool,
    pub bad_pixel: bool,
    pub streak: bool,
}

impl Noise {
    pub(crate) fn draw(rng: &mut impl Rng) -> Self {
        let mut next = || normal(rng);
        let [east, north, aperture, science, fit] = std::array::from_fn(|_| next());
        let [trail, shape, reliability] = std::array::from_fn(|_| next());
        let moments = std::array::from_fn(|_| next());
        Self {
            east,
            north,
            aperture,
            science,
            fit,
            trail,
            moments,
            shape,
            reliability,
            angle_deg: rng.random_range(-180.0..180.0),
            processing_days: rng.random_range(0.0017..0.0021),
            // The shares of real alerts, but for dipoles, of which a few bright stars had most.
            shape_failed: rng.random_bool(0.13),
            is_dipole: rng.random_bool(0.08),
            bad_pixel: rng.random_bool(0.005),
            streak: rng.random_bool(0.001),
        }
    }
}
