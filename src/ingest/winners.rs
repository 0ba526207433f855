//! Decides which copy of each row stays: [`Winners`] say which staged rows enter a table, and which rows leave it.
//!
//! Only ids and what [ranks](super::precedence) are made of are read, and only of files whose ids overlap the staged ones. Every
//! row gets a number: those of the files first, in file order, then the staged ones in reading order. Sorted
//! by id, then by rank, then by number, the first row of each id is the one that stays; the number makes a
//! row that is already in the table stay where a copy says the same. What is held in memory is one bit a row.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{
    AsArray, BooleanArray, BooleanBufferBuilder, Int64Array, RecordBatch, UInt64Array,
};
use arrow::buffer::BooleanBuffer;
use arrow::compute::kernels::cmp::{gt_eq, lt_eq};
use arrow::compute::{and, filter, filter_record_batch};
use arrow::datatypes::{Int64Type, Schema, UInt64Type};
use datafusion::execution::SendableRecordBatchStream;
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectStore;

use super::filter::passing;
use super::precedence::{ranked_by, ranks};
use super::staging::StagedRows;
use super::stored::read;
use crate::error::{Error, Result};
use crate::schema::Table;
use crate::warehouse::{ASCENDING, DESCENDING, DataFile, Sorter};

const NUMBER: &str = "number";

/// The outcome for one table.
pub(crate) struct Winners {
    /// The staged rows that enter the table, in reading order.
    pub staged: BooleanBuffer,
    /// The files that lose rows, and which of their rows stay.
    pub touched: Vec<(DataFile, BooleanBuffer)>,
    /// Ids that the table did not have.
    pub added: u64,
    /// Ids whose stored row is replaced by a staged one.
    pub replaced: u64,
}

/// Compares the staged rows of a table with each other and with those of its `files` in `store`. `schema` has the columns of both.
pub(crate) async fn choose(
    table: Table,
    schema: &Schema,
    staged: &StagedRows,
    store: &Arc<dyn ObjectStore>,
    files: &[DataFile],
    sorter: &Sorter,
) -> Result<Winners> {
    let files = overlapping(files, staged);
    let ranked = ranked(table, schema, staged, store, &files)?;
    let schema = ranked.schema();
    let order = schema.fields().iter().map(|field| match field.name().as_str() {
        name if name == NUMBER || name == table.id_column() => (name, ASCENDING),
        rank => (rank, DESCENDING),
    });
    let mut sorted = sorter.sort(ranked, &order.collect::<Vec<_>>())?;
    let mut tally = UpsertTally::new(files.iter().filter_map(|file| file.rows).sum(), staged.rows);
    while let Some(batch) = sorted.try_next().await? {
        let ids = batch[table.id_column()].as_primitive::<Int64Type>().values();
        let numbers = batch[NUMBER].as_primitive::<UInt64Type>().values();
        for (&id, &number) in ids.iter().zip(numbers) {
            tally.take(id, number as usize);
        }
    }
    Ok(tally.finish(files))
}

/// The files that may hold staged ids.
fn overlapping(files: &[DataFile], staged: &StagedRows) -> Vec<DataFile> {
    let Some(ids) = &staged.ids else { return Vec::new() };
    let overlaps =
        |file: &&DataFile| file.ids.start() <= ids.end() && ids.start() <= file.ids.end();
    files.iter().filter(overlaps).cloned().collect()
}

/// Id, ranks and number of the rows of `files`, then of the staged rows. Stored rows outside the range of staged ids are left out, since no
/// staged row can replace them.
fn ranked(
    table: Table,
    schema: &Schema,
    staged: &StagedRows,
    store: &Arc<dyn ObjectStore>,
    files: &[DataFile],
) -> Result<SendableRecordBatchStream> {
    let narrow = ranked_by(table, schema);
    let ranked = rank(table, 0, &RecordBatch::new_empty(narrow.clone()), None)?.schema();
    let new = staged.read(&narrow).map_err(Error::from);
    let store = store.clone();
    let stored = stream::iter(files.to_vec())
        .flat_map(move |file| read(store.clone(), file, narrow.clone()));
    let ids = staged.ids.clone();
    let mut numbered = 0;
    let rows = stored.chain(new).map(move |batch| {
        let batch = batch?;
        let first = numbered;
        numbered += batch.num_rows() as u64;
        let ranked = rank(table, first, &batch, ids.as_ref())?;
        let all = BooleanArray::from(vec![true; ranked.num_rows()]);
        Ok((ranked, all))
    });
    Ok(passing(rows, ranked))
}

/// The id, the ranks (named by their place) and the number of rows whose id is in `ids`.
fn rank(
    table: Table,
    first: u64,
    rows: &RecordBatch,
    ids: Option<&RangeInclusive<i64>>,
) -> Result<RecordBatch> {
    let numbers = UInt64Array::from_iter_values(first..first + rows.num_rows() as u64);
    let within = within(rows[table.id_column()].as_primitive(), ids)?;
    let (numbers, rows) = (filter(&numbers, &within)?, filter_record_batch(rows, &within)?);
    let ranks = ranks(table, &rows)?.into_iter().enumerate();
    let columns = std::iter::once((table.id_column().to_string(), rows[table.id_column()].clone()))
        .chain(ranks.map(|(place, rank)| (format!("rank {place}"), rank)))
        .chain([(NUMBER.to_string(), numbers)]);
    let columns = columns.map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

fn within(column: &Int64Array, ids: Option<&RangeInclusive<i64>>) -> Result<BooleanArray> {
    let Some(ids) = ids else { return Ok(BooleanArray::from(vec![true; column.len()])) };
    let (least, greatest) =
        (Int64Array::new_scalar(*ids.start()), Int64Array::new_scalar(*ids.end()));
    Ok(and(&gt_eq(column, &least)?, &lt_eq(column, &greatest)?)?)
}

/// Picks the first row of each id from the sorted rows.
struct UpsertTally {
    stored_rows: usize,
    /// For every row, by number, whether it is in the table afterwards.
    stays: BooleanBufferBuilder,
    /// The current id, and whether its winner is a staged row that has replaced no stored one so far.
    id: Option<i64>,
    is_new: bool,
    added: u64,
    replaced: u64,
}

impl UpsertTally {
    fn new(stored_rows: u64, staged_rows: u64) -> Self {
        let mut stays = BooleanBufferBuilder::new((stored_rows + staged_rows) as usize);
        stays.append_n(stored_rows as usize, true);
        stays.append_n(staged_rows as usize, false);
        let stored_rows = stored_rows as usize;
        Self { stored_rows, stays, id: None, is_new: false, added: 0, replaced: 0 }
    }

    fn take(&mut self, id: i64, number: usize) {
        let wins = self.id != Some(id);
        let stored = number < self.stored_rows;
        self.stays.set_bit(number, wins);
        if wins {
            self.id = Some(id);
            self.is_new = !stored;
            self.added += u64::from(self.is_new);
        } else if stored && self.is_new {
            self.is_new = false;
            self.added -= 1;
            self.replaced += 1;
        }
    }

    fn finish(mut self, files: Vec<DataFile>) -> Winners {
        let stays = self.stays.finish();
        let mut first = 0;
        let files = files.into_iter().map(|file| {
            let count = file.rows.unwrap_or_default() as usize;
            let rows = stays.slice(first, count);
            first += count;
            (file, rows)
        });
        let touched = files.filter(|(_, stays)| stays.count_set_bits() < stays.len()).collect();
        let staged = stays.slice(self.stored_rows, stays.len() - self.stored_rows);
        Winners { staged, touched, added: self.added, replaced: self.replaced }
    }
}
