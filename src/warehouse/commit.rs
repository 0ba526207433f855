//! Changes of a table: one atomic Delta commit each.

use arrow::datatypes::SchemaRef;

use super::{DataFile, Snapshot, Warehouse};
use crate::error::Result;
use crate::schema::Table;

/// What a commit does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Ingest,
    Generate,
    /// Rows stay the same: other writers need not start over because of it.
    Compact,
}

/// A set of files to add and remove together.
#[derive(Clone, Debug)]
pub struct Change {
    pub operation: Operation,
    /// The stored schema after the change: that of the base, or that with columns added at its end.
    pub schema: SchemaRef,
    pub add: Vec<DataFile>,
    pub remove: Vec<DataFile>,
}

impl Warehouse {
    /// Commits a change made against `base` (`None`: the table did not exist) and returns the new
    /// version. Fails with [`Kind::Conflict`](crate::error::Kind::Conflict), having changed nothing, if
    /// the table is not at `base` any more, but for a compaction, which succeeds as long as the files
    /// it removes are still there.
    pub async fn commit(
        &self,
        _table: Table,
        _base: Option<&Snapshot>,
        _change: Change,
    ) -> Result<u64> {
        todo!()
    }
}
