//! The versions of the snapshots that a statement reads, small enough to be part of a ticket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::plan::SnapshotTable;
use crate::schema::Table;
use crate::warehouse::AsOf;

/// The version of each table that a statement reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SqlVersions {
    /// The version of `sources`; `None` without the table.
    pub sources: Option<u64>,
    /// The version of `objects`; `None` without the table.
    pub objects: Option<u64>,
    /// The version of `fp`; `None` without the table.
    pub fp: Option<u64>,
    /// The ids of these versions, in the order of [`Table::ALL`]. A table that is made anew or restored has the same versions again, but
    /// other ids.
    pub ids: [u64; Table::ALL.len()],
}

impl SqlVersions {
    /// The versions of some tables.
    pub(super) fn from_tables(tables: &[Arc<SnapshotTable>]) -> Self {
        let snapshot =
            |table| tables.iter().map(|held| held.snapshot()).find(|held| held.table == table);
        let version = |table| snapshot(table).map(|snapshot| snapshot.version);
        let id = |table| snapshot(table).map_or(0, |snapshot| snapshot.id());
        Self {
            sources: version(Table::Sources),
            objects: version(Table::Objects),
            fp: version(Table::Fp),
            ids: Table::ALL.map(id),
        }
    }

    /// The snapshot of a table; `None` if the table does not exist.
    pub(super) fn get(&self, table: Table) -> Option<AsOf> {
        let version = match table {
            Table::Sources => self.sources,
            Table::Objects => self.objects,
            Table::Fp => self.fp,
            Table::Places => None,
        };
        let mut ids = Table::ALL.into_iter().zip(self.ids);
        let (_, id) = ids.find(|(of, _)| *of == table)?;
        Some(AsOf::Exactly { version: version?, id })
    }
}
