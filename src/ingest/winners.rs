//! Decides which copy of each row stays: [`Winners`] say which staged rows enter a table, and which rows leave it.
//!
//! Only ids and what [ranks](super::precedence) are made of are compared, of the staged rows that may have [other copies](super::repeats)
//! and of the [copies of them](super::stored_copies) that the table has. Where a staged row says the same as its only stored copy, that one
//! stays, and there is nothing to decide. All else is sorted by identity, then by rank, then stored ones first: the first copy of each row
//! is the one that stays. What is held in memory is three bits a staged row and the ids of rows that leave.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, BooleanBufferBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Int64Type, Schema, SchemaRef, UInt64Type};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt};

use super::precedence::{NUMBER, RANK, ranked_by};
use super::repeats::identity;
use super::run::BatchLimit;
use super::staged::StagedRows;
use super::staged_ranks::{STAGED, staged_ranks};
use super::stored_copies::stored_copies;
use crate::error::{Error, Result};
use crate::schema::{KEY, Table};
use crate::warehouse::{ASCENDING, DESCENDING, DataFile, Snapshot, Sorter};

/// The most rows that are replaced at once: their objects and ids are held in memory, some 30 bytes each.
const MOST_REPLACED: usize = 16 << 20;

/// The outcome for one table.
pub(crate) struct Winners {
    /// The staged rows that enter the table, in reading order.
    pub staged: BooleanBuffer,
    /// Those of them that replace a stored row.
    pub replacing: BooleanBuffer,
    /// The files that lose rows, and the objects and ids of these.
    pub touched: Vec<(DataFile, HashSet<(i64, i64)>)>,
    /// Ids that the table did not have.
    pub added: u64,
    /// Ids whose stored row is replaced by a staged one.
    pub replaced: u64,
}

/// Compares the staged rows of a table with each other and with those of a snapshot of it. `schema` has the columns of both. What does not
/// fit in memory goes to a folder.
pub(crate) async fn choose(
    table: Table,
    schema: &Schema,
    staged: &StagedRows,
    snapshot: Option<&Snapshot>,
    sorter: &Sorter,
    dir: &Path,
) -> Result<Winners> {
    let columns = ranked_by(table, schema);
    let (mut repeats, mut copies, mut files) = (staged.repeats.clone(), None, Vec::new());
    let mut present = BooleanBuffer::new_unset(staged.kept());
    if let Some(snapshot) = snapshot {
        let found = stored_copies(snapshot, columns.clone(), staged, sorter, dir).await?;
        tracing::debug!(
            table = table.name(),
            copies = found.count,
            pages = found.read.pages.value(),
            bytes = found.read.bytes.value(),
            strangers = found.strangers,
            "looked for copies"
        );
        let mut rows = found.copies.read(&ids(table, schema), BatchLimit::OF_IDS);
        while let Some(rows) = rows.try_next().await? {
            (0..rows.num_rows()).map(identity(table, &rows)).for_each(|row| repeats.add(row));
        }
        (copies, files, present) = (Some(found.copies), found.files, found.present);
    }
    let mut tally = UpsertTally::new(&present);
    let mut rows = staged_ranks(table, staged, &columns, move |rows, before| {
        let of_rows = (0..rows.num_rows()).map(identity(table, rows)).enumerate();
        of_rows.map(|(at, row)| !present.value(before + at) && repeats.may_have(row)).collect()
    })?;
    let fields = rows.schema();
    if let Some(copies) = copies {
        let all = copies.read(&fields, BatchLimit::OF_IDS).chain(rows);
        rows = Box::pin(RecordBatchStreamAdapter::new(fields.clone(), all));
    }
    let names = fields.fields().iter().map(|field| field.name().as_str());
    let ranks = names.filter(|name| name.starts_with(RANK)).map(|rank| (rank, DESCENDING));
    let order = table.identity_columns().iter().map(|name| (*name, ASCENDING)).chain(ranks);
    let order: Vec<_> = order.chain([(NUMBER, ASCENDING)]).collect();
    let mut sorted = sorter.sort(rows, &order)?;
    while let Some(batch) = sorted.try_next().await? {
        let [keys, ids] =
            [KEY, table.id_column()].map(|name| batch[name].as_primitive::<Int64Type>().values());
        let numbers = batch[NUMBER].as_primitive::<UInt64Type>().values();
        let identity = identity(table, &batch);
        for (at, &number) in numbers.iter().enumerate() {
            tally.take(identity(at), (keys[at], ids[at]), number)?;
        }
    }
    tally.finish(files)
}

/// The columns of the object and the id.
fn ids(table: Table, schema: &Schema) -> SchemaRef {
    let ids = schema.fields().iter();
    let ids = ids.filter(|field| [KEY, table.id_column()].contains(&field.name().as_str()));
    Arc::new(Schema::new(ids.cloned().collect::<Vec<_>>()))
}

/// Picks the first copy of each row from the sorted ones. Staged rows that it is not told of have no other copy.
struct UpsertTally {
    /// For every staged row whether it enters the table.
    enters: BooleanBufferBuilder,
    /// For every staged row whether it replaces a stored one.
    replaces: BooleanBufferBuilder,
    /// By the place of their file, the objects and ids that leave.
    leave: BTreeMap<u64, HashSet<(i64, i64)>>,
    leaving: usize,
    /// The identity of the current row, and the number of its winner.
    winner: Option<((i64, i64), u64)>,
    /// Whether the winner is a staged row that has replaced no stored one so far.
    is_new: bool,
    added: u64,
    replaced: u64,
}

impl UpsertTally {
    /// Of all staged rows, without those that the table has already.
    fn new(present: &BooleanBuffer) -> Self {
        let rows = present.len();
        let (mut enters, mut replaces) =
            (BooleanBufferBuilder::new(rows), BooleanBufferBuilder::new(rows));
        enters.append_buffer(&!present);
        replaces.append_n(rows, false);
        let (leave, winner) = (BTreeMap::new(), None);
        let added = (rows - present.count_set_bits()) as u64;
        let (leaving, is_new, replaced) = (0, false, 0);
        Self { enters, replaces, leave, leaving, winner, is_new, added, replaced }
    }

    /// Takes the next copy: the identity of its row, its object and id, and its number.
    fn take(&mut self, row: (i64, i64), filed: (i64, i64), number: u64) -> Result<()> {
        match self.winner {
            Some((of, winner)) if of == row => self.lose(filed, number, winner),
            _ => {
                self.winner = Some((row, number));
                self.is_new = number >= STAGED;
                Ok(())
            }
        }
    }

    /// A copy that does not stay. Copies in one file stay or leave together: no writer of ours makes two.
    fn lose(&mut self, filed: (i64, i64), number: u64, winner: u64) -> Result<()> {
        if number >= STAGED {
            self.enters.set_bit((number - STAGED) as usize, false);
            self.added -= 1;
            return Ok(());
        }
        if number == winner {
            return Ok(());
        }
        self.leaving += usize::from(self.leave.entry(number).or_default().insert(filed));
        if self.is_new {
            self.is_new = false;
            self.replaces.set_bit((winner - STAGED) as usize, true);
            self.added -= 1;
            self.replaced += 1;
        }
        if self.leaving > MOST_REPLACED {
            let text = format!(
                "more than {MOST_REPLACED} rows of the table would be replaced at once: ingest fewer alerts at once"
            );
            return Err(Error::argument(text));
        }
        Ok(())
    }

    fn finish(mut self, files: Vec<DataFile>) -> Result<Winners> {
        let file = |(place, ids): (u64, HashSet<(i64, i64)>)| {
            let file = files.get(place as usize).cloned();
            let file = file.ok_or_else(|| Error::internal("a copy in no file"))?;
            Ok((file, ids))
        };
        let touched = self.leave.into_iter().map(file).collect::<Result<_>>()?;
        let Self { added, replaced, .. } = self;
        let (staged, replacing) = (self.enters.finish(), self.replaces.finish());
        Ok(Winners { staged, replacing, touched, added, replaced })
    }
}
