//! Merges staged rows into the tables, with one commit per table, and counts the rows that were new, replaced an older copy, or were there
//! already.
//!
//! A row is its [identity](Table::identity_columns): of all copies, staged and stored, the one
//! with the greatest [precedence](crate::schema::provenance#precedence) stays, and the stored one where a copy says the same. So the tables
//! are a function of the set of alerts ever ingested, not of how they were split, ordered or repeated. It also makes
//! ingest exactly-once by itself: after a crash between two commits the same ingest, run again, finds its
//! rows present where they were committed and adds them where not. (No `txn` action of Delta is needed; it
//! would know batches, and could not tell that two of them overlap.)
//!
//! # Steps
//! 1. [Choose](super::winners) the winners of each id.
//! 2. Merge the runs of staged rows into new files, of which only winners are taken; copy the files that lose rows without them.
//!    [Objects](Table::has_updates) mostly replace others, in files all over the table: there the rows that lose stay where they are, and
//!    what replaces them is added as an update.
//! 3. Once the files of all tables are written: commit the [places](Warehouse::add_places) of the new sources and objects, then sources and
//!    forced photometry, then objects.
//!
//! A table that someone else changed meanwhile goes through all steps again on its new state.
//!
//! # Memory
//! Half of `memory_bytes` is the pool of the sorts, one at a time: what does not fit spills to the temporary folder. A quarter is for staged
//! rows: those that are gathered, then the batches of their runs. While rows are gathered and while they are merged there is no sort; of what is
//! its half, the rows that are put in order take as much as they are. The last quarter is for what neither counts, whatever the number of rows:
//! the row group being written and one being read, of a table of 120 columns about 20 MB each, and a few batches between them. Only the marks
//! of the winners grow: three bits for each staged row, some bytes for each row that is replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::buffer::BooleanBuffer;

use arrow::array::RecordBatch;
use arrow::compute::SortOptions;
use futures::{Stream, TryStreamExt};
use tempfile::TempDir;

use super::IngestOptions;
use super::evolution::extend;
use super::filter::without;
use super::staged::StagedRows;
use super::staging::Staging;
use super::stored::read;
use super::winners::{Winners, choose};
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{
    ATTEMPTS, Change, DataFile, FileTag, MergePolicy, Operation, Positions, Snapshot, SortedWriter,
    Sorter, Warehouse, described,
};

/// What became of the staged rows of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Merged {
    /// Ids that the table did not have.
    pub added: u64,
    /// Ids whose stored row was replaced by a staged one.
    pub replaced: u64,
    /// Rows that changed nothing: the table, or this ingest, has a copy with the same content or a higher precedence.
    pub present: u64,
}

/// Merges the staged rows into the tables, and says in the last of them how far streams have been `read`. Files that it wrote and did not commit are to be [discarded](Warehouse::discard_uncommitted). A
/// table that does not exist yet is created, with or without rows, if its columns are known; a table that does not change gets no commit.
/// An error before the first commit leaves the tables as they were. A later error says so; the same ingest, run again, completes them.
pub(crate) async fn upsert(
    warehouse: &Warehouse,
    staging: Staging,
    options: &IngestOptions,
    read: &Positions,
) -> Result<Upserted> {
    let (dir, staged) = staging.finish()?;
    let sorter = Sorter::new(options.memory_bytes / 2, dir.path())?;
    let rewrite_bytes = options.rewrite_bytes;
    let upsert = Upsert { warehouse, staged, sorter, dir, rewrite_bytes, read };
    let mut drafts = Vec::new();
    for table in Table::ALL {
        let draft = upsert.draft(table).await;
        drafts.push(draft.map_err(|error| error.context(format!("table {}", table.name())))?);
    }
    upsert.add_places(&mut drafts).await?;
    let mut merged = Table::ALL.map(|table| (table, Merged::default()));
    let mut read_in = None;
    for ((table, result), draft) in merged.iter_mut().zip(drafts) {
        let doing = || format!("committing table {} (run this ingest again)", table.name());
        (*result, read_in) = upsert.commit(draft).await.map_err(|error| error.context(doing()))?;
        if table.has_updates() && result.replaced > 0 {
            upsert.fold_if_cheap(*table).await;
        }
    }
    Ok(Upserted { merged, read_in })
}

/// What an upsert did.
#[derive(Debug)]
pub(crate) struct Upserted {
    /// What became of the staged rows of each table.
    pub merged: [(Table, Merged); 3],
    /// The version of the last table that says how far streams have been read, if there is one.
    pub read_in: Option<u64>,
}

struct Upsert<'a> {
    warehouse: &'a Warehouse,
    staged: BTreeMap<Table, StagedRows>,
    sorter: Sorter,
    /// The folder of the staged rows.
    dir: TempDir,
    rewrite_bytes: u64,
    /// How far streams have been read, for the commit of the last table.
    read: &'a Positions,
}

/// A change of a table whose files are written but not committed.
struct UpsertDraft {
    table: Table,
    base: Option<Snapshot>,
    /// The change; `None` if nothing changes.
    change: Option<Change>,
    merged: Merged,
}

impl Upsert<'_> {
    /// Compares with the newest state of a table and writes what changes it.
    async fn draft(&self, table: Table) -> Result<UpsertDraft> {
        let mut base = self.warehouse.snapshot(table, None).await?;
        let Some(staged) = self.staged.get(&table) else {
            return Ok(self.unchanged(table, base, Merged::default()));
        };
        if base.as_ref().is_some_and(|base| self.folds_first(base, staged)) {
            self.warehouse.fold(table, &MergePolicy::DEFAULT).await?;
            base = self.warehouse.snapshot(table, None).await?;
        }
        let (schema, grows) = match &base {
            Some(base) => {
                let schema = extend(table, &base.schema, &staged.schema)?;
                let grows = schema.fields().len() > base.schema.fields().len();
                (schema, grows)
            }
            None => (staged.schema.clone(), true),
        };
        let (base_rows, dir) = (base.as_ref(), self.dir.path());
        let winners = choose(table, &schema, staged, base_rows, &self.sorter, dir).await?;
        let Winners { added, replaced, .. } = winners;
        let merged = Merged { added, replaced, present: staged.rows - added - replaced };
        // Rows that updates have replaced before lose again, and stay.
        let waiting = base_rows.is_some_and(|base| base.update_files().next().is_some());
        let changes = replaced > 0 || (!waiting && !winners.touched.is_empty());
        if !grows && added == 0 && !changes {
            return Ok(self.unchanged(table, base, merged));
        }
        let (operation, schema) = (Operation::Ingest, Arc::new(schema));
        let mut change = Change { operation, schema, add: Vec::new(), remove: Vec::new() };
        // Whoever commits rows in between makes this a conflict, and whoever commits none leaves all numbers as they are.
        let next = base.as_ref().map_or(0, |base| base.version + 1);
        let number = if table.has_updates() { next } else { 0 };
        match &base {
            Some(base) if self.leaves_updates(base, &winners) => {
                self.write_updates(table, staged, winners, number, &mut change).await?;
            }
            _ => self.write(table, staged, winners, number, &mut change).await?,
        }
        Ok(UpsertDraft { table, base, change: Some(change), merged })
    }

    /// A draft that changes no row: it says at most how far streams have been read.
    fn unchanged(&self, table: Table, base: Option<Snapshot>, merged: Merged) -> UpsertDraft {
        let says = table == Table::LAST && !self.read.next.is_empty();
        let change = base.as_ref().filter(|_| says).map(|base| Change {
            operation: Operation::Ingest,
            schema: base.schema.clone(),
            add: Vec::new(),
            remove: Vec::new(),
        });
        UpsertDraft { table, base, change, merged }
    }

    /// Writes the winning staged rows, and the rows that stay of each file that loses some. No update before a number is newer than the new
    /// rows.
    async fn write(
        &self,
        table: Table,
        staged: &StagedRows,
        winners: Winners,
        number: u64,
        change: &mut Change,
    ) -> Result<()> {
        change.remove.extend(winners.touched.iter().map(|(file, _)| file.clone()));
        let schema = &change.schema;
        let writer = || SortedWriter::new(self.warehouse, table, schema.clone());
        let new = self.write_staged(staged, winners.staged, writer()).await?;
        for file in new {
            let tag = FileTag { folded: number, new_rows: true, ..file.tag.clone() };
            change.add.push(DataFile { tag, ..file });
        }
        let store = &self.warehouse.location().store;
        let (touched, leaving): (Vec<_>, Vec<_>) = winners.touched.into_iter().unzip();
        for (file, leaving) in described(store, table, touched).await?.into_iter().zip(leaving) {
            let (sorted, name) = (file.sorted, format!("rewriting /{}", file.path));
            let tag = file.tag.clone();
            let rows = read(store.clone(), file, schema.clone());
            let rows = without(rows, table, schema.clone(), leaving);
            let written = match sorted {
                true => write_sorted(writer(), rows.map_err(Error::from)).await,
                false => write_sorted(writer(), self.sorter.sort(rows, &order(table))?).await,
            };
            let written = written.map_err(|error| error.context(name))?;
            change.add.extend(written.into_iter().map(|new| new.in_place_of(&tag)));
        }
        Ok(())
    }

    /// Writes the staged rows whose bit is set.
    async fn write_staged(
        &self,
        staged: &StagedRows,
        wanted: BooleanBuffer,
        writer: SortedWriter,
    ) -> Result<Vec<DataFile>> {
        let (table, schema) = (writer.table(), writer.schema().clone());
        let rows = staged.merged(table, &schema, &wanted, self.dir.path());
        write_sorted(writer, rows.map_err(Error::from)).await
    }

    /// Adds what the drafts write to the places, so that these get one commit.
    async fn add_places<'d>(
        &self,
        drafts: impl IntoIterator<Item = &'d mut UpsertDraft>,
    ) -> Result<()> {
        let have_places = drafts.into_iter().filter(|draft| draft.table.has_places());
        let changes = have_places.filter_map(|draft| draft.change.as_mut());
        let files = changes.flat_map(|change| &mut change.add);
        self.warehouse.add_places(files, self.dir.path()).await
    }

    /// Fails with `Conflict` where the table has changed meanwhile, even if there was nothing to commit: rows that were there may be
    /// deleted now.
    async fn commit_once(&self, draft: &mut UpsertDraft) -> Result<Option<u64>> {
        self.add_places([&mut *draft]).await?;
        let UpsertDraft { table, base, change, .. } = draft;
        if let Some(change) = change {
            let none = Positions::default();
            let read = if *table == Table::LAST { self.read } else { &none };
            let committed = self.warehouse.commit_read(*table, base.as_ref(), change.clone(), read);
            return committed.await.map(Some);
        }
        let has_rows = self.staged.contains_key(table);
        match !has_rows || self.warehouse.has_rows_of(*table, base.as_ref()).await? {
            true => Ok(None),
            false => Err(Error::new(Kind::Conflict, "another writer changed the table first")),
        }
    }

    /// Commits a draft. If the table has changed meanwhile, a new draft is made.
    async fn commit(&self, mut draft: UpsertDraft) -> Result<(Merged, Option<u64>)> {
        let table = draft.table;
        let mut attempt = 1;
        loop {
            let error = match self.commit_once(&mut draft).await {
                Ok(version) => return Ok((draft.merged, version)),
                Err(error) => error,
            };
            if error.kind() != Kind::Conflict {
                return Err(error);
            }
            if let Some(change) = &draft.change {
                self.warehouse.discard(&change.add).await;
            }
            if attempt == ATTEMPTS {
                return Err(
                    error.context(format!("other writers committed first {ATTEMPTS} times"))
                );
            }
            tracing::info!(table = table.name(), "another writer committed first: merging again");
            attempt += 1;
            draft = self.draft(table).await?;
        }
    }
}

/// The order of the rows in files.
fn order(table: Table) -> Vec<(&'static str, SortOptions)> {
    table.sort_columns().iter().map(|name| (*name, SortOptions::default())).collect()
}

async fn write_sorted(
    mut writer: SortedWriter,
    mut rows: impl Stream<Item = Result<RecordBatch>> + Unpin,
) -> Result<Vec<DataFile>> {
    while let Some(batch) = rows.try_next().await? {
        writer.write(&batch).await?;
    }
    writer.finish().await
}

#[cfg(test)]
mod tests;
mod updates;
