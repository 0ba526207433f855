//! Snapshots that are not the newest any more, kept ready: a client that reads a table in parts asks for the same one many times. They are
//! kept as long as they are used and their files exist. Each belongs to a [`History`]: another table in the place of the first, or a backup
//! of it, has another one, though its versions have the same numbers.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::prepared_tables::PreparedTables;
use crate::schema::Table;
use crate::warehouse::{DataFile, History, Snapshot};

/// Snapshots that are kept.
const MOST: usize = 8;
/// How long a snapshot is kept after its last use. Vacuum spares the files of old snapshots for much longer.
const KEPT: Duration = Duration::from_secs(600);

/// Older snapshots, the one that was used last first.
#[derive(Default)]
pub(crate) struct Older(Mutex<VecDeque<OlderSnapshot>>);

struct OlderSnapshot {
    used: Instant,
    history: Arc<History>,
    prepared: Arc<PreparedTables>,
}

impl OlderSnapshot {
    fn is(&self, table: Table, history: &Arc<History>, version: u64) -> bool {
        let snapshot = self.prepared.snapshot();
        (snapshot.table, snapshot.version) == (table, version)
            && Arc::ptr_eq(&self.history, history)
    }
}

impl Older {
    /// A snapshot, if it is kept.
    pub(crate) fn get(
        &self,
        table: Table,
        history: &Arc<History>,
        version: u64,
    ) -> Option<Arc<PreparedTables>> {
        let mut kept = self.0.lock();
        kept.retain(|older| older.used.elapsed() < KEPT);
        let found = kept.iter().position(|older| older.is(table, history, version))?;
        let found = OlderSnapshot { used: Instant::now(), ..kept.remove(found)? };
        let prepared = found.prepared.clone();
        kept.push_front(found);
        Some(prepared)
    }

    /// Keeps a snapshot. Of more than [`MOST`], the one that was used least recently is dropped.
    pub(crate) fn keep(&self, prepared: Arc<PreparedTables>, history: Arc<History>) {
        let snapshot = prepared.snapshot();
        let mut kept = self.0.lock();
        kept.retain(|older| !older.is(snapshot.table, &history, snapshot.version));
        kept.push_front(OlderSnapshot { used: Instant::now(), history, prepared });
        kept.truncate(MOST);
    }

    /// Drops snapshots that cannot be read any more: those of a table whose place another one, or a backup, has taken, and those of a
    /// folder whose files were overwritten.
    pub(crate) fn drop_lost(&self, newest: &Snapshot, history: &Arc<History>) {
        let contents =
            |file: &DataFile| (file.path.clone(), file.modified, file.size_bytes, file.generation);
        let there: HashSet<_> = newest.files.iter().map(contents).collect();
        let is_there = |older: &OlderSnapshot| {
            let kept = older.prepared.snapshot();
            let files = || kept.files.iter().all(|file| there.contains(&contents(file)));
            Arc::ptr_eq(&older.history, history) && (!kept.is_folder() || files())
        };
        self.0
            .lock()
            .retain(|older| older.prepared.snapshot().table != newest.table || is_there(older));
    }
}
