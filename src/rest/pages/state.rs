//! What there is to see, without reading a row. In: the snapshots in memory. Out: how much each table holds, and how new it is.

use crate::query::Engine;
use crate::schema::Table;
use crate::warehouse::Snapshot;

/// One table, as its files' statistics have it.
pub struct TableState {
    pub table: Table,
    /// `None` where a file of another writer does not say.
    pub rows: Option<u64>,
    pub version: u64,
    /// The newest `midpointMjdTai`; `None` where a file does not say.
    pub newest_mjd_tai: Option<f64>,
}

impl TableState {
    fn from_snapshot(snapshot: &Snapshot) -> Self {
        let files = &snapshot.files;
        let newest = files.iter().map(|file| file.times_mjd.as_ref().map(|times| *times.end()));
        let newest: Option<Vec<f64>> = newest.collect();
        Self {
            table: snapshot.table,
            rows: files.iter().map(|file| file.rows).sum(),
            version: snapshot.version,
            newest_mjd_tai: newest.and_then(|times| times.into_iter().max_by(f64::total_cmp)),
        }
    }
}

/// The tables that exist, in the order of [`Table::ALL`].
pub fn tables(engine: &Engine) -> Vec<TableState> {
    let mut tables: Vec<_> =
        engine.tables().iter().map(|table| TableState::from_snapshot(table.snapshot())).collect();
    tables.sort_by_key(|state| state.table);
    tables
}
