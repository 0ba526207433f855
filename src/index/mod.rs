//! The key index: which pages of which files may hold an object. In: a snapshot, and the objects [`Wanted`] of it. Out: parts of row groups.
//!
//! Three levels, each found by the one before: the log's key ranges name files; a [`FileIndex`](file::FileIndex), made of a file's footer and kept while a
//! snapshot names the file, names row groups; [`GroupPages`](pages::GroupPages), read when a row group is first needed or before, and kept
//! within a budget, names pages.

mod cache;
mod columns;
mod file;
mod pages;
mod table;

pub use cache::{IndexCache, IndexUse};
pub use columns::{FileColumns, Leaf};
pub use file::RowGroup;
pub use table::{PART_ROWS, RowGroupPart, TableIndex};

use std::ops::RangeInclusive;

/// Whose rows, and from when.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wanted {
    /// `diaObjectId`s: ascending, each once.
    pub keys: Vec<i64>,
    /// `midpointMjdTai`, MJD in TAI, both ends included; `None`: any, also null.
    pub times_mjd: Option<RangeInclusive<f64>>,
}

impl Wanted {
    /// Whether any of the keys lies between two, both included.
    fn any_within(&self, first: i64, last: i64) -> bool {
        let next = self.keys.partition_point(|&key| key < first);
        self.keys.get(next).is_some_and(|&key| key <= last)
    }
}
