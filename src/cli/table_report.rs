//! What `diaflight table` did, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::warehouse::{Amounts, Deleted, LedgerEntry, Restored, Undone};

/// What was done.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum TableReport {
    History(BTreeMap<&'static str, Vec<LedgerEntry>>),
    Restored(Dry<Vec<Restored>>),
    Undone(Dry<Undone>),
    Deleted(Dry<Deleted>),
}

/// What was done, or would be.
#[derive(Serialize)]
pub(super) struct Dry<T> {
    /// Whether nothing was changed, since only that was asked for.
    dry_run: bool,
    done: T,
}

impl<T> Dry<T> {
    pub(super) fn new(dry_run: bool, done: T) -> Self {
        Self { dry_run, done }
    }

    /// How a line begins, and how it ends for a version that was committed.
    fn words(&self, committed: Option<u64>) -> (&'static str, String) {
        match (self.dry_run, committed) {
            (true, _) => ("would be ", String::new()),
            (false, Some(version)) => ("", format!(" (version {version})")),
            (false, None) => ("", String::new()),
        }
    }
}

impl Display for TableReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = match self {
            Self::History(tables) => {
                tables.iter().flat_map(|(table, entries)| ledger(table, entries)).collect()
            }
            Self::Restored(restored) => {
                restored.done.iter().map(|done| restored_line(restored, done)).collect()
            }
            Self::Undone(undone) => vec![undone_line(undone)],
            Self::Deleted(deleted) => deleted_lines(deleted),
        };
        f.write_str(&lines.join("\n"))
    }
}

fn ledger(table: &str, entries: &[LedgerEntry]) -> Vec<String> {
    let mut lines = vec![format!(
        "{table:<8} {:<24} {:<22} {:>12} {:>12} {:>7} {:>7} {:>14} {:>14}  kept as",
        "time", "operation", "rows +", "rows -", "files +", "files -", "bytes +", "bytes -"
    )];
    let rows = |amounts: &Amounts| amounts.rows.map_or("?".to_string(), |rows| rows.to_string());
    lines.extend(entries.iter().map(|entry| {
        let LedgerEntry { version, time, operation, added, removed, names } = entry;
        let time = time.format("%Y-%m-%dT%H:%M:%S%.3fZ");
        let line = format!(
            "{version:<8} {time:<24} {operation:<22} {:>12} {:>12} {:>7} {:>7} {:>14} {:>14}  {}",
            rows(added),
            rows(removed),
            added.files,
            removed.files,
            added.bytes,
            removed.bytes,
            names.join(", ")
        );
        line.trim_end().to_string()
    }));
    lines
}

fn restored_line(all: &Dry<Vec<Restored>>, done: &Restored) -> String {
    let Restored { table, from, to, files_added, files_removed, .. } = done;
    if files_added + files_removed == 0 {
        return format!("{table}: has the rows of version {to} already; nothing to restore");
    }
    let (would, version) = all.words(done.committed);
    let rows = |rows: Option<u64>| rows.map_or("unknown".to_string(), |rows| rows.to_string());
    format!(
        "{table}: {would}restored from version {from} to the rows of version {to}: {files_added} files ({} rows) added again, \
         {files_removed} files ({} rows) removed{version}",
        rows(done.rows_added),
        rows(done.rows_removed)
    )
}

fn undone_line(undone: &Dry<Undone>) -> String {
    let Undone { table, version, committed, files_added, files_removed } = &undone.done;
    let (would, by) = undone.words(*committed);
    format!(
        "{table}: version {version} {would}undone: {files_added} files added again, {files_removed} files removed{by}"
    )
}

fn deleted_lines(deleted: &Dry<Deleted>) -> Vec<String> {
    let tables = deleted.done.tables.iter().map(|done| {
        let (would, version) = deleted.words(done.committed);
        let written = match deleted.dry_run {
            true => String::new(),
            false => format!(" into {}", done.files_added),
        };
        format!(
            "{}: {} rows {would}deleted; {} files {would}rewritten{written}{version}",
            done.table, done.rows, done.files_removed
        )
    });
    let mut lines: Vec<_> = tables.collect();
    if deleted.done.objects_kept > 0 {
        lines.push(format!(
            "{} objects keep other sources: their rows in objects stay as their newest alert gave them",
            deleted.done.objects_kept
        ));
    }
    lines
}
