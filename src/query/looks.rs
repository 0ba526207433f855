//! How the looks at each table went: whether it could be read lately, what it is now, and whether its files are all there. The server's
//! readiness and its metrics come from here.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// A look that gets no answer from the storage for so long counts as failed, however rarely the server looks.
const HUNG: Duration = Duration::from_secs(10);

/// How often a failure that goes on is logged.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// The looks at all tables.
#[derive(Default)]
pub(crate) struct Looks(Mutex<HashMap<Table, TableLooks>>);

/// How the looks at one table went.
#[derive(Clone, Copy, Debug, Default)]
pub struct TableLooks {
    /// When the first failed look since the last success began.
    failing_since: Option<Instant>,
    /// When a failure was last logged since then.
    told: Option<Instant>,
    /// When the look that waits for the storage began.
    waiting_since: Option<Instant>,
    /// When the last look succeeded.
    pub succeeded: Option<SystemTime>,
    /// Looks that failed since the start.
    pub failures: u64,
    /// Files of the newest snapshot that are not in the storage.
    pub missing_files: usize,
}

impl Looks {
    /// Notes that a look begins to wait for the storage.
    pub(crate) fn begin(&self, table: Table) -> Instant {
        let now = Instant::now();
        self.0.lock().entry(table).or_default().waiting_since = Some(now);
        now
    }

    /// Notes that the storage has answered.
    pub(crate) fn answered(&self, table: Table) {
        self.0.lock().entry(table).or_default().waiting_since = None;
    }

    /// Notes how a look ended, and when it began.
    pub(crate) fn end<T>(&self, table: Table, began: Instant, looked: &Result<T>) {
        let mut all = self.0.lock();
        let looks = all.entry(table).or_default();
        if looked.is_ok() {
            (looks.failing_since, looks.told) = (None, None);
            looks.succeeded = Some(SystemTime::now());
        } else {
            looks.failing_since.get_or_insert(began);
            looks.failures += 1;
        }
    }

    /// Whether the failure of a table is to be told: it is the first one, or none was told for a while.
    pub(crate) fn is_news(&self, table: Table) -> bool {
        let mut all = self.0.lock();
        let looks = all.entry(table).or_default();
        let is_news = looks.told.is_none_or(|told| told.elapsed() > TOLD_EVERY);
        if is_news {
            looks.told = Some(Instant::now());
        }
        is_news
    }

    /// Notes how many files of the newest snapshot are not in the storage.
    pub(crate) fn miss(&self, table: Table, files: usize) {
        self.0.lock().entry(table).or_default().missing_files = files;
    }

    /// How the looks at a table went.
    pub(crate) fn of(&self, table: Table) -> TableLooks {
        self.0.lock().get(&table).copied().unwrap_or_default()
    }

    /// `Ok` if every table could be looked at within `most`, and has its files. Errors: `NotReady` with the names of the others: what is
    /// served of them is old or not whole.
    pub(crate) fn are_good(&self, most: Duration) -> Result<()> {
        let all = Table::ALL.map(|table| (table, self.of(table)));
        let refused = |why: String| Err(Error::new(Kind::NotReady, why));
        if let Some((table, looks)) = all.iter().find(|(_, looks)| looks.missing_files > 0) {
            return refused(format!(
                "{}: {} of its files are not in the storage; the log names them, and so does `diaflight maintain check`",
                table.name(),
                looks.missing_files
            ));
        }
        let unseen = all.iter().filter_map(|(table, looks)| Some((table, looks.unseen(most)?)));
        let unseen: Vec<_> = unseen.collect();
        let Some(longest) = unseen.iter().map(|(_, time)| time.as_secs()).max() else {
            return Ok(());
        };
        let names: Vec<_> = unseen.iter().map(|(table, _)| table.name()).collect();
        refused(format!(
            "{}: could not be checked for changes for {longest} s; the reason is in the log, once the storage has answered",
            names.join(", ")
        ))
    }
}

impl TableLooks {
    /// For how long the table could not be looked at, if that is longer than `most`.
    fn unseen(&self, most: Duration) -> Option<Duration> {
        let longer = |since: Option<Instant>, most| {
            since.map(|since| since.elapsed()).filter(|elapsed| *elapsed > most)
        };
        longer(self.failing_since, most).max(longer(self.waiting_since, most.max(HUNG)))
    }
}
