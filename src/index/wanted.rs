//! What a lookup is for. In: keys and times. Out: which ranges may hold them.

/// Objects, and a range of times to look up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// `diaObjectId`s: ascending, each once.
    pub keys: Vec<i64>,
    /// `None`: any time, also null.
    pub times: Option<TimeRange>,
}

impl Wanted {
    /// Whether any of the keys lies between two, both included.
    pub fn any_within(&self, first: i64, last: i64) -> bool {
        let next = self.keys.partition_point(|&key| key < first);
        self.keys.get(next).is_some_and(|&key| key <= last)
    }
}

/// `midpointMjdTai`, MJD in TAI, both ends included, in the total order by which Arrow compares floats: what is beyond every number is
/// NaN, and without an end the range has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeRange {
    from_mjd: f64,
    to_mjd: f64,
}

impl Default for TimeRange {
    /// The first and the last of all floats.
    fn default() -> Self {
        Self { from_mjd: f64::from_bits(u64::MAX), to_mjd: f64::from_bits(u64::MAX >> 1) }
    }
}

impl TimeRange {
    /// Leaves out what is before a time.
    pub fn begin_at(&mut self, mjd: f64) {
        if self.from_mjd.total_cmp(&mjd).is_lt() {
            self.from_mjd = mjd;
        }
    }

    /// Leaves out what is after a time.
    pub fn end_at(&mut self, mjd: f64) {
        if self.to_mjd.total_cmp(&mjd).is_gt() {
            self.to_mjd = mjd;
        }
    }

    pub fn contains(&self, mjd: f64) -> bool {
        self.from_mjd.total_cmp(&mjd).is_le() && self.to_mjd.total_cmp(&mjd).is_ge()
    }
}
