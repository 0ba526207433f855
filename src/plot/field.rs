//! The chart of a field: where in a square a place of the sky is drawn, north up and east to the left, and how large the mark of a flux is.
//! Lengths are in units of the square, whatever its size on a screen.

use super::tangent::offsets;

/// The field of a circle on the sky, drawn into a square.
#[derive(Clone, Copy, Debug)]
pub struct FieldChart {
    centre: [f64; 2],
    /// Of a radian in the tangent plane of the centre.
    radian: f64,
}

impl FieldChart {
    /// The width and the height of the square.
    pub const SIDE: f64 = 480.0;
    /// The radius of the circle. It leaves room for marks on the rim, and for the names of directions.
    pub const RIM: f64 = 204.0;
    /// Fluxes for a legend, in nJy.
    pub const LEGEND_NJY: [f64; 4] = [1e2, 1e3, 1e4, 1e5];

    /// `centre`: right ascension and declination in degrees.
    pub fn new(centre: [f64; 2], radius_deg: f64) -> Self {
        // Finite for the smallest circle, too.
        let radian = (Self::RIM / radius_deg.to_radians().tan()).min(f64::MAX);
        Self { centre, radian }
    }

    /// Where a place is drawn, from the left and from above. `None` where the projection has no such place.
    pub fn point(&self, place: [f64; 2]) -> Option<[f64; 2]> {
        let [east, north] = offsets(self.centre, place)?;
        let middle = Self::SIDE / 2.0;
        Some([middle - east * self.radian, middle - north * self.radian])
    }

    /// A length on the sky of some digits to compare others with, as it is drawn and as text; `None` for a field that is smaller than any.
    pub fn scale(&self) -> Option<(f64, &'static str)> {
        let drawn = LENGTHS
            .map(|(arcsec, text)| ((arcsec / 3600.0_f64).to_radians().tan() * self.radian, text));
        drawn.into_iter().rev().find(|(length, _)| *length <= Self::RIM / 2.0)
    }

    /// The radius of the mark of a flux. It grows with the brightness in magnitudes, as on maps of the sky; that a flux is negative, or
    /// not known, the mark does not tell.
    pub fn mark_radius(flux_njy: Option<f64>) -> f64 {
        let flux = flux_njy.filter(|flux| !flux.is_nan());
        let decades = flux.map_or(0.0, |flux| flux.abs().log10() - 2.0);
        3.0 + 2.5 * decades.clamp(0.0, 4.0)
    }
}

/// Lengths in arcseconds, ascending, with their names.
const LENGTHS: [(f64, &str); 22] = [
    (0.001, "0.001″"),
    (0.01, "0.01″"),
    (0.1, "0.1″"),
    (0.2, "0.2″"),
    (0.5, "0.5″"),
    (1.0, "1″"),
    (2.0, "2″"),
    (5.0, "5″"),
    (10.0, "10″"),
    (20.0, "20″"),
    (30.0, "30″"),
    (60.0, "1′"),
    (120.0, "2′"),
    (300.0, "5′"),
    (600.0, "10′"),
    (1200.0, "20′"),
    (1800.0, "30′"),
    (3600.0, "1°"),
    (7200.0, "2°"),
    (10_800.0, "3°"),
    (14_400.0, "4°"),
    (18_000.0, "5°"),
];

#[cfg(test)]
mod tests {
    use super::*;

    const MIDDLE: f64 = FieldChart::SIDE / 2.0;

    #[test]
    fn north_is_up_and_east_to_the_left() {
        for centre in [[0.0, 0.0], [0.0, -27.86], [359.999, 89.0]] {
            let chart = FieldChart::new(centre, 1.0);
            assert_eq!(chart.point(centre), Some([MIDDLE, MIDDLE]));
            let [x, y] = chart.point([centre[0], centre[1] + 1.0]).unwrap();
            assert!((x - MIDDLE).abs() < 1e-6 && (y - (MIDDLE - FieldChart::RIM)).abs() < 1e-6);
            let [x, _] = chart.point([centre[0] + 0.1, centre[1]]).unwrap();
            assert!(x < MIDDLE, "{x}");
        }
        assert_eq!(FieldChart::new([0.0, 0.0], 1.0).point([180.0, 0.0]), None);
    }

    #[test]
    fn the_scale_is_of_a_length_that_fits() {
        let scale = |arcsec: f64| FieldChart::new([10.0, 90.0], arcsec / 3600.0).scale();
        for (arcsec, expected) in [(18_000.0, "2°"), (60.0, "30″"), (5.0, "2″"), (0.5, "0.2″")]
        {
            let (length, text) = scale(arcsec).unwrap();
            assert_eq!(text, expected);
            assert!((0.15..=0.5).contains(&(length / FieldChart::RIM)), "{arcsec}: {length}");
        }
        assert_eq!([scale(1e-9), scale(0.0)], [None, None]);
        assert_eq!(FieldChart::new([7.0, 8.0], 0.0).point([7.0, 8.0]), Some([MIDDLE, MIDDLE]));
    }

    #[test]
    fn a_mark_has_a_size_whatever_the_flux() {
        let sizes = [1e2, 1e3, -1e4, 1e6].map(|flux| FieldChart::mark_radius(Some(flux)));
        assert_eq!(sizes, [3.0, 5.5, 8.0, 13.0]);
        for flux in [None, Some(0.0), Some(-1.0), Some(f64::NAN)] {
            assert_eq!(FieldChart::mark_radius(flux), 3.0);
        }
        assert_eq!(FieldChart::mark_radius(Some(f64::INFINITY)), 13.0);
    }
}
