//! The key index and its scan: which pages of which files hold an object, and the rows in them. In: a snapshot, and the
//! objects [`Wanted`] of it. Out: batches of exactly their rows.
//!
//! Three levels, each found by the one before: the log's key ranges name files; a [`FileIndex`](file::FileIndex), made of a file's
//! footer and kept while a snapshot names the file, names row groups; [`GroupPages`](pages::GroupPages), read when a row group is first
//! needed or before, and kept within a budget, names pages. A lookup then reads those pages and nothing else, in one request.

mod bytes;
mod decode;
mod file;
mod held;
mod hybrid;
mod pages;
mod projection;
mod read;
mod table;
mod values;

pub use bytes::Place;
pub use file::RowGroup;
pub use held::{Held, IndexUse};
pub use projection::{Projection, row_bytes};
pub use read::{Counts, Lookup, read};
pub use table::TableIndex;

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
