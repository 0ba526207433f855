//! Compaction: many small, overlapping files into few large ones with disjoint key ranges, in one commit.

use super::Warehouse;
use crate::error::Result;
use crate::schema::Table;

#[derive(Clone, Debug, Default)]
pub struct CompactOptions {}

/// What a compaction did.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Compacted {
    pub files_removed: usize,
    pub files_added: usize,
    pub rows: u64,
}

impl Warehouse {
    pub async fn compact(&self, _table: Table, _options: &CompactOptions) -> Result<Compacted> {
        todo!()
    }
}
