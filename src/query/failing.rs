//! Which tables could not be looked at lately. It is told how each look at a table ended, and says whether the server is ready.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// For each table whose last look failed: when the first failed look since the last success began.
#[derive(Default)]
pub(crate) struct Failing(Mutex<HashMap<Table, Instant>>);

impl Failing {
    /// Notes how a look at a table ended, and when it began.
    pub(crate) fn note<T>(&self, table: Table, began: Instant, looked: &Result<T>) {
        let mut failing = self.0.lock();
        if looked.is_ok() {
            failing.remove(&table);
        } else {
            failing.entry(table).or_insert(began);
        }
    }

    /// `Ok` unless looks at a table have failed for longer than `most`. Errors: `NotReady` with the names of such tables: what is served of them
    /// is old, for whatever reason.
    pub(crate) fn are_seen_within(&self, most: Duration) -> Result<()> {
        let failing = self.0.lock();
        let unseen = |table: &Table| failing.get(table).map(Instant::elapsed);
        let unseen = Table::ALL.into_iter().filter_map(|table| Some((table, unseen(&table)?)));
        let unseen: Vec<_> = unseen.filter(|(_, elapsed)| *elapsed > most).collect();
        let Some(longest) = unseen.iter().map(|(_, elapsed)| elapsed.as_secs()).max() else {
            return Ok(());
        };
        let names: Vec<_> = unseen.iter().map(|(table, _)| table.name()).collect();
        let names = names.join(", ");
        let text = format!(
            "{names}: could not be checked for changes for {longest} s; the reason is in the log"
        );
        Err(Error::new(Kind::NotReady, text))
    }
}
