//! One Parquet file of a table, as the log knows it.

use std::ops::RangeInclusive;

use object_store::path::Path;

/// A file, its size and the ranges of its ids, from the log's statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// The full path in the snapshot's store.
    pub path: Path,
    pub size_bytes: u64,
    pub rows: u64,
    /// The `diaObjectId`s: inclusive. Rows are sorted by it.
    pub keys: RangeInclusive<i64>,
    /// The LSST ids of the rows ([`Table::id_column`](crate::schema::Table::id_column)): inclusive.
    pub ids: RangeInclusive<i64>,
}
