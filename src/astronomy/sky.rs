//! Positions on the sky: angles and HEALPix cells of ICRS right ascensions and declinations in degrees.

use cdshealpix::nested;

use super::function::{Compute, FunctionDefinition};
use crate::error::{Error, Result};

pub(crate) static DEFINITIONS: [FunctionDefinition; 4] = [
    FunctionDefinition {
        name: SEPARATION,
        arguments: &[
            ("ra1_deg", "right ascension of the first place in degrees"),
            ("dec1_deg", "its declination in degrees"),
            ("ra2_deg", "right ascension of the second place in degrees"),
            ("dec2_deg", "its declination in degrees"),
        ],
        about: "Angle between two places in degrees, 0 to 180; null where a right ascension is not finite or a declination is not \
            within -90 to 90.",
        source: "Vincenty 1975, Survey Review 23, 88, on a sphere; as astropy's angular_separation",
        compute: Compute::Double(|a| Ok(separation_deg([a[0], a[1]], [a[2], a[3]]))),
    },
    FunctionDefinition {
        name: IN_CONE,
        arguments: &[
            ("ra_deg", "right ascension of the place in degrees"),
            ("dec_deg", "its declination in degrees"),
            ("centre_ra_deg", "right ascension of the centre in degrees"),
            ("centre_dec_deg", "its declination in degrees"),
            ("radius_deg", "radius in degrees, from 0 to 180"),
        ],
        about: "Whether a place lies in a circle or on its rim; null where a right ascension is not finite or a declination is not \
            within -90 to 90.",
        source: "angular_separation_deg of the two is at most radius_deg",
        compute: Compute::Truth(|a| in_cone([a[0], a[1]], [a[2], a[3]], a[4])),
    },
    FunctionDefinition {
        name: "healpix_index",
        arguments: &CELL_ARGUMENTS,
        about: "Number of the HEALPix cell of a place in the nested scheme; null where ra_deg is not \
            finite or dec_deg is not within -90 to 90.",
        source: "Gorski et al. 2005, ApJ 622, 759",
        compute: Compute::Long(|a| healpix_index("healpix_index", a[0], [a[1], a[2]])),
    },
    FunctionDefinition {
        name: "healpix_ring_index",
        arguments: &CELL_ARGUMENTS,
        about: "Number of the HEALPix cell of a place in the ring scheme; null where ra_deg is not \
            finite or dec_deg is not within -90 to 90.",
        source: "Gorski et al. 2005, ApJ 622, 759",
        compute: Compute::Long(|a| {
            let nested = healpix_index("healpix_ring_index", a[0], [a[1], a[2]])?;
            Ok(nested.map(|cell| nested::get(a[0] as u8).to_ring(cell as u64) as i64))
        }),
    },
];

const CELL_ARGUMENTS: [(&str, &str); 3] = [
    ("order", "whole number from 0 to 29: the sphere has 12 * 4^order cells"),
    ("ra_deg", "right ascension in degrees (ICRS)"),
    ("dec_deg", "declination in degrees (ICRS)"),
];

/// The function that tells whether a place lies in a circle.
pub const IN_CONE: &str = "in_cone";
/// The function that gives the angle between two places.
pub const SEPARATION: &str = "angular_separation_deg";

/// The finest order of cells.
pub(super) const MOST_ORDER: f64 = 29.0;

/// The order of the cells by which objects are found: 12.9 arcsec.
pub const CELL_ORDER: u8 = 14;
/// More than what rounding moves a place, 0.2 milliarcseconds: a place on the rim of a circle may be in a cell that only touches it.
const ROUNDING_RAD: f64 = 1e-9;

/// Whether a right ascension and a declination in degrees are those of a position.
pub fn is_place([ra_deg, dec_deg]: [f64; 2]) -> bool {
    ra_deg.is_finite() && (-90.0..=90.0).contains(&dec_deg)
}

/// The angle between two places (right ascension, declination) in degrees, as the SQL function has it; `None` where one is no place.
pub fn separation_deg(one: [f64; 2], other: [f64; 2]) -> Option<f64> {
    (is_place(one) && is_place(other)).then(|| angular_separation_deg(one, other))
}

fn in_cone(place: [f64; 2], centre: [f64; 2], radius_deg: f64) -> Result<Option<bool>> {
    if !(0.0..=180.0).contains(&radius_deg) {
        let message = format!("{IN_CONE}: radius_deg is {radius_deg}; give 0 to 180 degrees");
        return Err(Error::argument(message));
    }
    Ok(separation_deg(centre, place).map(|separation| separation <= radius_deg))
}

/// The angle between two positions (right ascension, declination). It is accurate at every angle, including very small ones and 180
/// degrees.
fn angular_separation_deg([ra1, dec1]: [f64; 2], [ra2, dec2]: [f64; 2]) -> f64 {
    let (sin_ra, cos_ra) = (ra2 - ra1).to_radians().sin_cos();
    let (sin1, cos1) = dec1.to_radians().sin_cos();
    let (sin2, cos2) = dec2.to_radians().sin_cos();
    let sine = (cos2 * sin_ra).hypot(cos1 * sin2 - sin1 * cos2 * cos_ra);
    let cosine = sin1 * sin2 + cos1 * cos2 * cos_ra;
    sine.atan2(cosine).to_degrees()
}

/// The HEALPix cell of a place (right ascension, declination) in degrees, nested, of an order from 0 to 29; `None` if it is no place.
pub fn cell(order: u8, place: [f64; 2]) -> Option<i64> {
    is_place(place).then(|| nested_cell(order, place) as i64)
}

/// The cells of an order from 0 to 29 that lie in a circle or touch it, ascending, and perhaps some beside it.
pub fn cells_of_circle(order: u8, [ra_deg, dec_deg]: [f64; 2], radius_deg: f64) -> Vec<i64> {
    let (ra, dec) = (ra_deg.rem_euclid(360.0).to_radians(), dec_deg.to_radians());
    let cover =
        nested::cone_coverage_approx(order, ra, dec, radius_deg.to_radians() + ROUNDING_RAD);
    cover.flat_iter().map(|cell| cell as i64).collect()
}

/// The area of a circle, in cells of an order from 0 to 29.
pub fn cells_within(order: u8, radius_deg: f64) -> f64 {
    let part_of_sphere = (1.0 - radius_deg.to_radians().cos()) / 2.0;
    part_of_sphere * nested::n_hash(order) as f64
}

/// How wide a cell of an order is: the square root of its area.
pub fn cell_width_deg(order: u8) -> f64 {
    (4.0 * std::f64::consts::PI / nested::n_hash(order) as f64).sqrt().to_degrees()
}

/// The HEALPix cell of a position. A position within rounding of a border may be in either of the cells.
fn healpix_index(function: &str, order: f64, [ra_deg, dec_deg]: [f64; 2]) -> Result<Option<i64>> {
    if order.fract() != 0.0 || !(0.0..=MOST_ORDER).contains(&order) {
        let message = format!("{function}: order is {order}; give a whole number from 0 to 29");
        return Err(Error::argument(message));
    }
    if !is_place([ra_deg, dec_deg]) {
        return Ok(None);
    }
    Ok(Some(nested_cell(order as u8, [ra_deg, dec_deg]) as i64))
}

fn nested_cell(order: u8, [ra_deg, dec_deg]: [f64; 2]) -> u64 {
    nested::hash(order, ra_deg.rem_euclid(360.0).to_radians(), dec_deg.to_radians())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn separations_are_exact_where_the_law_of_cosines_is_not() {
        let arcsec = 1.0 / 3600.0;
        let near = angular_separation_deg([30.0, 0.0], [30.0, 1e-6 * arcsec]);
        assert!((near - 1e-6 * arcsec).abs() < 1e-20, "{near}");
        assert_eq!(angular_separation_deg([10.0, 20.0], [190.0, -20.0]), 180.0);
        assert_eq!(angular_separation_deg([359.0, 0.0], [1.0, 0.0]).round(), 2.0);
        assert_eq!(angular_separation_deg([123.0, 90.0], [45.0, -90.0]), 180.0);
    }

    #[test]
    fn cells_are_nested() {
        let cell = |order, ra| healpix_index("healpix_index", order, [ra, 2.2]).unwrap().unwrap();
        let at = |order| cell(order, 150.1);
        for order in 1..=29 {
            assert_eq!(at(f64::from(order)) >> 2, at(f64::from(order - 1)));
        }
        assert!((0..12).contains(&at(0.0)));
        assert_eq!(cell(20.0, 150.1 - 360.0), at(20.0));
    }

    #[test]
    fn an_order_that_does_not_exist_is_refused_by_name() {
        for order in [-1.0, 30.0, 2.5, f64::NAN] {
            let error = healpix_index("healpix_index", order, [0.0, 0.0]).unwrap_err();
            assert_eq!(error.kind(), Kind::Argument);
            assert!(error.to_string().contains("order"), "{error}");
        }
    }

    #[test]
    fn no_place_has_no_cell() {
        for (ra, dec) in [(f64::NAN, 0.0), (f64::INFINITY, 0.0), (0.0, f64::NAN), (0.0, 90.1)] {
            assert_eq!(healpix_index("healpix_index", 3.0, [ra, dec]).unwrap(), None);
            let Compute::Double(separation) = DEFINITIONS[0].compute else { panic!("a double") };
            for places in [[ra, dec, 0.0, 0.0], [0.0, 0.0, ra, dec]] {
                assert_eq!(separation(&places).unwrap(), None);
            }
        }
    }
}
