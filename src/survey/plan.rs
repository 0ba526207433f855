//! The plan of the survey, made from the seed: the fields of its footprint, and every visit to them.
//!
//! A wide survey of 192 fields spread evenly over -70 to +5 degrees of declination, visited in pairs of
//! adjacent filters half an hour apart every three to eight clear nights of their season (about 80 visits
//! each), and Rubin's six deep drilling fields, visited in sequences of some fifty exposures (about 2,500
//! each). 400 nights from MJD 60945, one in five lost to weather.

use rand::{Rng, RngExt};

use super::field::{DEEP_FIELDS, Field, WIDE_FIELDS, fields};
use super::visit::Visit;
use super::{log_normal, normal};

/// The whole survey's pointings, a few MB whatever the number of objects.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub fields: Vec<Field>,
    /// In order of time, which is the order of their ids.
    pub visits: Vec<Visit>,
}

/// Pairs of bands of the wide survey, how often each is chosen, and the scheduler's reason.
const PAIRS: [([u8; 2], f64, &str); 5] = [
    ([0, 1], 0.10, "pairs_ug_33.0"),
    ([1, 2], 0.18, "pairs_gr_33.0"),
    ([2, 3], 0.26, "pairs_ri_33.0"),
    ([3, 4], 0.20, "pairs_iz_33.0"),
    ([4, 5], 0.26, "pairs_zy_33.0"),
];
/// Exposures of each band in a deep sequence.
const DEEP_SEQUENCE: [(u8, usize); 6] = [(0, 3), (1, 10), (2, 12), (3, 12), (4, 10), (5, 4)];

/// 2025-09-27. The nights are the same whenever the survey is made, since ids are made of them, and none lies ahead of the clock: the
/// last one is that of 2026-10-31.
pub(super) const FIRST_NIGHT_MJD: i32 = 60945;
pub(super) const NIGHTS: u16 = 400;
/// Exposures a night has time for, one every 40 s.
const SLOTS: u16 = 770;
const SLOT_DAYS: f64 = 40.0 / 86400.0;
/// Most fields between the first and the second visit of a pair.
const BLOB: usize = 40;

impl Plan {
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        let mut plan = Plan { fields: fields(rng), visits: Vec::new() };
        let mut due_night = vec![0; plan.fields.len()];
        for night in 0..i32::from(NIGHTS) {
            if rng.random_bool(0.2) {
                continue;
            }
            plan.observe(night, &mut due_night, rng);
        }
        plan
    }

    /// Why the scheduler took a visit.
    pub(crate) fn reason(&self, visit: &Visit) -> &str {
        match PAIRS.get(usize::from(visit.reason)) {
            Some((.., reason)) => reason,
            None => DEEP_FIELDS[usize::from(visit.reason) - PAIRS.len()].0,
        }
    }

    pub(crate) fn target_name(&self, visit: &Visit) -> &str {
        &self.fields[visit.field as usize].target_name
    }

    /// Middle of the exposure of a visit (its index), MJD in TAI.
    pub(crate) fn mjd(&self, visit: u32) -> f64 {
        self.visits[visit as usize].midpoint_mjd_tai
    }

    /// Number of the night of a visit (its index), from the survey's first.
    pub(crate) fn night(&self, visit: u32) -> u16 {
        (self.visits[visit as usize].night_mjd - FIRST_NIGHT_MJD) as u16
    }

    /// One clear night: at each moment a deep sequence if one is due, or a blob of wide fields.
    fn observe(&mut self, night: i32, due: &mut [i32], rng: &mut impl Rng) {
        let night_mjd = FIRST_NIGHT_MJD + night;
        let mut slot = 0;
        while slot < SLOTS {
            let sidereal = sidereal_deg(midpoint_mjd(night_mjd, slot));
            if let Some(&field) = self.up_and_due(true, 30.0, sidereal, night, due).first() {
                due[field] = night + rng.random_range(3..=5);
                let reason = (PAIRS.len() + field - WIDE_FIELDS) as u8;
                for (band, exposures) in DEEP_SEQUENCE {
                    for _ in 0..exposures {
                        self.expose(night_mjd, &mut slot, field, band, reason, rng);
                    }
                }
                continue;
            }
            let mut blob = self.up_and_due(false, 50.0, sidereal, night, due);
            blob.truncate(BLOB);
            let (pair, (bands, ..)) = choose_pair(rng);
            for band in bands {
                for &field in &blob {
                    self.expose(night_mjd, &mut slot, field, band, pair as u8, rng);
                }
                slot += (BLOB - blob.len()) as u16;
            }
            blob.iter().for_each(|&field| due[field] = night + rng.random_range(3..=8));
        }
    }

    /// The fields due this night and within some degrees of the meridian, those that set first at the front.
    fn up_and_due(
        &self,
        deep: bool,
        within_deg: f64,
        sidereal_deg: f64,
        night: i32,
        due: &[i32],
    ) -> Vec<usize> {
        let past_meridian =
            |i: usize| (sidereal_deg - self.fields[i].ra_deg + 540.0) % 360.0 - 180.0;
        let of_kind = (0..self.fields.len()).filter(|i| self.fields[*i].deep == deep);
        let mut up: Vec<usize> =
            of_kind.filter(|i| due[*i] <= night && past_meridian(*i).abs() < within_deg).collect();
        up.sort_by(|a, b| past_meridian(*b).total_cmp(&past_meridian(*a)));
        up
    }

    /// Takes one exposure, if the night still has time for it.
    fn expose(
        &mut self,
        night_mjd: i32,
        slot: &mut u16,
        field: usize,
        band: u8,
        reason: u8,
        rng: &mut impl Rng,
    ) {
        if *slot >= SLOTS {
            return;
        }
        // Twilight and calibration exposures come before: the first sequence numbers are taken.
        let sequence = 30 + *slot;
        let dither_deg = if self.fields[field].deep { 0.1 } else { 0.2 };
        self.fields[field].visits.push(self.visits.len() as u32);
        self.visits.push(Visit {
            field: field as u32,
            band,
            night_mjd,
            sequence,
            id: Visit::id_of(night_mjd, sequence),
            midpoint_mjd_tai: midpoint_mjd(night_mjd, *slot) + rng.random_range(0.0..2e-5),
            dither_deg: [dither_deg * normal(rng), dither_deg * normal(rng)],
            rotation: rng.random_range(-1.5..1.5f64).sin_cos().into(),
            sky: log_normal(1.0, 0.2, rng),
            seeing_arcsec: log_normal(0.9, 0.15, rng),
            reason,
        });
        *slot += 1;
    }
}

fn choose_pair(rng: &mut impl Rng) -> (usize, ([u8; 2], f64, &'static str)) {
    let mut left: f64 = rng.random();
    let chosen = PAIRS.iter().position(|(_, share, _)| {
        left -= share;
        left < 0.0
    });
    let chosen = chosen.unwrap_or(PAIRS.len() - 1);
    (chosen, PAIRS[chosen])
}

/// Middle of the exposure of a slot; nights begin at 00:30 UTC of the day after their local noon.
fn midpoint_mjd(night_mjd: i32, slot: u16) -> f64 {
    f64::from(night_mjd) + 1.02 + f64::from(slot) * SLOT_DAYS
}

/// Local mean sidereal time on Cerro Pachon, in degrees.
fn sidereal_deg(mjd: f64) -> f64 {
    (280.460_618 + 360.985_647_366 * (mjd - 51544.5) - 70.749_4).rem_euclid(360.0)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::survey::visit::{BANDS, Band};

    #[test]
    fn visits_are_like_rubins() {
        let plan = Plan::new(&mut ChaCha8Rng::seed_from_u64(1));
        assert!(plan.visits.is_sorted_by(|a, b| {
            a.id < b.id && a.midpoint_mjd_tai < b.midpoint_mjd_tai && a.pack(0, 0) < b.pack(0, 0)
        }));
        let mean_visits = |deep: bool| {
            let fields: Vec<_> = plan.fields.iter().filter(|f| f.deep == deep).collect();
            fields.iter().map(|f| f.visits.len()).sum::<usize>() / fields.len()
        };
        assert!((60..110).contains(&mean_visits(false)), "{}", mean_visits(false));
        assert!((1800..3200).contains(&mean_visits(true)), "{}", mean_visits(true));
        for (band, Band { name, .. }) in BANDS.iter().enumerate() {
            let visits = plan.visits.iter().filter(|v| usize::from(v.band) == band).count();
            let share = visits as f64 / plan.visits.len() as f64;
            assert!((0.04..0.30).contains(&share), "{name}: {share}");
        }
    }
}
