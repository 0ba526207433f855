//! Reads all of a table and says what is wrong with its files: of the newest version those that are missing, damaged, or not in the order
//! that they claim, and those whose key index is wrong; those that no version names; and names kept of versions that are lost. [`repair`]
//! mends what can be mended.
//!
//! One file is read at a time, one row group of it in memory.

mod file;
mod key_index;
mod repair;

use std::collections::HashMap;
use std::error::Error as _;

use chrono::Utc;
use object_store::ObjectMeta;
use object_store::path::Path;

use self::file::flaw;
use super::delta_log::{Log, kept_names, kept_snapshot};
use super::vacuum::{WRITING, before, known_retention, unused_files};
use super::{DataFile, Snapshot, Warehouse};
use crate::error::{Error, Result};
use crate::schema::Table;

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Flaw {
    /// The log names it, and it is not there.
    Missing,
    /// It has another size than the log says.
    WrongSize,
    /// It cannot be read.
    Damaged,
    /// It holds other rows than the log says, so that they are not found.
    WrongStatistics,
    /// Its key index tells other keys or places than those of its rows, so that lookups miss rows or fail.
    WrongKeyIndex,
    /// The log says that it carries a key index, and that cannot be read. Lookups read more of the file instead, and miss nothing.
    DamagedKeyIndex,
    /// The store does not give it, for another reason than that it is not there. Nothing is known of it, and nothing is done.
    Unreachable,
    /// Its rows are not in the order that its footer claims.
    Unsorted,
    /// No version within the retention period names it.
    Orphan,
    /// A name is kept of a version that cannot be read any more.
    LostName,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Finding {
    /// The table.
    pub table: &'static str,
    /// The file, from the root of the store.
    pub file: String,
    /// The kind of the fault.
    pub flaw: Flaw,
    /// The fault, and what is lost with the file.
    pub what: String,
    /// What was done about it; `None` if nothing was.
    pub repaired: Option<String>,
}

/// What a check read and found.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Checked {
    /// Files of the newest versions.
    pub files: u64,
    /// Their size in the log.
    pub bytes: u64,
    /// All that is wrong.
    pub findings: Vec<Finding>,
}

/// The findings of one table, and what their repair needs.
struct CheckedTable {
    snapshot: Snapshot,
    findings: Vec<Finding>,
    /// Files of the newest version with a flaw.
    flawed: Vec<(Flaw, DataFile)>,
    orphans: Vec<ObjectMeta>,
}

impl Warehouse {
    /// Checks a table, and repairs what it finds if that is wanted. Fails with `NotFound` if there is no table, and with `Storage` if the
    /// log cannot be read: then nothing can be said of the files.
    pub async fn check(&self, table: Table, repair: bool) -> Result<Checked> {
        let mut checked = self.checked(table).await?;
        if repair && !checked.findings.is_empty() {
            self.check_writable(table).await?;
            self.repair(&mut checked).await?;
        }
        let files = &checked.snapshot.files;
        Ok(Checked {
            files: files.len() as u64,
            bytes: files.iter().map(|file| file.size_bytes).sum(),
            findings: checked.findings,
        })
    }

    async fn checked(&self, table: Table) -> Result<CheckedTable> {
        let log = Log::new(&self.location, table)?;
        // Listed before the log is read: a file that is committed in between is then known as live.
        let (now, objects) = (Utc::now(), log.location.list().await?.objects);
        let state = log.state(None).await?.ok_or_else(|| self.no_table(table))?;
        let snapshot = log.snapshot(&state).await?;
        let stored = sizes(&objects);
        let mut checked =
            CheckedTable { snapshot, findings: vec![], flawed: vec![], orphans: vec![] };
        checked.check_names(&log).await?;
        // What a version that cannot be read names is not known.
        if checked.findings.is_empty() {
            let expired = before(now, known_retention(&state));
            checked.orphans = unused_files(&log, state, objects, expired, now - WRITING).await?;
        }
        checked.name_orphans();
        checked.check_files(&log, &stored).await?;
        Ok(checked)
    }
}

/// The sizes of what was listed.
fn sizes(objects: &[ObjectMeta]) -> HashMap<Path, u64> {
    objects.iter().map(|object| (object.location.clone(), object.size)).collect()
}

impl CheckedTable {
    async fn check_files(&mut self, log: &Log, stored: &HashMap<Path, u64>) -> Result<()> {
        for file in self.snapshot.files.clone() {
            let size = match stored.get(&file.path) {
                Some(size) => Some(*size),
                None => size_of(log, &file.path).await?,
            };
            if let Some((flaw, what)) = flaw(&self.snapshot, &file, size).await? {
                self.find(&file.path, flaw, what);
                self.flawed.push((flaw, file));
            }
        }
        Ok(())
    }

    fn name_orphans(&mut self) {
        for ObjectMeta { location, size, last_modified, .. } in self.orphans.clone() {
            let what = format!("no version names it; {size} bytes, written {last_modified}");
            self.find(&location, Flaw::Orphan, what);
        }
    }

    async fn check_names(&mut self, log: &Log) -> Result<()> {
        for name in kept_names(log).await? {
            let lost = match kept_snapshot(log, &name, self.snapshot.table_id).await {
                Ok(None) => None,
                Ok(Some(kept)) => {
                    let missing = log.missing(&kept).await?;
                    let version = kept.version;
                    missing
                        .first()
                        .map(|file| format!("version {version}: /{} is missing", file.path))
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = lost {
                let file = log.location.prefix.clone().join("_kept").join(format!("{name}.json"));
                let what = format!(
                    "what is kept as {name} cannot be read ({why}); restore the files from a backup, or give the name up (maintain \
                     forget {name})"
                );
                self.find(&file, Flaw::LostName, what);
            }
        }
        Ok(())
    }

    fn find(&mut self, file: &Path, flaw: Flaw, what: String) {
        let (table, file) = (self.snapshot.table.name(), format!("/{file}"));
        self.findings.push(Finding { table, file, flaw, what, repaired: None });
    }
}

/// Whether an error says that the store did not give what was asked for.
fn is_of_store(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<object_store::Error>())
}

/// The size of a file that was committed after the listing.
async fn size_of(log: &Log, path: &Path) -> Result<Option<u64>> {
    use object_store::ObjectStoreExt;
    match log.location.store.head(path).await {
        Ok(object) => Ok(Some(object.size)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(log.failed(error.into())),
    }
}
