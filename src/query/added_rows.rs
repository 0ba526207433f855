//! What single versions of a table added, made ready for queries, for all who [follow](super::arrivals) it.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::prepared_tables::PreparedTables;
use crate::error::Result;

/// Versions that are kept: those who follow the table ask for the newest one.
const MOST: usize = 16;

/// What a version added.
#[derive(Clone)]
pub(crate) enum AddedRows {
    /// No row.
    None,
    /// The rows of these files.
    In(Arc<PreparedTables>),
    /// What it added, and the versions after it up to `until`, is not known.
    Unknown { until: u64, why: &'static str },
}

/// The last versions that were asked for.
pub(crate) struct LastAdded(Cache<u64, AddedRows>);

impl Default for LastAdded {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl LastAdded {
    /// What a version added. Many who ask at once wait for one answer.
    pub(crate) async fn get(
        &self,
        version: u64,
        added: impl Future<Output = Result<AddedRows>>,
    ) -> Result<AddedRows> {
        self.0.get_or_insert_async(&version, added).await
    }
}
