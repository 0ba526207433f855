//! How many rows each table holds and how new it is, from the snapshots in memory.

use crate::query::Engine;
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

/// The tables that exist, in the order of [`Table::ALL`].
pub(crate) fn tables(engine: &Engine) -> Vec<TableState> {
    let mut tables: Vec<_> =
        engine.tables().iter().map(|table| TableState::from_snapshot(table.snapshot())).collect();
    tables.sort_by_key(|state| state.table);
    tables
}
