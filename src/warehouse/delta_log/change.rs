//! A change of a table: what a writer gives to [`Warehouse::commit`](crate::warehouse::Warehouse::commit).

use arrow::datatypes::SchemaRef;

use crate::warehouse::DataFile;

/// What a commit does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds rows, and replaces rows.
    Ingest,
    /// Adds made-up rows.
    Generate,
    /// Rewrites files, but changes no row: other writers need not start over because of it.
    Compact,
}

/// A set of files to add and remove together.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it is done for.
    pub operation: Operation,
    /// The stored schema after the change: that of the base, or that with columns added at its end.
    /// A compaction changes no schema.
    pub schema: SchemaRef,
    /// The files to add.
    pub add: Vec<DataFile>,
    /// The files to remove.
    pub remove: Vec<DataFile>,
}
