//! The tangent plane of the sky at a place (the gnomonic projection, TAN of FITS): where other places lie in it, east and north of its centre.
//! Great circles are straight lines, and a circle around the centre is a circle, at the poles and at the beginning of right ascension, too.

/// The offsets of a place from a centre in the plane, in radians towards east and north; both are right ascension and declination in
/// degrees. `None` for a place that is 90 degrees away or more, which has none, and for one that is no number.
pub(super) fn offsets(centre: [f64; 2], place: [f64; 2]) -> Option<[f64; 2]> {
    let [ra_0, dec_0] = centre.map(f64::to_radians);
    let [ra, dec] = place.map(f64::to_radians);
    let (sin_ra, cos_ra) = (ra - ra_0).sin_cos();
    // So written, the difference of two nearly equal products does not cost the digits of small offsets.
    let half_ra = ((ra - ra_0) / 2.0).sin();
    let north = (dec - dec_0).sin() + 2.0 * dec_0.sin() * dec.cos() * half_ra * half_ra;
    let depth = dec_0.sin() * dec.sin() + dec_0.cos() * dec.cos() * cos_ra;
    (depth > 0.0).then(|| [dec.cos() * sin_ra / depth, north / depth])
}

/// The direction from a centre to a place, in degrees from north through east, 0 to 360; `None` where they are the same.
pub fn position_angle_deg(centre: [f64; 2], place: [f64; 2]) -> Option<f64> {
    let [east, north] = offsets(centre, place)?;
    ([east, north] != [0.0, 0.0]).then(|| east.atan2(north).to_degrees().rem_euclid(360.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::astronomy::separation_deg;

    const ARCSEC: f64 = 1.0 / 3600.0;

    fn arcsec(centre: [f64; 2], place: [f64; 2]) -> [f64; 2] {
        offsets(centre, place).unwrap().map(|offset| offset.to_degrees() / ARCSEC)
    }

    #[track_caller]
    fn assert_near(found: [f64; 2], expected: [f64; 2], tolerance: f64) {
        let near = |at: usize| (found[at] - expected[at]).abs() <= tolerance;
        assert!(near(0) && near(1), "{found:?} is not {expected:?}");
    }

    #[test]
    fn north_and_east_are_where_declination_and_right_ascension_grow() {
        assert_near(arcsec([10.0, 20.0], [10.0, 20.0 + ARCSEC]), [0.0, 1.0], 1e-9);
        let east = 10.0 + ARCSEC / 20f64.to_radians().cos();
        assert_near(arcsec([10.0, 20.0], [east, 20.0]), [1.0, 0.0], 1e-5);
        for (ra, other) in [(0.0, 359.999_9), (359.999_9, 0.0), (0.0, -0.000_1)] {
            let expected = if ra > 0.0 { 0.36 } else { -0.36 };
            assert_near(arcsec([ra, 0.0], [other, 0.0]), [expected, 0.0], 1e-9);
        }
    }

    /// Worked by hand: at 45 degrees from the centre on a great circle, the plane is at a distance of 1.
    #[test]
    fn known_offsets() {
        for (centre, place, expected) in [
            ([0.0, 0.0], [45.0, 0.0], [1.0, 0.0]),
            ([350.0, 0.0], [350.0, 45.0], [0.0, 1.0]),
            ([0.0, 45.0], [0.0, 0.0], [0.0, -1.0]),
            ([180.0, 90.0], [180.0, 45.0], [0.0, -1.0]),
            ([0.0, -45.0], [180.0, -90.0], [0.0, -1.0]),
        ] {
            assert_near(offsets(centre, place).unwrap(), expected, 1e-15);
        }
        assert_eq!(offsets([0.0, 0.0], [90.0, 0.0]).filter(|[east, _]| *east < 1e15), None);
        assert_eq!(offsets([0.0, 0.0], [180.0, 0.0]), None);
        assert_eq!(offsets([0.0, 0.0], [f64::NAN, 0.0]), None);
    }

    /// From a pole, all places lie towards the other one; east of it is where right ascension grows by 90 degrees.
    #[test]
    fn poles_have_offsets_too() {
        for (dec, sign) in [(90.0, 1.0), (-90.0, -1.0)] {
            let centre = [30.0, dec];
            let place = |ra: f64| [ra, dec - sign * 10.0 * ARCSEC];
            assert_near(arcsec(centre, place(30.0)), [0.0, -sign * 10.0], 1e-6);
            assert_near(arcsec(centre, place(120.0)), [10.0, 0.0], 1e-6);
            assert_near(arcsec(centre, place(300.0)), [-10.0, 0.0], 1e-6);
            assert_near(arcsec(centre, place(210.0)), [0.0, sign * 10.0], 1e-6);
        }
    }

    #[test]
    fn the_distance_in_the_plane_is_the_tangent_of_the_separation() {
        for centre in [[0.0, 0.0], [359.9, 60.0], [12.0, -89.999], [200.0, 90.0]] {
            for (ra, dec) in [(0.0, 1e-5), (0.3, 0.2), (-4.0, -3.0), (180.0, 0.0)] {
                let place = [centre[0] + ra, f64::clamp(centre[1] + dec, -90.0, 90.0)];
                let Some([east, north]) = offsets(centre, place) else { continue };
                let tangent = separation_deg(centre, place).unwrap().to_radians().tan();
                assert!((east.hypot(north) - tangent).abs() < 1e-12, "{centre:?} {place:?}");
            }
        }
    }

    #[test]
    fn angles_go_from_north_through_east() {
        let angle = |place| position_angle_deg([0.0, 0.0], place).map(f64::round);
        let places = [[0.0, 1.0], [1.0, 0.0], [0.0, -1.0], [359.0, 0.0], [359.0, 1.0]];
        assert_eq!(places.map(angle), [0.0, 90.0, 180.0, 270.0, 315.0].map(Some));
        assert_eq!(angle([0.0, 0.0]), None);
        assert_eq!(position_angle_deg([7.0, 40.0], [7.0, 40.0]), None);
    }
}
