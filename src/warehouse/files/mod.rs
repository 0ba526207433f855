//! The Parquet files of a table: how they are laid out, written in order and read, and what is known of one without reading its rows.

mod data_file;
mod gather;
mod layout;
mod log_stats;
mod parquet_file;
mod reader;
mod sort;
mod stored_names;
mod tag;
mod writer;

pub use data_file::DataFile;
pub(super) use data_file::to_millis;
pub use gather::{BATCH_ROWS, Gatherer, bytes_of, joined, taken};
pub use layout::FileSize;
pub(super) use layout::UPDATES;
pub(super) use layout::has_our_name;
pub(super) use reader::footer_with_pages;
pub use reader::{described, footer, read, read_keys};
pub use sort::{ASCENDING, DESCENDING, Sorter, merged};
pub use stored_names::{StoredNames, stored_name};
pub use tag::{FileTag, InPlaces, Level, Update};
pub use writer::SortedWriter;
pub(super) use writer::{OrderCheck, fit};
