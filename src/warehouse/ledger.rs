//! What each version of a table did, for people: when, what kind of commit, and the files, rows and bytes that it added and removed.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use deltalake_core::kernel::{Action, Add};

use super::delta_log::{History, Log, OPERATION, kept_versions};
use super::{DataFile, Warehouse};
use crate::error::Result;
use crate::schema::Table;

/// One version of a table.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct LedgerEntry {
    /// The number of the version.
    pub version: u64,
    /// When it was committed, as `as_of` takes it.
    pub time: DateTime<Utc>,
    /// What the commit did: `Ingest`, `Compact`; or Delta's name of it, where another program wrote it.
    pub operation: String,
    /// What it added.
    pub added: Amounts,
    /// What it removed. The rows are unknown if the log does not know any more when the files were added.
    pub removed: Amounts,
    /// The names that it is kept by.
    pub names: Vec<String>,
}

/// Files, with what they hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Amounts {
    /// How many files.
    pub files: u64,
    /// Their rows; `None` if they are not known of every file.
    pub rows: Option<u64>,
    /// Their size in all.
    pub bytes: u64,
}

impl Amounts {
    const NONE: Self = Self { files: 0, rows: Some(0), bytes: 0 };

    fn count(&mut self, size: Option<i64>) {
        self.files += 1;
        self.bytes += size.unwrap_or_default().unsigned_abs();
    }

    fn add_rows(&mut self, rows: Option<u64>) {
        self.rows = self.rows.zip(rows).map(|(held, more)| held.saturating_add(more));
    }
}

impl Warehouse {
    /// The versions of a table whose commits are still in the log, the newest first, `most` of them. Fails with `NotFound` if there is no
    /// table.
    pub async fn ledger(&self, table: Table, most: usize) -> Result<Vec<LedgerEntry>> {
        let log = Log::new(&self.location, table)?;
        let newest = log.read(None).await?.ok_or_else(|| self.no_table(table))?;
        let times = History::default().times(&log).await?;
        let names = kept_versions(&log, newest.table_id).await?;
        let mut ledger = Ledger { table, entries: Vec::new(), removed: HashMap::new() };
        for (version, time) in times.into_iter().rev() {
            let full = ledger.entries.len() == most;
            if full && ledger.removed.is_empty() {
                break;
            }
            let Some(mut actions) = log.actions(version).await? else { break };
            actions.extend(log.actions_of_updates(&actions).await?.unwrap_or_default());
            ledger.find_removed(&actions);
            if !full {
                let names = names.iter().filter(|(_, kept)| *kept == version);
                ledger.push(version, time, &actions, names.map(|(name, _)| name.clone()).collect());
            }
        }
        for entry in ledger.removed.into_values() {
            ledger.entries[entry].removed.rows = None;
        }
        Ok(ledger.entries)
    }
}

/// Entries from the newest back.
struct Ledger {
    table: Table,
    entries: Vec<LedgerEntry>,
    /// Files whose rows are not known yet, since only the commit that added them tells, and the entry that removed them.
    removed: HashMap<String, usize>,
}

impl Ledger {
    /// Counts the rows of the files that a commit added and a later one removed.
    fn find_removed(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Add(add) = action
                && let Some(entry) = self.removed.remove(&add.path)
            {
                self.entries[entry].removed.add_rows(rows(self.table, add));
            }
        }
    }

    fn push(&mut self, version: u64, time: DateTime<Utc>, actions: &[Action], names: Vec<String>) {
        let (mut added, mut removed) = (Amounts::NONE, Amounts::NONE);
        let mut operation = String::new();
        for action in actions {
            match action {
                Action::Add(add) => {
                    added.count(Some(add.size));
                    added.add_rows(rows(self.table, add));
                }
                Action::Remove(remove) => {
                    removed.count(remove.size);
                    self.removed.insert(remove.path.clone(), self.entries.len());
                }
                Action::CommitInfo(info) => {
                    let own = info.info.get(OPERATION).and_then(|own| own.as_str());
                    operation = own.or(info.operation.as_deref()).unwrap_or_default().to_string();
                }
                _ => {}
            }
        }
        self.entries.push(LedgerEntry { version, time, operation, added, removed, names });
    }
}

fn rows(table: Table, add: &Add) -> Option<u64> {
    let (path, size) = (add.path.as_str().into(), add.size.unsigned_abs());
    DataFile::from_log(table, path, size, DateTime::UNIX_EPOCH, add.stats.as_deref()).ok()?.rows
}
