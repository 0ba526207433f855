//! AB magnitudes of fluxes in nJy.

use std::f64::consts::LN_10;

use super::function::{Compute, FunctionDefinition};

pub(crate) static DEFINITIONS: [FunctionDefinition; 2] = [
    FunctionDefinition {
        name: "ab_mag",
        arguments: &[("flux_njy", "flux density in nJy")],
        about: "AB magnitude of a flux; null where the flux is not positive.",
        source: "Oke & Gunn 1983, ApJ 266, 713: 31.4 - 2.5 log10(flux)",
        compute: Compute::Double(|a| Ok(ab_mag(a[0]))),
    },
    FunctionDefinition {
        name: "ab_mag_err",
        arguments: &[
            ("flux_njy", "flux density in nJy"),
            ("flux_err_njy", "its standard deviation in nJy"),
        ],
        about: "Standard deviation of the AB magnitude of a flux; null where the flux is not positive.",
        source: "propagation to first order: 2.5 / ln(10) * flux_err / flux",
        compute: Compute::Double(|a| Ok(ab_mag_err(a[0], a[1]))),
    },
];

/// The AB magnitude of 1 nJy, 1e-32 erg/s/cm2/Hz: 80 - 48.6.
const ZERO_POINT: f64 = 31.4;

/// The AB magnitude of a flux; `None` if the flux is not positive. NaN, a flux that could not be measured, stays NaN.
pub fn ab_mag(flux_njy: f64) -> Option<f64> {
    if flux_njy <= 0.0 { None } else { Some(ZERO_POINT - 2.5 * flux_njy.log10()) }
}

/// The standard deviation of the magnitude; `None` if the flux is not positive, or its standard deviation is negative.
pub fn ab_mag_err(flux_njy: f64, flux_err_njy: f64) -> Option<f64> {
    if flux_njy <= 0.0 || flux_err_njy < 0.0 {
        None
    } else {
        Some(2.5 / LN_10 * flux_err_njy / flux_njy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn magnitudes_are_of_the_ab_system() {
        assert_eq!(ab_mag(1.0), Some(31.4));
        assert_eq!(ab_mag(1e4), Some(21.4));
        // 3631 Jy, to the four digits that it has.
        assert!(ab_mag(3631e9).unwrap().abs() < 1e-4);
    }

    #[test]
    fn an_error_of_one_percent_is_about_a_hundredth_of_a_magnitude() {
        let error = ab_mag_err(1e4, 1e2).unwrap();
        let difference = ab_mag(0.995e4).unwrap() - ab_mag(1.005e4).unwrap();
        assert!((error - difference).abs() < 1e-6, "{error} {difference}");
    }

    #[test]
    fn what_is_not_positive_has_no_magnitude() {
        for flux in [0.0, -0.0, -1.0, f64::NEG_INFINITY] {
            assert_eq!((ab_mag(flux), ab_mag_err(flux, 1.0)), (None, None));
        }
        assert!(ab_mag(f64::NAN).unwrap().is_nan());
        assert!(ab_mag_err(1.0, f64::NAN).unwrap().is_nan());
    }
}
