//! How objects vary: the shape of a light curve, and the amplitude that gives it a wanted number of detections.

use std::f64::consts::TAU;

use rand::{Rng, RngExt};

use super::log_normal;
use super::visit::BANDS;

/// The kind of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A steady difference from the template, seen when noise allows.
    Constant,
    /// Rises within days and fades within weeks, once.
    Transient,
    /// A periodic star.
    Periodic,
}

/// Difference fluxes over time, in units of an amplitude.
#[derive(Clone, Copy, Debug)]
pub(crate) enum FluxModel {
    Constant { sign: f64 },
    Transient { peak_mjd: f64, rise_days: f64, fall_days: f64 },
    Periodic { zero_mjd: f64, period_days: f64 },
}

/// How much less a star pulsates towards the red.
const PULSATION: [f64; 6] = [1.0, 1.2, 1.0, 0.8, 0.7, 0.65];

impl FluxModel {
    /// Draws one that is near maximum, or rising, at its first detection.
    pub(crate) fn draw(first_mjd: f64, rng: &mut impl Rng) -> Self {
        match rng.random::<f64>() {
            ..0.2 => {
                let rise_days = rng.random_range(2.0..8.0);
                let fall_days = rise_days * rng.random_range(3.0..8.0);
                let peak_mjd = first_mjd + rise_days * rng.random_range(0.0..2.0);
                Self::Transient { peak_mjd, rise_days, fall_days }
            }
            ..0.55 => {
                let period_days = 0.2 * 1000f64.powf(rng.random());
                let zero_mjd = first_mjd - period_days * rng.random_range(0.15..0.35);
                Self::Periodic { zero_mjd, period_days }
            }
            _ => Self::Constant { sign: if rng.random_bool(0.8) { 1.0 } else { -1.0 } },
        }
    }

    /// Draws the flux of the template in the r band, in nJy: a star's where the flux may fall below it,
    /// else that of whatever lies there.
    pub(crate) fn draw_template(&self, rng: &mut impl Rng) -> f64 {
        let is_star = self.most_of_template().is_finite();
        let (median, sigma) = if is_star { (36_000.0, 1.0) } else { (5_000.0, 1.4) };
        log_normal(median, sigma, rng).min(5e5)
    }

    /// The greatest amplitude, relative to the template, at which the total flux stays positive.
    pub(crate) fn most_of_template(&self) -> f64 {
        match self {
            Self::Periodic { .. } => 0.4,
            Self::Constant { sign } if *sign < 0.0 => 0.9,
            _ => f64::INFINITY,
        }
    }

    pub(crate) fn kind(&self) -> ObjectKind {
        match self {
            Self::Constant { .. } => ObjectKind::Constant,
            Self::Transient { .. } => ObjectKind::Transient,
            Self::Periodic { .. } => ObjectKind::Periodic,
        }
    }

    /// The difference flux relative to the amplitude, in a band (index in [`BANDS`]).
    pub(crate) fn at(&self, mjd: f64, band: u8) -> f64 {
        let band = usize::from(band);
        match *self {
            Self::Constant { sign } => sign * BANDS[band].colour,
            // The form of Bazin et al. 2009.
            Self::Transient { peak_mjd, rise_days, fall_days } => {
                let days = mjd - peak_mjd;
                let rising = 1.0 + (-days / rise_days).min(300.0).exp();
                BANDS[band].colour * (-days / fall_days).exp() / rising
            }
            Self::Periodic { zero_mjd, period_days } => {
                let phase = TAU * ((mjd - zero_mjd) / period_days).fract();
                PULSATION[band] * (phase.sin() + 0.3 * (2.0 * phase).sin())
            }
        }
    }
}

/// The amplitude at which `count` epochs are detected, given for each the amplitude it needs. Between
/// that of the last epoch detected and the next; below all of them for a `count` of 0.
pub(crate) fn amplitude_for(count: usize, needed: &mut [f64]) -> f64 {
    if needed.is_empty() {
        return 1.0;
    }
    let last = needed.len() - 1;
    let (_, at, above) = needed.select_nth_unstable_by(count.min(last), f64::total_cmp);
    match (count, above.is_empty()) {
        (0, _) => 0.98 * *at,
        (count, true) if count > last => 1.02 * *at,
        // Exactly `count` epochs need less than the one at position `count`.
        _ => *at * (1.0 - 1e-9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amplitude_detects_as_many_as_asked() {
        let needed = [40.0, 10.0, 30.0, 20.0, 50.0];
        for count in 0..=5 {
            let amplitude = amplitude_for(count, &mut needed.clone());
            assert_eq!(needed.iter().filter(|n| **n <= amplitude).count(), count);
        }
    }

    #[test]
    fn a_transient_fades_and_a_star_repeats() {
        let transient = FluxModel::Transient { peak_mjd: 61100.0, rise_days: 3.0, fall_days: 20.0 };
        assert!(transient.at(61103.0, 2) > transient.at(61090.0, 2));
        assert!(transient.at(61103.0, 2) > 10.0 * transient.at(61200.0, 2));
        let star = FluxModel::Periodic { zero_mjd: 61000.0, period_days: 0.5 };
        assert!((star.at(61100.1, 1) - star.at(61200.6, 1)).abs() < 1e-6);
    }
}
