//! Where the tables live: a URL prefix holding the Delta tables `sources`, `fp` and `objects`,
//! each a set of Parquet files sorted by [`Table::sort_columns`](crate::schema::Table::sort_columns).
//!
//! In: a URL (`file`, `s3`, `memory`, or a path), sorted batches, commits. Out: [`Snapshot`]s, which
//! name the files of one version and the key range of each, so that a reader opens only those it needs.

mod actions;
mod bucket;
mod commit;
mod compact;
mod durable;
mod file;
mod folder;
mod gather;
mod kept;
mod layout;
mod listing;
mod local;
mod location;
mod log;
mod merge;
mod patience;
mod reader;
mod snapshot;
mod sort;
mod source;
mod stored_names;
mod unfinished;
mod uncommitted;
mod upload;
mod vacuum;
mod versions;
mod writable;
mod writer;

pub use commit::{Change, Operation};
pub use compact::{CompactOptions, Compacted};
pub use file::{DataFile, described};
pub use gather::{BATCH_ROWS, Gatherer, bytes_of};
pub use layout::FileSize;
pub use location::Location;
pub use reader::{footer, read};
pub use snapshot::{AsOf, LeftOut, Snapshot};
pub use sort::{ASCENDING, DESCENDING, Sorter};
pub use source::Source;
pub use stored_names::{StoredNames, stored_name};
pub use vacuum::{VacuumOptions, Vacuumed};
pub use versions::History;
pub use writer::SortedWriter;

use crate::error::Result;
use uncommitted::Uncommitted;

/// The three tables under one prefix. Cheap to clone; clones share the files that no commit has named yet, which
/// [`discard_uncommitted`](Self::discard_uncommitted) deletes.
#[derive(Clone, Debug)]
pub struct Warehouse {
    location: Location,
    uncommitted: Uncommitted,
}

impl Warehouse {
    /// Opens a warehouse. Nothing is read or created yet, but the URL is checked.
    pub fn open(url: &str) -> Result<Self> {
        Ok(Self { location: Location::parse(url)?, uncommitted: Uncommitted::default() })
    }

    pub fn location(&self) -> &Location {
        &self.location
    }
}
