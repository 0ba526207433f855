//! Finds the copies of staged rows that a table has already, without reading the table.
//!
//! 1. A row whose id is in no file's range of ids is new: so are the measurements of a new night, since LSST ids grow with time.
//! 2. The key index names the pages of the objects that are left; these are read. Most staged rows are there with the same content: then
//!    nothing is left to decide.
//! 3. A source that is not there may be filed under another object. The files whose range has its id are read, first their ids alone. There
//!    are no such sources where the table has the whole history of its objects. Rows of other tables belong to their object.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, BooleanBufferBuilder, RecordBatch};
use arrow::buffer::BooleanBuffer;
use arrow::compute::{concat_batches, filter_record_batch};
use arrow::datatypes::{Int64Type, SchemaRef};
use futures::TryStreamExt;

use super::equal_copies::{Compared, compared};
use super::id_ranges::IdRanges;
use super::precedence::ranked;
use super::run::{BatchLimit, Run, RunWriter};
use super::staged::StagedRows;
use super::staged_ranks::{STAGED, staged_ranks};
use super::stored::read;
use crate::error::{Error, Result};
use crate::index::{IndexCache, TableIndex, Wanted};
use crate::scan::{Lookup, Projection, ScanMetrics, read_by_file};
use crate::schema::{KEY, Table};
use crate::warehouse::{ASCENDING, DataFile, Snapshot, Sorter};

/// Ids that are looked for at once, and staged rows with them: copies of a row may be in many runs. Rows take some 90 bytes each, and as
/// much again while they are compared.
const IDS_AT_ONCE: usize = 16 << 10;
const ROWS_AT_ONCE: usize = 256 << 10;
/// Memory for the pages of the key index. Each is used once or twice, since objects are looked for in their order.
const INDEX_BYTES: usize = 32 << 20;
/// So many rows are looked for under other objects at once: some 100 MiB.
const STRANGERS_AT_ONCE: usize = 2 << 20;

/// What was found.
pub(super) struct FoundCopies {
    /// The objects, ids and ranks of the copies that are to be compared with others, with the place of their file as number.
    pub copies: Run,
    /// For every staged row whether the table has a copy that says the same: it does not enter the table.
    pub present: BooleanBuffer,
    /// How many copies were found in all.
    pub count: usize,
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
    let ids = IdRanges::new(snapshot.files.iter().map(|file| file.ids.clone()));
    let possible = staged_ranks(table, staged, &columns, move |rows, _| {
        let of_rows = rows[table.id_column()].as_primitive::<Int64Type>().values();
        of_rows.iter().map(|id| ids.contain(*id)).collect()
    });
    let mut rows = sorter.sort(possible?, &[(KEY, ASCENDING)])?;
    let mut present = BooleanBufferBuilder::new(staged.kept());
    present.append_n(staged.kept(), false);
    let Some(first) = rows.try_next().await? else {
        let (copies, present) = (found.finish()?, present.finish());
        let (files, read) = (snapshot.files.clone(), ScanMetrics::default());
        return Ok(FoundCopies { copies, present, count: 0, files, read, strangers: 0 });
    };
    let cache = Arc::new(IndexCache::new(INDEX_BYTES));
    // Of all copies the one that is shown has the highest rank, so which it is need not be known.
    let index = Arc::new(TableIndex::open(snapshot.with_every_copy(), cache).await);
    let places = index.snapshot.files.iter().map(|file| file.path.clone()).zip(0..).collect();
    let (read, count, strangers) = (ScanMetrics::default(), 0, 0);
    let mut search =
        Search { table, index, columns, places, found, present, count, read, strangers };
    let mut strangers = HashSet::new();
    let mut some = Batch::default();
    some.add(table, &first);
    while let Some(rows) = rows.try_next().await? {
        some.add(table, &rows);
        if some.is_full() {
            search.find_some(std::mem::take(&mut some), &mut strangers).await?;
        }
    }
    search.find_some(some, &mut strangers).await?;
    search.find_strangers(&mut strangers).await?;
    let Search { found, mut present, count, index, read, strangers, .. } = search;
    let (copies, present, files) =
        (found.finish()?, present.finish(), index.snapshot.files.clone());
    Ok(FoundCopies { copies, present, count, files, read, strangers })
}

/// A search in one snapshot of a table.
struct Search {
    table: Table,
    index: Arc<TableIndex>,
    columns: SchemaRef,
    /// The place of each file in the snapshot.
    places: HashMap<object_store::path::Path, u64>,
    found: RunWriter,
    present: BooleanBufferBuilder,
    count: usize,
    read: ScanMetrics,
    strangers: usize,
}

impl Search {
    /// Looks for staged rows in the pages of their objects. Those that are not there become strangers.
    async fn find_some(&mut self, some: Batch, strangers: &mut HashSet<i64>) -> Result<()> {
        if some.keys.is_empty() {
            return Ok(());
        }
        let Batch { keys, ids, rows: staged } = some;
        let lookup = Lookup {
            table: self.index.clone(),
            projection: Arc::new(Projection::new(self.columns.clone())),
            wanted: Arc::new(Wanted { keys, times: None }),
            reversed: false,
            metrics: self.read.clone(),
        };
        let (mut missing, mut copies) = (ids.clone(), Vec::new());
        let mut rows = Box::pin(read_by_file(lookup));
        while let Some((file, rows)) = rows.try_next().await? {
            copies.extend(self.copies(&file.file, &rows, &ids, &mut missing)?);
        }
        if let (Some(staged_one), Some(copy)) = (staged.first(), copies.first()) {
            let staged = concat_batches(staged_one.schema_ref(), &staged)?;
            let copies = concat_batches(copy.schema_ref(), &copies)?;
            let Compared { same, open } = compared(self.table, &staged, &copies)?;
            for number in same {
                self.present.set_bit((number - STAGED) as usize, true);
            }
            self.found.write(open)?;
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
                if let Some(copies) = self.copies(file, &rows, strangers, &mut HashSet::new())? {
                    self.found.write(copies)?;
                }
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

    /// The ranks of those rows of a file that have one of some ids, which are not missing then.
    fn copies(
        &mut self,
        file: &DataFile,
        rows: &RecordBatch,
        ids: &HashSet<i64>,
        missing: &mut HashSet<i64>,
    ) -> Result<Option<RecordBatch>> {
        let is_copy = self.is_copy(rows, ids);
        if !is_copy.contains(&true) {
            return Ok(None);
        }
        let copies = filter_record_batch(rows, &BooleanArray::from(is_copy))?;
        for id in copies[self.table.id_column()].as_primitive::<Int64Type>().values() {
            missing.remove(id);
        }
        let place = self.places.get(&file.path);
        let place = place.ok_or_else(|| Error::internal("a file of another snapshot"))?;
        let places = std::iter::repeat_n(*place, copies.num_rows());
        self.count += copies.num_rows();
        ranked(self.table, &copies, places).map(Some)
    }
}

/// Staged rows that are looked for together.
#[derive(Default)]
struct Batch {
    /// Ascending, each once.
    keys: Vec<i64>,
    ids: HashSet<i64>,
    /// The rows themselves, ranked.
    rows: Vec<RecordBatch>,
}

impl Batch {
    /// Adds rows in the order of their keys.
    fn add(&mut self, table: Table, rows: &RecordBatch) {
        let [keys, ids] =
            [KEY, table.id_column()].map(|name| rows[name].as_primitive::<Int64Type>().values());
        self.keys.extend(keys);
        self.keys.dedup();
        self.ids.extend(ids);
        self.rows.push(rows.clone());
    }

    fn is_full(&self) -> bool {
        let rows: usize = self.rows.iter().map(RecordBatch::num_rows).sum();
        self.ids.len() >= IDS_AT_ONCE || rows >= ROWS_AT_ONCE
    }
}
