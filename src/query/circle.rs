//! A circle on the sky, and a range of times in which objects have varied: the two by which objects are searched.

use std::hash::{Hash, Hasher};

use crate::astronomy::separation_deg;

/// A circle on the sky (ICRS). What is on its rim is within it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Circle {
    /// Right ascension of the centre, any finite number of degrees.
    pub ra_deg: f64,
    /// Declination of the centre, -90 to 90 degrees.
    pub dec_deg: f64,
    /// Radius in degrees.
    pub radius_deg: f64,
}

impl Circle {
    /// Whether it is worth a look on a serving thread: within a minute of arc there are some hundred objects in the densest fields.
    pub(super) fn is_small(&self) -> bool {
        self.radius_deg <= 1.0 / 60.0
    }

    /// How far a place is from the centre, if that is within the circle. The statements have the two places in the same order: the last bit
    /// depends on it.
    pub(super) fn separation_deg(&self, place: [f64; 2]) -> Option<f64> {
        let separation = separation_deg([self.ra_deg, self.dec_deg], place);
        separation.filter(|separation| *separation <= self.radius_deg)
    }
}

impl Hash for Circle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        [self.ra_deg, self.dec_deg, self.radius_deg].map(f64::to_bits).hash(state);
    }
}

/// When objects have varied: between the time of their first source and that of their newest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ActiveTime {
    /// MJD in TAI.
    pub from_mjd: f64,
    /// MJD in TAI.
    pub to_mjd: f64,
    /// What of an object lies between the two.
    pub kind: TimeKind,
}

impl Hash for ActiveTime {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.from_mjd.to_bits(), self.to_mjd.to_bits(), self.kind).hash(state);
    }
}

/// What of an object lies in a range of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeKind {
    /// All of its time.
    Within,
    /// Some of it.
    Across,
    /// Its beginning.
    First,
}

impl ActiveTime {
    pub(super) fn holds(&self, first_mjd: f64, last_mjd: f64) -> bool {
        match self.kind {
            TimeKind::Within => first_mjd >= self.from_mjd && last_mjd <= self.to_mjd,
            TimeKind::Across => first_mjd <= self.to_mjd && last_mjd >= self.from_mjd,
            TimeKind::First => (self.from_mjd..=self.to_mjd).contains(&first_mjd),
        }
    }
}
