//! The key index that each of our files carries: which row groups and pages hold which keys, and where in the file these pages are. It lies
//! between the rows and the footer, where other readers skip it, and the log says where. So a lookup reads a few kilobytes and no footer.
//!
//! ```text
//! | row groups | the pages of each row group | filter of the keys | directory | footer |
//! ```
//! A [`Recorder`] makes it while a file is written. A [`Directory`] names the row groups and where the rest is. [`GroupPages`] are the
//! pages of one row group. A [`KeyFilter`] tells which numbers are not there. Each part ends with its checksum. There is no I/O here:
//! [`warehouse`](crate::warehouse) writes these bytes, and [`index`](crate::index) reads them.

mod directory;
mod group_pages;
mod key_filter;
mod recorder;
mod sealed;

pub use directory::{Directory, RowGroup, columns};
pub(crate) use group_pages::CODEC;
pub use group_pages::{Chunk, ColumnPages, GroupPages, PageStart};
pub use key_filter::KeyFilter;
pub use recorder::{IndexPlace, Recorder, WrittenGroup, key_ranges};
