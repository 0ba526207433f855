//! The key index: which pages of which files may hold an object. In: a snapshot, and the objects [`Wanted`] of it. Out: parts of row groups.
//!
//! Three levels, each found by the one before: the log's key ranges name files; a [`FileIndex`], made of a file's footer and kept while a
//! snapshot names the file, names row groups; [`GroupPages`](pages::GroupPages), read when a row group is first needed or before, and kept
//! within a budget, names pages.

mod cache;
mod columns;
mod file;
mod pages;
mod table;
mod wanted;

pub use cache::{IndexCache, IndexUse};
pub use columns::{FileColumns, Leaf};
pub use file::{FileIndex, RowGroup};
pub use table::{PART_ROWS, RowGroupPart, TableIndex};
pub use wanted::{TimeRange, Wanted};
