//! The key index: which pages of which files may hold rows of the objects that are [`Wanted`]. It is given a snapshot and answers with
//! parts of row groups ([`RowGroupPart`]); [`scan`](crate::scan) reads these.
//!
//! There are three levels, each found by the one before. The log's key ranges name files; where several files have keys of the same range,
//! filters tell which of them have a key. A [`FileIndex`], kept while a snapshot names the file, names row groups.
//! [`GroupPages`](crate::key_pages::GroupPages), read when a row group is first needed or before, name pages; as many of them and of the
//! filters are kept as fit into the [cache](IndexCache).

mod cache;
mod file_columns;
mod file_index;
mod footer_index;
mod overlaps;
mod pages;
mod table_index;

pub use cache::{IndexCache, IndexUse};
pub use file_columns::{FileColumns, Leaf};
pub use file_index::FileIndex;
pub use table_index::{PART_ROWS, RowGroupPart, TableIndex};

use std::ops::RangeInclusive;

/// What a lookup asks for: the rows of some objects, at any time or within a range of times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// `diaObjectId`s: ascending, each once.
    pub keys: Vec<i64>,
    /// `None`: any time, also null.
    pub times: Option<TimeRange>,
}

impl Wanted {
    /// The same rows, but only of those objects within a range that pass.
    pub fn among(&self, keys: &RangeInclusive<i64>, passes: impl Fn(i64) -> bool) -> Self {
        let first = self.keys.partition_point(|key| key < keys.start());
        let end = self.keys.partition_point(|key| key <= keys.end());
        let keys = self.keys[first..end].iter().copied().filter(|key| passes(*key));
        Self { keys: keys.collect(), times: self.times.clone() }
    }

    /// Whether any of the keys lies between two, both included.
    pub fn any_within(&self, first: i64, last: i64) -> bool {
        let next = self.keys.partition_point(|&key| key < first);
        self.keys.get(next).is_some_and(|&key| key <= last)
    }
}

/// A range of `midpointMjdTai` (MJD, TAI), both ends included. Times are compared as Arrow compares floats, in a total order in which NaN
/// lies beyond every number: a range without an end contains it.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeRange {
    from_mjd: f64,
    to_mjd: f64,
}

impl Default for TimeRange {
    /// Every time: from the first to the last float of the total order.
    fn default() -> Self {
        Self { from_mjd: f64::from_bits(u64::MAX), to_mjd: f64::from_bits(u64::MAX >> 1) }
    }
}

impl TimeRange {
    /// Moves the start to a time, unless it is later already.
    pub fn begin_at(&mut self, mjd: f64) {
        if self.from_mjd.total_cmp(&mjd).is_lt() {
            self.from_mjd = mjd;
        }
    }

    /// Moves the end to a time, unless it is earlier already.
    pub fn end_at(&mut self, mjd: f64) {
        if self.to_mjd.total_cmp(&mjd).is_gt() {
            self.to_mjd = mjd;
        }
    }

    /// Whether a time is in the range.
    pub fn contains(&self, mjd: f64) -> bool {
        self.from_mjd.total_cmp(&mjd).is_le() && self.to_mjd.total_cmp(&mjd).is_ge()
    }
}
