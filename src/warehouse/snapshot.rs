//! One version of one table, as its readers hold it: schema, files, key ranges.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use chrono::{DateTime, Utc};
use object_store::ObjectStore;

use super::DataFile;
use crate::error::Result;
use crate::schema::Table;

/// Which version of a table to read.
#[derive(Clone, Debug, PartialEq)]
pub enum AsOf {
    Version(u64),
    /// The newest version committed at or before this time.
    Time(DateTime<Utc>),
}

impl AsOf {
    /// A version (`12`) or an RFC 3339 time (`2026-11-23T01:00:00Z`).
    pub fn parse(_text: &str) -> Result<Self> {
        todo!()
    }
}

/// An immutable version of a table. Its files stay readable until vacuum's grace period is over.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub table: Table,
    pub version: u64,
    /// The stored columns, families in the field metadata, provenance last.
    pub schema: SchemaRef,
    /// Sorted by `keys.start()`. Key ranges may overlap until compaction.
    pub files: Vec<DataFile>,
    /// The store in which `files[..].path` are.
    pub store: Arc<dyn ObjectStore>,
}

impl super::Warehouse {
    /// The newest version if it is newer than `seen`; costs one request when nothing changed.
    pub async fn refresh(&self, _seen: &Snapshot) -> Result<Option<Snapshot>> {
        todo!()
    }
}
