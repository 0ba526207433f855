//! Finds the copies of staged rows that a table has already, without reading the table.
//!
//! 1. A row whose id is in no file's range of ids is new: so are the measurements of a new night, since LSST ids grow with time.
//! 2. The key index names the pages of the objects that are left; these are read.
//! 3. A source that is not there may be filed under another object. The files whose range has its id are read, first their ids alone. There
//!    are no such sources where the table has the whole history of its objects. Rows of other tables belong to their object.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{Int64Type, Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::filter::passing;
use super::id_ranges::IdRanges;
use super::precedence::ranked;
use super::run::{BatchLimit, Run, RunWriter};
use super::staged::StagedRows;
use super::stored::read;
use crate::error::{Error, Result};
use crate::index::{IndexCache, TableIndex, Wanted};
use crate::scan::{Lookup, Projection, ScanMetrics, read_by_file};
use crate::schema::{KEY, Table};
use crate::warehouse::{ASCENDING, DataFile, Snapshot, Sorter};

/// Staged rows that are looked for at once.
const ROWS_AT_ONCE: usize = 16 << 10;
/// Memory for the pages of the key index. Each is used once or twice, since objects are looked for in their order.
const INDEX_BYTES: usize = 32 << 20;
/// So many rows are looked for under other objects at once: some 100 MiB.
const STRANGERS_AT_ONCE: usize = 2 << 20;

/// What was found.
pub(super) struct FoundCopies {
    /// The objects, ids and ranks of all copies, with the place of their file as number.
    pub copies: Run,
    /// The files of the snapshot.
    pub files: Vec<DataFile>,
    /// What was read of the pages of objects.
    pub read: ScanMetrics,
    /// Rows that were looked for under other objects.
    pub strangers: usize,
}

/// Finds the copies of staged rows in a snapshot of their table, of which these columns are read: the id, and what ranks are made of. What
/// is found is kept in a folder.
pub(super) async fn stored_copies(
    snapshot: &Snapshot,
    columns: SchemaRef,
    staged: &StagedRows,
    sorter: &Sorter,
    dir: &Path,
) -> Result<FoundCopies> {
    let table = snapshot.table;
    let schema = ranked(table, &RecordBatch::new_empty(columns.clone()), 0..0)?.schema();
    let path = dir.join(format!("{}-copies.arrow", table.name()));
    let found = RunWriter::create(&path, &schema, BatchLimit::OF_IDS)?;
    let mut rows = sorter.sort(possible(snapshot, staged)?, &[(KEY, ASCENDING)])?;
    let Some(first) = rows.try_next().await? else {
        let (copies, files) = (found.finish()?, snapshot.files.clone());
        return Ok(FoundCopies { copies, files, read: ScanMetrics::default(), strangers: 0 });
    };
    let cache = Arc::new(IndexCache::new(INDEX_BYTES));
    // Of all copies the one that is shown has the highest rank, so which it is need not be known.
    let index = Arc::new(TableIndex::open(snapshot.with_every_copy(), cache).await);
    let places = index.snapshot.files.iter().map(|file| file.path.clone()).zip(0..).collect();
    let (read, strangers) = (ScanMetrics::default(), 0);
    let mut search = Search { table, index, columns, places, found, read, strangers };
    let mut strangers = HashSet::new();
    let mut some = Batch::default();
    some.add(table, &first);
    while let Some(rows) = rows.try_next().await? {
        some.add(table, &rows);
        if some.ids.len() >= ROWS_AT_ONCE {
            search.find_some(std::mem::take(&mut some), &mut strangers).await?;
        }
    }
    search.find_some(some, &mut strangers).await?;
    search.find_strangers(&mut strangers).await?;
    let Search { found, index, read, strangers, .. } = search;
    Ok(FoundCopies {
        copies: found.finish()?,
        files: index.snapshot.files.clone(),
        read,
        strangers,
    })
}

/// Key and id of the staged rows whose id may be in the table.
fn possible(snapshot: &Snapshot, staged: &StagedRows) -> Result<SendableRecordBatchStream> {
    let id = snapshot.table.id_column();
    let mut columns = vec![staged.schema.field_with_name(KEY)?.clone()];
    if id != KEY {
        columns.push(staged.schema.field_with_name(id)?.clone());
    }
    let columns = Arc::new(Schema::new(columns));
    let ids = IdRanges::new(snapshot.files.iter().map(|file| file.ids.clone()));
    let rows = staged.read(&columns).map_err(Error::from).and_then(move |rows| {
        let of_rows = rows[id].as_primitive::<Int64Type>().values();
        let may_be: Vec<_> = of_rows.iter().map(|id| ids.contain(*id)).collect();
        std::future::ready(Ok((rows, BooleanArray::from(may_be))))
    });
    Ok(passing(rows, columns))
}

/// A search in one snapshot of a table.
struct Search {
    table: Table,
    index: Arc<TableIndex>,
    columns: SchemaRef,
    /// The place of each file in the snapshot.
    places: HashMap<object_store::path::Path, u64>,
    found: RunWriter,
    read: ScanMetrics,
    strangers: usize,
}

impl Search {
    /// Looks for staged rows in the pages of their objects. Those that are not there become strangers.
    async fn find_some(&mut self, some: Batch, strangers: &mut HashSet<i64>) -> Result<()> {
        if some.keys.is_empty() {
            return Ok(());
        }
        let Batch { keys, ids } = some;
        let lookup = Lookup {
            table: self.index.clone(),
            projection: Arc::new(Projection::new(self.columns.clone())),
            wanted: Arc::new(Wanted { keys, times: None }),
            reversed: false,
            metrics: self.read.clone(),
        };
        let mut missing = ids.clone();
        let mut rows = Box::pin(read_by_file(lookup));
        while let Some((file, rows)) = rows.try_next().await? {
            self.keep(&file.file, &rows, &ids, &mut missing)?;
        }
        if !self.table.identity_columns().contains(&KEY) {
            strangers.extend(missing);
        }
        if strangers.len() >= STRANGERS_AT_ONCE {
            self.find_strangers(strangers).await?;
        }
        Ok(())
    }

    /// Looks for rows in all files that may have them, whatever their object.
    async fn find_strangers(&mut self, strangers: &mut HashSet<i64>) -> Result<()> {
        self.strangers += strangers.len();
        let mut ids: Vec<_> = strangers.iter().copied().collect();
        ids.sort_unstable();
        let index = self.index.clone();
        for file in &index.snapshot.files {
            let next = ids.partition_point(|id| id < file.ids.start());
            if ids.get(next).is_none_or(|id| id > file.ids.end()) {
                continue;
            }
            let store = &index.snapshot.store;
            let id =
                Arc::new(self.columns.project(&[self.columns.index_of(self.table.id_column())?])?);
            let mut ids = Box::pin(read(store.clone(), file.clone(), id));
            let mut has = false;
            while let Some(rows) = ids.try_next().await? {
                has |= self.is_copy(&rows, strangers).contains(&true);
            }
            if !has {
                continue;
            }
            let mut rows = Box::pin(read(store.clone(), file.clone(), self.columns.clone()));
            while let Some(rows) = rows.try_next().await? {
                self.keep(file, &rows, strangers, &mut HashSet::new())?;
            }
        }
        strangers.clear();
        Ok(())
    }

    /// For each row whether it has one of some ids.
    fn is_copy(&self, rows: &RecordBatch, ids: &HashSet<i64>) -> Vec<bool> {
        let of_rows = rows[self.table.id_column()].as_primitive::<Int64Type>().values();
        of_rows.iter().map(|id| ids.contains(id)).collect()
    }

    /// Keeps those rows of a file that have one of some ids, which are not missing then.
    fn keep(
        &mut self,
        file: &DataFile,
        rows: &RecordBatch,
        ids: &HashSet<i64>,
        missing: &mut HashSet<i64>,
    ) -> Result<()> {
        let is_copy = self.is_copy(rows, ids);
        if !is_copy.contains(&true) {
            return Ok(());
        }
        let copies = filter_record_batch(rows, &BooleanArray::from(is_copy))?;
        for id in copies[self.table.id_column()].as_primitive::<Int64Type>().values() {
            missing.remove(id);
        }
        let place = self.places.get(&file.path);
        let place = place.ok_or_else(|| Error::internal("a file of another snapshot"))?;
        let places = std::iter::repeat_n(*place, copies.num_rows());
        self.found.write(ranked(self.table, &copies, places)?)
    }
}

/// Staged rows that are looked for together.
#[derive(Default)]
struct Batch {
    /// Ascending, each once.
    keys: Vec<i64>,
    ids: HashSet<i64>,
}

impl Batch {
    /// Adds rows in the order of their keys.
    fn add(&mut self, table: Table, rows: &RecordBatch) {
        let [keys, ids] =
            [KEY, table.id_column()].map(|name| rows[name].as_primitive::<Int64Type>().values());
        self.keys.extend(keys);
        self.keys.dedup();
        self.ids.extend(ids);
    }
}
