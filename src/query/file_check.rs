//! Looks now and then whether the files of the newest snapshots are still in the storage, whoever deleted them.

use std::sync::Arc;
use std::time::Duration;

use super::follow::Tables;
use crate::schema::Table;
use crate::warehouse::Snapshot;

/// After so many refreshes, since it takes a listing of each table.
const REFRESHES_UNCHECKED: u32 = 30;

/// So many missing files of a table are logged.
const MISSING_TOLD: usize = 10;

/// Looks until the last user of `tables` is gone.
pub(crate) fn check_files(tables: &Arc<Tables>, refresh: Duration) {
    let weak = Arc::downgrade(tables);
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(refresh * REFRESHES_UNCHECKED).await;
            let Some(tables) = weak.upgrade() else { return };
            for table in Table::ALL {
                tables.check_files_of(table).await;
            }
        }
    });
}

impl Tables {
    async fn check_files_of(&self, table: Table) {
        let Some(current) = self.current(table) else { return };
        let snapshot = current.snapshot();
        let (name, version) = (table.name(), snapshot.version);
        match self.options().source(table).missing_files(snapshot).await {
            // They belong to a version that is not served any more.
            Ok(_) if !self.is_current(snapshot) => {}
            Ok(missing) => {
                for path in missing.iter().take(MISSING_TOLD) {
                    tracing::error!(table = name, version, %path, "a file is missing");
                }
                self.looks.miss(table, missing.len());
            }
            Err(error) => tracing::warn!(table = name, %error, "looking for the files failed"),
        }
    }

    fn is_current(&self, snapshot: &Snapshot) -> bool {
        let current = self.current(snapshot.table);
        current.is_some_and(|current| current.snapshot().id() == snapshot.id())
    }
}
