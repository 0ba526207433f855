//! Where the tables live: a URL prefix holding the Delta tables `sources`, `fp`, `objects` and `places`,
//! each a set of Parquet files sorted by [`Table::sort_columns`](crate::schema::Table::sort_columns).
//!
//! A [`SortedWriter`] makes files of sorted batches, and [`Warehouse::commit`] adds them to a table, all or none. A [`Snapshot`] names
//! the files of one version and the key range of each, so that a reader opens only those it needs. A [`Source`] gives the snapshots
//! that are served, of a warehouse or of tables that others wrote. [`Warehouse::compact`] and [`Warehouse::vacuum`] tidy up;
//! [`Warehouse::restore`], [`Warehouse::undo`] and [`Warehouse::delete`] take back what should not have been written.

mod as_of;
mod check;
mod compact;
mod delete;
mod delta_log;
mod elsewhere;
mod files;
mod folder;
mod ledger;
mod leftovers;
mod places;
mod restore;
mod rewrite;
mod row_ids;
mod snapshot;
mod source;
mod storage;
mod uncommitted;
mod undo;
mod updated_keys;
mod vacuum;
mod writable;

pub use as_of::AsOf;
pub use check::{Checked, Finding, Flaw};
pub use compact::{Compacted, Merge, MergeKind, MergePolicy, MergeProgress, RangeSize};
pub use delete::{Deleted, DeletedRows, Doomed};
pub(crate) use delta_log::NewRows;
pub use delta_log::{Change, History, Newer, Operation, Partition, Positions};
pub use files::{
    ASCENDING, BATCH_ROWS, DESCENDING, DataFile, FileSize, FileTag, Gatherer, InPlaces, Level,
    SortedWriter, Sorter, StoredNames, Update, bytes_of, described, footer, joined, merged, read,
    read_keys, stored_name, taken,
};
pub use ledger::{Amounts, LedgerEntry};
pub use places::NotedPlaces;
pub use restore::Restored;
pub use snapshot::{LeftOut, Snapshot};
pub use source::Source;
pub use storage::{
    Bucket, Location, STORAGE_COUNTS, StorageCounts, StorageOperation, StorageOutcome,
};
pub(crate) use storage::{make_folder, sync_folder};
pub use undo::Undone;
pub use updated_keys::{MOST_UPDATES, UpdatedKeys};
pub use vacuum::{VacuumOptions, Vacuumed};

use self::delta_log::Log;
use uuid::Uuid;

use self::uncommitted::Uncommitted;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// How often a change is made anew when another writer commits first.
pub const ATTEMPTS: usize = 10;

/// The tables under one prefix. Cheap to clone; clones share the files that no commit has named yet, which
/// [`discard_uncommitted`](Self::discard_uncommitted) deletes.
#[derive(Clone, Debug)]
pub struct Warehouse {
    location: Location,
    uncommitted: Uncommitted,
    /// Stands in all commits that are made through it, of whatever table: those of one command belong together.
    run: Uuid,
}

impl Warehouse {
    /// Opens a warehouse. Nothing is read or created yet, but the URL is checked.
    pub fn open(url: &str) -> Result<Self> {
        let location = Location::parse_folder(url)?;
        Ok(Self { location, uncommitted: Uncommitted::default(), run: Uuid::new_v4() })
    }

    /// The prefix that holds the tables.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The tables that exist, in the order of writing. If there is none but places, that is an `Argument` error.
    pub async fn tables(&self) -> Result<Vec<Table>> {
        let mut tables = Vec::new();
        for table in Table::STORED {
            if Log::new(&self.location, table)?.exists().await? {
                tables.push(table);
            }
        }
        if tables.iter().all(|table| *table == Table::Places) {
            let url = &self.location.url;
            let why = format!("--warehouse {url}: there is no table; ingest alerts first");
            return Err(Error::argument(why));
        }
        Ok(tables)
    }

    /// Whether a table has the rows of a snapshot still; without one, whether it does not exist still.
    pub(crate) async fn has_rows_of(&self, table: Table, base: Option<&Snapshot>) -> Result<bool> {
        let log = Log::new(&self.location, table)?;
        match (log.read(None).await?, base) {
            (None, None) => Ok(true),
            (Some(newest), Some(base)) if newest.table_id == base.table_id => {
                log.same_rows(base.version, newest.version).await
            }
            _ => Ok(false),
        }
    }

    fn no_table(&self, table: Table) -> Error {
        let message = format!("{}: there is no table {}", self.location.url, table.name());
        Error::new(Kind::NotFound, message)
    }
}

/// An error between the commits of several tables: it says which of them have their new version.
fn between_commits(committed: &[(&str, Option<u64>)], error: Error) -> Error {
    let done = committed.iter().filter_map(|(table, version)| {
        version.map(|version| format!("{table} is at version {version} already"))
    });
    let done: Vec<_> = done.collect();
    match done.is_empty() {
        true => error,
        false => {
            error.context(format!("{}; the same command, run again, completes it", done.join(", ")))
        }
    }
}
