//! One exposure of the camera, and the ids that Rubin makes from it.

use chrono::{Datelike, Days, NaiveDate};

use super::camera::{self, Pixel};

/// A filter of the camera.
pub(crate) struct Band {
    pub name: &'static str,
    /// Median uncertainty of a point source's flux under a typical sky, in nJy.
    pub sky_noise_njy: f64,
    /// Electrons per nJy in a visit of 30 s: what sets the photon noise (zero points of SMTN-002).
    pub electrons_per_njy: f64,
    /// Flux against the r band of an object of the median colour.
    pub colour: f64,
}

/// The noise of g, r, i and z is that of real alerts of March 2026.
pub(crate) const BANDS: [Band; 6] = [
    Band { name: "u", sky_noise_njy: 300.0, electrons_per_njy: 0.33, colour: 0.45 },
    Band { name: "g", sky_noise_njy: 190.0, electrons_per_njy: 1.82, colour: 0.75 },
    Band { name: "r", sky_noise_njy: 250.0, electrons_per_njy: 1.53, colour: 1.0 },
    Band { name: "i", sky_noise_njy: 350.0, electrons_per_njy: 1.15, colour: 1.15 },
    Band { name: "z", sky_noise_njy: 530.0, electrons_per_njy: 0.80, colour: 1.25 },
    Band { name: "y", sky_noise_njy: 1400.0, electrons_per_njy: 0.39, colour: 1.3 },
];

/// An exposure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Visit {
    /// Index of its field in the plan.
    pub field: u32,
    /// Index in [`BANDS`].
    pub band: u8,
    /// The observing night: MJD of its local noon, as Rubin's `day_obs`.
    pub night_mjd: i32,
    /// Number of the exposure in the night.
    pub sequence: u16,
    /// `visit`: the night as YYYYMMDD, then the sequence number in five digits.
    pub id: i64,
    /// Middle of the exposure, MJD in TAI.
    pub midpoint_mjd_tai: f64,
    /// Where the camera points: degrees from the centre of the field.
    pub dither_deg: [f64; 2],
    /// Sine and cosine of the camera's rotation.
    pub rotation: [f64; 2],
    /// Noise of the sky against the band's typical one.
    pub sky: f64,
    /// Full width at half maximum of the point spread function.
    pub seeing_arcsec: f64,
    /// Index in the plan's reasons.
    pub reason: u8,
}

/// MJD of 2010-01-01, from which ids count nights.
const EPOCH_MJD: i32 = 55197;
/// The bits that real alerts of 2026 have above the night: the release of the pipeline.
const RELEASE: i64 = 2;
/// Ids of one kind in one detector of one visit.
pub(crate) const IDS_PER_DETECTOR: u64 = 1 << 19;
/// The numbers that an id has room for in place of the detector's.
const DETECTORS_OF_ID: u64 = 1 << 8;

impl Visit {
    /// `visit` for a night and sequence number.
    pub(crate) fn id_of(night_mjd: i32, sequence: u16) -> i64 {
        let since_epoch = Days::new(night_mjd.abs_diff(EPOCH_MJD).into());
        let epoch = NaiveDate::from_ymd_opt(2010, 1, 1).unwrap_or_default();
        let date = epoch.checked_add_days(since_epoch).unwrap_or_default();
        let day = i64::from(date.year()) * 10_000 + i64::from(date.month() * 100 + date.day());
        day * 100_000 + i64::from(sequence)
    }

    /// A `diaSourceId` or `diaForcedSourceId` as Rubin packs it: release, night since 2010 (14 bits),
    /// sequence number (15), detector (8) and a counter (19).
    pub(crate) fn pack(&self, detector: u8, counter: u64) -> i64 {
        let night = i64::from(self.night_mjd - EPOCH_MJD);
        let exposure = ((RELEASE << 14 | night) << 15) | i64::from(self.sequence);
        ((exposure << 8 | i64::from(detector)) << 19) | counter as i64
    }

    /// The visit that an id was made of, as a number: the part of the id that all ids of a visit share.
    pub(crate) fn of_id(id: u64) -> u64 {
        id / (DETECTORS_OF_ID * IDS_PER_DETECTOR)
    }

    /// The pixel on which a place of the field falls: degrees (east, north) from the field's centre.
    pub(crate) fn pixel_of(&self, place_deg: [f64; 2]) -> Option<Pixel> {
        let [sin, cos] = self.rotation;
        let [east, north] = [place_deg[0] - self.dither_deg[0], place_deg[1] - self.dither_deg[1]];
        camera::pixel_at([cos * east + sin * north, cos * north - sin * east])
    }

    /// The place of the field that falls on a pixel: the inverse of [`Visit::pixel_of`].
    pub(crate) fn place_of(&self, detector: u8, x: f64, y: f64) -> [f64; 2] {
        let [sin, cos] = self.rotation;
        let [right, up] = camera::place_of(detector, x, y);
        [cos * right - sin * up + self.dither_deg[0], sin * right + cos * up + self.dither_deg[1]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit() -> Visit {
        Visit {
            field: 0,
            band: 3,
            night_mjd: 61089,
            sequence: 56,
            id: Visit::id_of(61089, 56),
            midpoint_mjd_tai: 61090.0475,
            dither_deg: [0.2, -0.1],
            rotation: [0.6, 0.8],
            sky: 1.0,
            seeing_arcsec: 0.8,
            reason: 0,
        }
    }

    #[test]
    fn ids_are_those_of_real_alerts() {
        assert_eq!(visit().id, 2026021800056);
        assert_eq!(visit().pack(136, 109), 170028485706776685);
        let of_id = |sequence, detector, counter| {
            let visit = Visit { sequence, ..visit() };
            Visit::of_id(visit.pack(detector, counter).cast_unsigned())
        };
        assert_eq!(of_id(56, 0, 0), of_id(56, 188, IDS_PER_DETECTOR - 1));
        assert_eq!(of_id(56, 188, 0) + 1, of_id(57, 0, 0));
    }

    #[test]
    fn a_place_falls_on_the_pixel_it_was_taken_from() {
        let pixel = visit().pixel_of(visit().place_of(17, 250.0, 3210.0)).unwrap();
        assert_eq!(pixel.detector, 17);
        assert!((pixel.x - 250.0).abs() < 0.01 && (pixel.y - 3210.0).abs() < 0.01);
    }
}
