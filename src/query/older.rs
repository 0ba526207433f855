//! Snapshots that are not the newest, kept ready: whoever reads a table in parts asks for the same one many times. In: snapshots that were
//! asked for, or are superseded. Out: the same, as long as they are used and their files are there.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::prepared::Prepared;
use crate::schema::Table;
use crate::warehouse::{DataFile, Snapshot};

const MOST: usize = 8;
/// How long after they were last used: far less than vacuum leaves them their files.
const KEPT: Duration = Duration::from_secs(600);

/// With the time of their last use, the latest first.
#[derive(Default)]
pub struct Older(Mutex<VecDeque<(Instant, Arc<Prepared>)>>);

impl Older {
    pub fn get(&self, table: Table, table_id: u64, version: u64) -> Option<Arc<Prepared>> {
        let mut kept = self.0.lock();
        kept.retain(|(used, _)| used.elapsed() < KEPT);
        let found = kept.iter().position(|(_, kept)| name(kept) == (table, table_id, version))?;
        let (_, found) = kept.remove(found)?;
        kept.push_front((Instant::now(), found.clone()));
        Some(found)
    }

    pub fn keep(&self, prepared: Arc<Prepared>) {
        let mut kept = self.0.lock();
        kept.retain(|(_, kept)| name(kept) != name(&prepared));
        kept.push_front((Instant::now(), prepared));
        kept.truncate(MOST);
    }

    /// Drops what cannot be read any more: of a table that was made anew, and of a folder the files of which were written over.
    pub fn drop_lost(&self, newest: &Snapshot) {
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

/// What it is asked for by. A version is one of a table: that of one made anew in its place is another.
fn name(prepared: &Prepared) -> (Table, u64, u64) {
    let snapshot = prepared.snapshot();
    (snapshot.table, snapshot.table_id, snapshot.version)
}
