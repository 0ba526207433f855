//! The table of places: which objects have a source in a cell of the sky, or lie there themselves. Before files of sources and objects are
//! committed, the cells of their rows are added to it, and the files say so in their tags; a search reads all other files. So it does not
//! matter who wrote a file, or when the table of places was begun, and nothing that another program does makes a search miss an object.
//!
//! It is a set that only grows: rows that are deleted, or go back to an older version, leave places that lead to no object.

use std::mem;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Float64Type, Int64Type};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{Stream, StreamExt, TryStreamExt, stream};

use super::files::InPlaces;
use super::rewrite::{IN_FILES, write};
use super::{ATTEMPTS, BATCH_ROWS, Change, DataFile, Operation, Snapshot, SortedWriter, Sorter};
use super::{Warehouse, read};
use crate::astronomy::{CELL_ORDER, cell};
use crate::error::{Error, Kind, Result};
use crate::schema::{CELL, KEY, Table, new_table_schema};

/// Memory for sorting.
const SORT_BYTES: usize = 64 << 20;
/// The columns that are read of a file.
const COLUMNS: [&str; 3] = [KEY, "ra", "dec"];

/// What [`Warehouse::note_places`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct NotedPlaces {
    /// Files whose places were not known.
    pub files: usize,
    /// Their rows.
    pub rows: u64,
}

impl DataFile {
    /// Whether the cells of all its rows are in a table of places.
    pub fn is_in(&self, places: &Snapshot) -> bool {
        self.tag.places.is_some_and(|since| {
            since.table_id == places.table_id && since.version <= places.version
        })
    }
}

impl Warehouse {
    /// Adds the cells of files of sources or objects, which need not be committed yet, to the table of places, and says so in their tags.
    /// Those that say it already are passed over. What does not fit into memory is sorted in `spill_dir`.
    pub async fn add_places<'a>(
        &self,
        files: impl IntoIterator<Item = &'a mut DataFile>,
        spill_dir: &Path,
    ) -> Result<()> {
        let places = self.snapshot(Table::Places, None).await?;
        let is_new = |file: &DataFile| !places.as_ref().is_some_and(|places| file.is_in(places));
        let new: Vec<_> = files.into_iter().filter(|file| is_new(file)).collect();
        if new.is_empty() {
            return Ok(());
        }
        let rows_of = new.iter().map(|file| DataFile::clone(file)).collect();
        let since = self.write_places(rows_of, places, spill_dir).await;
        let since = since.map_err(|error| {
            error.context("table places; of what lies there nothing was committed")
        })?;
        for file in new {
            file.tag.places = Some(since);
        }
        Ok(())
    }

    /// The same for all files of the newest version of the sources or the objects: for those that were written when there were no places,
    /// or by others. `NotFound` if there is no such table, `Conflict` if other writers were first in every attempt.
    pub async fn note_places(&self, table: Table) -> Result<NotedPlaces> {
        let (spill_dir, mut attempt) = (tempfile::tempdir()?, 1);
        loop {
            let base = self.snapshot(table, None).await?;
            let base = base.ok_or_else(|| self.no_table(table))?;
            let places = self.snapshot(Table::Places, None).await?;
            let is_new =
                |file: &&DataFile| !places.as_ref().is_some_and(|places| file.is_in(places));
            let mut new: Vec<_> = base.files.iter().filter(is_new).cloned().collect();
            let noted = NotedPlaces {
                files: new.len(),
                rows: new.iter().filter_map(|file| file.rows).sum(),
            };
            if new.is_empty() {
                return Ok(noted);
            }
            self.add_places(&mut new, spill_dir.path()).await?;
            let (operation, schema) = (Operation::NotePlaces, base.schema.clone());
            let change = Change { operation, schema, add: new, remove: Vec::new() };
            match self.commit(table, Some(&base), change).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                done => return done.map(|_| noted),
            }
        }
    }

    /// Writes and commits the cells of some files.
    async fn write_places(
        &self,
        files: Vec<DataFile>,
        base: Option<Snapshot>,
        spill_dir: &Path,
    ) -> Result<InPlaces> {
        let schema = new_table_schema(Table::Places);
        let (store, of_rows) = (self.location.store.clone(), schema.clone());
        let rows = stream::iter(files)
            .flat_map(move |file| read(store.clone(), &file, Some(&COLUMNS), BATCH_ROWS))
            .and_then(move |rows| {
                let cells = cells(&rows).and_then(|[cells, keys]| {
                    Ok(RecordBatch::try_new(
                        of_rows.clone(),
                        vec![Arc::new(cells), Arc::new(keys)],
                    )?)
                });
                std::future::ready(cells)
            });
        let rows =
            RecordBatchStreamAdapter::new(schema.clone(), rows.map_err(DataFusionError::from));
        let sorter = Sorter::new(SORT_BYTES, spill_dir)?;
        let order = Table::Places.sort_columns().iter().map(|name| (*name, IN_FILES));
        let sorted = sorter.sort(Box::pin(rows), &order.collect::<Vec<_>>())?;
        let writer = SortedWriter::new(self, Table::Places, schema);
        let add = write(writer, distinct(sorted)).await?;
        self.commit_places(base, add).await
    }

    /// The version that has these files.
    async fn commit_places(
        &self,
        mut base: Option<Snapshot>,
        add: Vec<DataFile>,
    ) -> Result<InPlaces> {
        let mut attempt = 1;
        loop {
            if let (Some(base), true) = (&base, add.is_empty()) {
                return Ok(InPlaces { table_id: base.table_id, version: base.version });
            }
            let (operation, schema) = (Operation::Ingest, new_table_schema(Table::Places));
            let change = Change { operation, schema, add: add.clone(), remove: Vec::new() };
            let version = match self.commit(Table::Places, base.as_ref(), change).await {
                Err(error) if error.kind() == Kind::Conflict && attempt < ATTEMPTS => {
                    attempt += 1;
                    base = self.snapshot(Table::Places, None).await?;
                    continue;
                }
                done => done?,
            };
            let table_id = match &base {
                Some(base) => base.table_id,
                None => {
                    let made = self.snapshot(Table::Places, None).await?;
                    made.ok_or_else(|| self.no_table(Table::Places))?.table_id
                }
            };
            return Ok(InPlaces { table_id, version });
        }
    }
}

/// The cells and objects of rows. Sources of an object follow each other, and most of them are in one cell: that is one row.
fn cells(rows: &RecordBatch) -> Result<[Int64Array; 2]> {
    let keys = rows.column_by_name(KEY).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
    let keys = keys.ok_or_else(|| Error::internal(format!("no int64 column {KEY}")))?;
    let double = |name| {
        let column = rows.column_by_name(name)?;
        column.as_primitive_opt::<Float64Type>()
    };
    let mut found: Vec<(i64, i64)> = Vec::new();
    // Without the columns no row has a place.
    if let (Some(ra), Some(dec)) = (double("ra"), double("dec")) {
        for ((key, ra), dec) in keys.iter().zip(ra).zip(dec) {
            let (Some(key), Some(ra), Some(dec)) = (key, ra, dec) else { continue };
            let Some(cell) = cell(CELL_ORDER, [ra, dec]) else { continue };
            if found.last() != Some(&(cell, key)) {
                found.push((cell, key));
            }
        }
    }
    let (cells, keys): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    Ok([cells.into(), keys.into()])
}

/// Rows of places, which are in order, each once.
pub(super) fn distinct(
    rows: impl Stream<Item = Result<RecordBatch>>,
) -> impl Stream<Item = Result<RecordBatch>> {
    let mut last = None;
    rows.and_then(move |rows| std::future::ready(without_repeats(&rows, &mut last)))
}

fn without_repeats(rows: &RecordBatch, last: &mut Option<[i64; 2]>) -> Result<RecordBatch> {
    let [cells, keys] = [CELL, KEY].map(|name| rows[name].as_primitive::<Int64Type>().values());
    let is_new = cells.iter().zip(keys).map(|(cell, key)| {
        let row = Some([*cell, *key]);
        mem::replace(last, row) != row
    });
    let is_new: BooleanArray = is_new.map(Some).collect();
    Ok(filter_record_batch(rows, &is_new)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(columns: [&[i64]; 2]) -> RecordBatch {
        let columns = columns.map(|values| Arc::new(Int64Array::from(values.to_vec())) as _);
        RecordBatch::try_new(new_table_schema(Table::Places), columns.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn repeated_rows_are_left_out_also_between_batches() {
        let batches = [rows([&[1, 1, 2], &[7, 7, 7]]), rows([&[2, 2, 3], &[7, 8, 8]])];
        let batches = stream::iter(batches.map(Ok));
        let left: Vec<_> = distinct(batches).try_collect().await.unwrap();
        assert_eq!(left, [rows([&[1, 2], &[7, 7]]), rows([&[2, 3], &[8, 8]])]);
    }
}
