//! Random numbers of the two distributions that measurements have.

use rand::{Rng, RngExt};
use rand_distr::StandardNormal;

/// Of mean 0 and standard deviation 1.
pub fn normal(rng: &mut impl Rng) -> f64 {
    rng.sample(StandardNormal)
}

/// Log-normal; `sigma` is the standard deviation of the natural logarithm.
pub fn log_normal(median: f64, sigma: f64, rng: &mut impl Rng) -> f64 {
    median * (sigma * normal(rng)).exp()
}
