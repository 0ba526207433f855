//! The rows of a [`Lookup`], as batches. The [`index`](crate::index) says which parts of row groups may hold them.
//!
//! [`read()`] goes through these parts, several side by side. [`fetch`](fetch::fetch) gets the pages of a part and nothing else, in one
//! request. [`decode`](decode::decode) copies exactly the wanted rows out of them, column by column: from pages as our own files have them
//! in [`page_values`], from any other with the parquet crate. [`Projection`] says which columns of a file these are. [`Places`] are
//! looked up to learn which objects lie somewhere on the sky.

mod decode;
mod fetch;
mod hybrid;
mod page_values;
mod places;
mod projection;
mod read;

pub use places::{MOST_CELLS, Places, PlacesIndex, places_cells};
pub use projection::{Projection, row_bytes};
pub use read::{RowsOfFile, read, read_by_file};

use std::sync::Arc;

use datafusion::physical_plan::metrics::Count;

use crate::index::{TableIndex, Wanted};

/// Counts what a scan reads, for `EXPLAIN ANALYZE`.
#[derive(Clone, Debug, Default)]
pub struct ScanMetrics {
    /// Row groups with a page that was read.
    pub row_groups: Count,
    /// Data pages.
    pub pages: Count,
    /// Bytes of these pages.
    pub bytes: Count,
    /// Requests to the store, for pages.
    pub requests: Count,
}

/// A lookup to execute: some objects of one snapshot.
#[derive(Clone)]
pub struct Lookup {
    /// The index of the snapshot.
    pub table: Arc<TableIndex>,
    /// The columns to read.
    pub projection: Arc<Projection>,
    /// The rows to read.
    pub wanted: Arc<Wanted>,
    /// Whether the last row of each row group comes first.
    pub reversed: bool,
    /// What has been read so far.
    pub metrics: ScanMetrics,
}
