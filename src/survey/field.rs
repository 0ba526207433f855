//! The fields of the survey: an even cover of the wide footprint, and Rubin's deep drilling fields.

use rand::{Rng, RngExt};

/// A field on the sky that is visited repeatedly.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub ra_deg: f64,
    pub dec_deg: f64,
    pub deep: bool,
    /// The scheduler's names for it.
    pub target_name: String,
    /// Its visits in order of time: indices in the plan.
    pub visits: Vec<u32>,
}

pub(crate) const WIDE_FIELDS: usize = 192;
/// The deep drilling fields: name, right ascension and declination in degrees.
pub(crate) const DEEP_FIELDS: [(&str, f64, f64); 6] = [
    ("ddf_elaiss1", 9.45, -44.02),
    ("ddf_xmm_lss", 35.57, -4.82),
    ("ddf_ecdfs", 52.98, -28.12),
    ("ddf_edfs_a", 58.90, -49.32),
    ("ddf_edfs_b", 63.60, -47.60),
    ("ddf_cosmos", 150.11, 2.23),
];
impl Field {
    /// Right ascension and declination of a place: degrees (east, north) from the centre, on the
    /// tangent plane.
    pub(crate) fn position(&self, place_deg: [f64; 2]) -> (f64, f64) {
        let [east, north] = place_deg.map(f64::to_radians);
        let (sin, cos) = self.dec_deg.to_radians().sin_cos();
        let along = cos - north * sin;
        let ra = east.atan2(along).to_degrees() + self.ra_deg;
        let dec = (sin + north * cos).atan2(east.hypot(along)).to_degrees();
        (ra.rem_euclid(360.0), dec)
    }
}

/// Wide fields on a golden spiral, which spaces them evenly, then the deep ones.
pub(crate) fn fields(rng: &mut impl Rng) -> Vec<Field> {
    let (south, north) = ((-70f64).to_radians().sin(), 5f64.to_radians().sin());
    let start_deg = rng.random_range(0.0..360.0);
    let wide = (0..WIDE_FIELDS).map(|i| {
        let height = south + (north - south) * (i as f64 + 0.5) / WIDE_FIELDS as f64;
        let ra_deg = (start_deg + i as f64 * 222.492_235_95) % 360.0;
        let dec_deg = height.asin().to_degrees();
        let target_name = region(ra_deg, dec_deg).to_string();
        Field { ra_deg, dec_deg, deep: false, target_name, visits: Vec::new() }
    });
    let deep = DEEP_FIELDS.into_iter().map(|(name, ra_deg, dec_deg)| {
        let target_name = format!("{name}, lowdust");
        Field { ra_deg, dec_deg, deep: true, target_name, visits: Vec::new() }
    });
    wide.chain(deep).collect()
}

/// The scheduler's name for a part of the footprint, roughly.
fn region(ra_deg: f64, dec_deg: f64) -> &'static str {
    match (ra_deg, dec_deg) {
        (_, ..-62.0) => "scp",
        (170.0..200.0, 0.0..) => "lowdust, virgo",
        (100.0..130.0 | 230.0..290.0, _) => "dusty_plane",
        _ => "lowdust",
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_place_is_as_far_from_the_centre_as_it_says() {
        for field in fields(&mut ChaCha8Rng::seed_from_u64(1)) {
            let (ra, dec) = field.position([0.0, 0.0]);
            assert!((ra - field.ra_deg).abs() < 1e-9 && (dec - field.dec_deg).abs() < 1e-9);
            let (east, same) = field.position([0.5, 0.0]);
            let step = (east - ra).rem_euclid(360.0) * dec.to_radians().cos();
            assert!((step - 0.5).abs() < 2e-3 && (same - dec).abs() < 0.01, "{step} {same} {dec}");
            assert!((field.position([0.0, 1.0]).1 - dec - 1.0).abs() < 1e-3);
        }
    }

    #[test]
    fn fields_do_not_overlap_but_where_rubins_do() {
        let fields = fields(&mut ChaCha8Rng::seed_from_u64(1));
        let unit = |field: &Field| {
            let (sin, cos) = field.dec_deg.to_radians().sin_cos();
            let ra = field.ra_deg.to_radians();
            [cos * ra.cos(), cos * ra.sin(), sin]
        };
        let wide: Vec<_> = fields.iter().filter(|field| !field.deep).map(unit).collect();
        for (i, a) in wide.iter().enumerate() {
            for b in &wide[..i] {
                let cos: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                assert!(cos.acos().to_degrees() > 5.0);
            }
        }
        assert_eq!(wide.len(), WIDE_FIELDS);
    }
}
