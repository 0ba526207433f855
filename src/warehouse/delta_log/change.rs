//! A change of a table: what a writer gives to [`Warehouse::commit`](crate::warehouse::Warehouse::commit).

use std::fmt::{self, Display, Formatter};

use arrow::datatypes::SchemaRef;

use crate::warehouse::DataFile;

/// The key of the id that all commits of a command have.
pub(super) const RUN_ID: &str = "diaflightRun";
/// The key of the commit's own id in the log, by which it recognises its entry. Only commits of ours have one.
pub(super) const COMMIT_ID: &str = "diaflightCommit";
/// The key of what a commit of ours does.
pub(crate) const OPERATION: &str = "diaflightOperation";

/// What a commit does, for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Adds rows, and replaces rows.
    Ingest,
    /// Adds made-up rows.
    Generate,
    /// Rewrites files, but changes no row: other writers need not start over because of it.
    Compact,
    /// Says of files of the table that the cells of their rows are in the table of places, and changes no row. It adds these files again,
    /// as they are but for their tags.
    NotePlaces,
    /// Sets properties of the table as a new one has them, and changes no row.
    SetProperties,
    /// Deletes rows.
    Delete,
    /// Brings back the rows of an older version.
    Restore {
        /// The older version.
        version: u64,
    },
    /// Takes back what one version changed.
    Undo {
        /// That version.
        version: u64,
    },
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore { version } => write!(f, "Restore of version {version}"),
            Self::Undo { version } => write!(f, "Undo of version {version}"),
            named => write!(f, "{named:?}"),
        }
    }
}

/// A set of files to add and remove together.
#[derive(Clone, Debug)]
pub struct Change {
    /// What it is done for.
    pub operation: Operation,
    /// The stored schema after the change: that of the base, or that with columns added at its end.
    /// A compaction changes no schema.
    pub schema: SchemaRef,
    /// The files to add, or to describe anew.
    pub add: Vec<DataFile>,
    /// The files to remove.
    pub remove: Vec<DataFile>,
}
