//! Snapshots that are not the newest any more, kept ready: a client that reads a table in parts asks for the same one many times. They are
//! kept as long as they are used and their files exist.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::prepared_tables::PreparedTables;
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot};

/// Snapshots that are kept.
const MOST: usize = 8;
/// How long a snapshot is kept after its last use. Vacuum spares the files of old snapshots for much longer.
const KEPT: Duration = Duration::from_secs(600);

/// Older snapshots with the time of their last use, the latest first.
#[derive(Default)]
pub(crate) struct Older(Mutex<VecDeque<(Instant, Arc<PreparedTables>)>>);

impl Older {
    /// A snapshot, if it is kept.
    pub(crate) fn get(
        &self,
        table: Table,
        table_id: u64,
        version: u64,
    ) -> Option<Arc<PreparedTables>> {
        let mut kept = self.0.lock();
        kept.retain(|(used, _)| used.elapsed() < KEPT);
        let found = kept.iter().position(|(_, kept)| name(kept) == (table, table_id, version))?;
        let (_, found) = kept.remove(found)?;
        kept.push_front((Instant::now(), found.clone()));
        Some(found)
    }

    /// Keeps a snapshot. Of more than [`MOST`], the one that was used least recently is dropped.
    pub(crate) fn keep(&self, prepared: Arc<PreparedTables>) {
        let mut kept = self.0.lock();
        kept.retain(|(_, kept)| name(kept) != name(&prepared));
        kept.push_front((Instant::now(), prepared));
        kept.truncate(MOST);
    }

    /// Drops snapshots that cannot be read any more: those of a table that was made anew, and those of a folder whose files were
    /// overwritten.
    pub(crate) fn drop_lost(&self, newest: &Snapshot) {
        let contents =
            |file: &DataFile| (file.path.clone(), file.modified, file.size_bytes, file.generation);
        let there: HashSet<_> = newest.files.iter().map(contents).collect();
        let is_there = |kept: &Snapshot| {
            let files = || kept.files.iter().all(|file| there.contains(&contents(file)));
            kept.table_id == newest.table_id && (!kept.is_folder() || files())
        };
        self.0.lock().retain(|(_, kept)| {
            let kept = kept.snapshot();
            kept.table != newest.table || is_there(kept)
        });
    }
}

/// By what a snapshot is asked for. The versions of a table that is made anew count from 0 again, so the id of the table is part of it.
fn name(prepared: &PreparedTables) -> (Table, u64, u64) {
    let snapshot = prepared.snapshot();
    (snapshot.table, snapshot.table_id, snapshot.version)
}
