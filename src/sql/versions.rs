//! Which snapshots a statement reads. In: snapshots. Out: their versions, small enough for a ticket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::query::SnapshotTable;
use crate::schema::Table;

/// The version of each table that a statement reads; `None`: there is no such table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub sources: Option<u64>,
    pub objects: Option<u64>,
    pub fp: Option<u64>,
}

impl Versions {
    pub(super) fn of(tables: &[Arc<SnapshotTable>]) -> Self {
        let version = |table| {
            let snapshot =
                tables.iter().map(|held| held.snapshot()).find(|held| held.table == table);
            snapshot.map(|snapshot| snapshot.version)
        };
        Self {
            sources: version(Table::Sources),
            objects: version(Table::Objects),
            fp: version(Table::Fp),
        }
    }

    pub(super) fn get(&self, table: Table) -> Option<u64> {
        match table {
            Table::Sources => self.sources,
            Table::Objects => self.objects,
            Table::Fp => self.fp,
        }
    }
}
