//! What an engine is opened with: where the tables are, and how much memory its caches may take.

use std::time::Duration;

use crate::limits::ServerOptions;
use crate::schema::Table;
use crate::warehouse::{Source, Warehouse};

/// Where the tables are, and the limits within which they are read.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where the table `sources` is.
    pub sources: Source,
    /// Where the table `objects` is.
    pub objects: Source,
    /// Where the table `fp`, the forced photometry, is.
    pub fp: Source,
    /// How often to look for new commits.
    pub refresh: Duration,
    /// Memory for the pages of row groups, beside what the key index holds of every file. With a byte for each source, all are held.
    pub index_bytes: usize,
    /// Memory for the Parquet footers of scans that are no lookups.
    pub footer_cache_bytes: usize,
    /// Memory that large answers may use beside their own while it is free. An answer that finds none spills to temporary files.
    pub spare_bytes: usize,
}

impl EngineOptions {
    /// The usual value of `refresh`.
    pub const REFRESH: Duration = Duration::from_secs(2);
    /// The usual value of `index_bytes`.
    pub const INDEX_BYTES: usize = 512 << 20;
    /// The usual value of `footer_cache_bytes`.
    pub const FOOTER_CACHE_BYTES: usize = 256 << 20;

    /// All three tables of one warehouse, with the usual limits.
    pub fn from_warehouse(warehouse: &Warehouse) -> Self {
        let source = Source::Warehouse(warehouse.clone());
        Self {
            sources: source.clone(),
            objects: source.clone(),
            fp: source,
            refresh: Self::REFRESH,
            index_bytes: Self::INDEX_BYTES,
            footer_cache_bytes: Self::FOOTER_CACHE_BYTES,
            spare_bytes: Self::spare_bytes(ServerOptions::DEFAULT.memory_bytes),
        }
    }

    /// What is to spare of the memory for large answers: half of it, since the other half is their own.
    pub fn spare_bytes(memory_bytes: usize) -> usize {
        memory_bytes / 2
    }

    /// Where a table is. Places are beside their sources.
    pub(super) fn source(&self, table: Table) -> &Source {
        match table {
            Table::Sources | Table::Places => &self.sources,
            Table::Objects => &self.objects,
            Table::Fp => &self.fp,
        }
    }
}
