//! Generated objects with their sources and forced measurements, before they become columns.

use std::ops::Range;

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

use super::camera::Pixel;
use super::light_curve::Kind;
use super::matches::{Labels, Matches};
use super::summary::Summary;

/// Whole objects in order of their ids, with the rows of each in order of time.
#[derive(Default)]
pub struct Rows {
    pub objects: Vec<Object>,
    pub sources: Vec<Source>,
    pub forced: Vec<Forced>,
}

pub struct Object {
    pub id: i64,
    pub kind: Kind,
    pub matches: Matches,
    /// Its sources in [`Rows::sources`]: never empty.
    pub sources: Range<usize>,
    pub summary: Summary,
}

/// A detection. Fluxes are in nJy.
pub struct Source {
    /// Index in [`Rows::objects`].
    pub object: u32,
    /// Index in the plan's visits.
    pub visit: u32,
    pub pixel: Pixel,
    pub id: i64,
    pub ra_deg: f64,
    pub dec_deg: f64,
    /// Uncertainty along either axis.
    pub position_error_deg: f64,
    /// On the difference image.
    pub flux_njy: f64,
    pub uncertainty_njy: f64,
    pub template_njy: f64,
    pub labels: Labels,
    pub noise: Noise,
}

impl Source {
    pub fn snr(&self) -> f64 {
        self.flux_njy.abs() / self.uncertainty_njy
    }

    /// Forced flux on the visit image: template and difference.
    pub fn science_njy(&self) -> f64 {
        self.template_njy + self.flux_njy + 0.2 * self.uncertainty_njy * self.noise.science
    }
}

/// A forced measurement. Fluxes are in nJy.
pub struct Forced {
    pub object: u32,
    pub visit: u32,
    pub detector: u8,
    pub id: i64,
    pub flux_njy: f64,
    pub uncertainty_njy: f64,
    pub template_njy: f64,
}

/// The random part of what is measured on one source: normal deviates, and what happens to some.
pub struct Noise {
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
    pub fn draw(rng: &mut impl Rng) -> Self {
        let mut normal = || rng.sample::<f64, _>(StandardNormal);
        let [east, north, aperture, science, fit] = std::array::from_fn(|_| normal());
        let [trail, shape, reliability] = std::array::from_fn(|_| normal());
        let moments = std::array::from_fn(|_| normal());
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
