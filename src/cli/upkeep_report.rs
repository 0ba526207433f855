//! What `diaflight maintain run` would do, and what it did, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::schema::Table;
use crate::warehouse::{Compacted, Level, Merge, Vacuumed};

/// The merges that are due.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct DueMerges(pub Vec<DueMerge>);

/// A merge that is due.
#[derive(Serialize)]
pub(super) struct DueMerge {
    table: &'static str,
    files: usize,
    bytes: u64,
    from: Level,
    to: Level,
    range: Option<i64>,
    why: String,
}

impl DueMerge {
    pub(super) fn new(table: Table, merge: &Merge) -> Self {
        Self {
            table: table.name(),
            files: merge.files.len(),
            bytes: merge.bytes(),
            from: merge.from,
            to: merge.to,
            range: merge.range,
            why: merge.why.clone(),
        }
    }
}

impl Display for DueMerges {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing is due");
        }
        write!(
            f,
            "{:<8} {:>7} {:>15} {:<8} {:<20} why",
            "table", "files", "bytes", "level", "range"
        )?;
        for DueMerge { table, files, bytes, from, to, range, why } in &self.0 {
            let levels = format!("{} -> {}", u8::from(*from), u8::from(*to));
            let range = range.map_or("all".to_string(), |start| start.to_string());
            write!(f, "\n{table:<8} {files:>7} {bytes:>15} {levels:<8} {range:<20} {why}")?;
        }
        Ok(())
    }
}

/// What was done to each table.
#[derive(Default, Serialize)]
#[serde(transparent)]
pub(super) struct UpkeepReport {
    pub tables: BTreeMap<&'static str, TableUpkeep>,
}

impl UpkeepReport {
    /// Whether there was something to do.
    pub(super) fn has_work(&self) -> bool {
        self.tables.values().any(|table| table.merges > 0 || table.vacuumed.is_some())
    }
}

/// What was done to a table.
#[derive(Default, Serialize)]
pub(super) struct TableUpkeep {
    merges: usize,
    bytes_merged: u64,
    #[serde(flatten)]
    compacted: Compacted,
    vacuumed: Option<Vacuumed>,
    log_files_deleted: usize,
}

impl TableUpkeep {
    /// Counts a merge.
    pub(super) fn add(&mut self, merge: &Merge, done: &Compacted) {
        self.merges += 1;
        self.bytes_merged += merge.bytes();
        self.compacted.files_removed += done.files_removed;
        self.compacted.files_added += done.files_added;
        self.compacted.rows += done.rows;
    }

    /// Counts a vacuum, and what was deleted of the log.
    pub(super) fn add_cleaned(&mut self, log_files_deleted: usize, done: &Vacuumed) {
        self.log_files_deleted += log_files_deleted;
        let all = self.vacuumed.get_or_insert_default();
        all.files_deleted += done.files_deleted;
        all.bytes_deleted += done.bytes_deleted;
        all.uploads_ended += done.uploads_ended;
    }
}

impl Display for UpkeepReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let lines = self.tables.iter().map(|(table, done)| {
            let Compacted { files_removed, files_added, rows } = done.compacted;
            let merged = format!(
                "{table}: {} merges of {files_removed} files into {files_added}, {rows} rows, {} bytes",
                done.merges, done.bytes_merged
            );
            match &done.vacuumed {
                None => merged,
                Some(Vacuumed { files_deleted, bytes_deleted, uploads_ended }) => format!(
                    "{merged}; {files_deleted} files deleted, {bytes_deleted} bytes; {uploads_ended} unfinished uploads ended; {} old files of the log deleted",
                    done.log_files_deleted
                ),
            }
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
