//! The engine: holds the snapshots, follows new ones, plans and runs queries.

use std::time::Duration;

use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;

use super::Query;
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::{AsOf, Location, Warehouse};

/// Where a table's snapshots come from.
#[derive(Clone, Debug)]
pub enum Source {
    Warehouse(Warehouse),
    /// A folder of flat Parquet, read-only.
    Folder(Location),
}

#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub sources: Source,
    pub objects: Source,
    pub fp: Source,
    /// How often to look for new commits.
    pub refresh: Duration,
}

/// Rows on their way, and what to say with them.
pub struct Answer {
    /// Served names (`r:psfFlux`), with unit, ucd and description as field metadata; equal to the stream's schema.
    pub schema: SchemaRef,
    /// The version of the table all rows are from.
    pub version: u64,
    /// Names asked for that the table does not have.
    pub unknown_columns: Vec<String>,
    /// Batches in the endpoint's order. Dropping it stops the work.
    pub rows: SendableRecordBatchStream,
}

/// Cheap to clone; all clones share snapshots and caches.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Opens the tables that exist and follows them until the last clone is dropped. A table that
    /// does not exist yet is looked for again at each refresh.
    pub async fn open(_options: EngineOptions) -> Result<Self> {
        todo!()
    }

    /// Whether every table can be read.
    pub fn is_ready(&self) -> bool {
        todo!()
    }

    /// The version a query would be answered from, and nothing else: for `If-None-Match`.
    /// `NotReady` where the table does not exist (yet), `Argument` for an `as_of` that is not there.
    pub async fn version(&self, _table: Table, _as_of: Option<&AsOf>) -> Result<u64> {
        todo!()
    }

    /// The served schema of a table, described.
    pub fn schema(&self, _table: Table) -> Result<SchemaRef> {
        todo!()
    }

    /// Plans and starts a query.
    pub async fn run(&self, _query: &Query) -> Result<Answer> {
        todo!()
    }

    /// The SQL, its parameters and the physical plan, as text.
    pub async fn explain(&self, _query: &Query) -> Result<String> {
        todo!()
    }
}
