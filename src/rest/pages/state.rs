//! How many rows each table holds, how new it is, and whether it can be followed, from the snapshots in memory.

use crate::query::{Engine, Source};
use crate::schema::Table;
use crate::warehouse::Snapshot;

/// The state of one table, by the statistics of its files.
pub(crate) struct TableState {
    pub table: Table,
    /// The number of rows; `None` if a file of another writer does not tell.
    pub rows: Option<u64>,
    pub version: u64,
    /// The newest `midpointMjdTai`; `None` if a file does not tell.
    pub newest_mjd_tai: Option<f64>,
}

impl TableState {
    fn from_snapshot(snapshot: &Snapshot) -> Self {
        let files = &snapshot.files;
        let newest = files.iter().map(|file| file.times_mjd.as_ref().map(|times| *times.end()));
        let newest: Option<Vec<f64>> = newest.collect();
        Self {
            table: snapshot.table,
            rows: snapshot.rows(),
            version: snapshot.version,
            newest_mjd_tai: newest.and_then(|times| times.into_iter().max_by(f64::total_cmp)),
        }
    }
}

/// Whether the stream tells of new sources: of what others write it is not known.
pub(crate) fn tells_of_new(engine: &Engine) -> bool {
    let exists = engine.tables().iter().any(|table| table.snapshot().table == Table::Sources);
    exists && matches!(engine.options().sources, Source::Warehouse(_))
}

/// The tables that exist, in the order of [`Table::ALL`].
pub(crate) fn tables(engine: &Engine) -> Vec<TableState> {
    let mut tables: Vec<_> =
        engine.tables().iter().map(|table| TableState::from_snapshot(table.snapshot())).collect();
    tables.sort_by_key(|state| state.table);
    tables
}
