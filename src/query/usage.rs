//! What the engine holds and how its tables are, for the metrics of a server.

use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use datafusion::execution::memory_pool::MemoryPool;

use super::engine::Engine;
use super::prepared_tables::Shared;
use super::{EngineOptions, TableLooks};
use crate::index::IndexUse;
use crate::schema::Table;
use crate::warehouse::Snapshot;

/// How much the engine's caches hold, and how often they had what was asked for since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineUse {
    /// The key index.
    pub index: IndexUse,
    /// Footers of Parquet files for scans that are no lookups.
    pub footers: usize,
    /// Their size in memory.
    pub footer_bytes: usize,
    /// Lookups whose plan was kept from one before.
    pub plan_hits: usize,
    /// Lookups whose plan had to be made.
    pub plans_made: usize,
    /// Memory that large answers use beside their own.
    pub spare_bytes: usize,
}

/// A table as the engine last saw it.
#[derive(Clone, Copy, Debug)]
pub struct TableUse {
    /// Which table.
    pub table: Table,
    /// How the looks at it went.
    pub looks: TableLooks,
    /// The snapshot that is served; `None` where there is no table.
    pub snapshot: Option<ServedSnapshot>,
}

/// What is known of a snapshot without reading its files.
#[derive(Clone, Copy, Debug)]
pub struct ServedSnapshot {
    /// The version of the table.
    pub version: u64,
    /// The number of its files.
    pub files: usize,
    /// The size of all files.
    pub bytes: u64,
    /// When its rows were last changed, as far as the server has seen; `None` for a plain folder.
    pub changed: Option<DateTime<Utc>>,
}

impl Engine {
    /// How much the caches hold and how often they were of use.
    pub fn usage(&self) -> EngineUse {
        let footers = self.footers().list_entries();
        let Shared { index, planners, spare, .. } = &self.tables.shared;
        EngineUse {
            index: index.usage(),
            footers: footers.len(),
            footer_bytes: footers.values().map(|footer| footer.size_bytes).sum(),
            plan_hits: planners.counts.hits.load(Ordering::Relaxed),
            plans_made: planners.counts.made.load(Ordering::Relaxed),
            spare_bytes: spare.reserved(),
        }
    }

    /// The tables as they were last seen, whether they exist or not.
    pub fn table_uses(&self) -> [TableUse; 3] {
        let served = |snapshot: &Snapshot| ServedSnapshot {
            changed: self.tables.changed(snapshot.table),
            version: snapshot.version,
            files: snapshot.files.len(),
            bytes: snapshot.files.iter().map(|file| file.size_bytes).sum(),
        };
        Table::ALL.map(|table| TableUse {
            table,
            looks: self.tables.looks(table),
            snapshot: self.tables.current(table).map(|current| served(current.snapshot())),
        })
    }

    /// The limits of its memory.
    pub fn options(&self) -> &EngineOptions {
        self.tables.options()
    }
}
