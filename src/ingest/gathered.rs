//! Rows of one table and schema, gathered in memory until they are sorted into a [`Run`]. Of copies of a row that are neighbours in the
//! order of the table, as most copies are, only the one that [stays](super::precedence) is kept.

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{
    LexicographicalComparator, SortColumn, SortOptions, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::SchemaRef;

use super::precedence::{RANK, ranked, ranked_by};
use super::repeats::{Repeats, identity};
use super::run::Run;
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::{DESCENDING, bytes_of, joined};

/// Rows that are ranked at once.
const RANKED_AT_ONCE: usize = 16 << 10;
/// Bytes that a row takes while rows are sorted: its number, and the values by which it is sorted.
const ORDER_BYTES: usize = 32;

pub(super) struct GatheredRows {
    pub schema: SchemaRef,
    pub batches: Vec<RecordBatch>,
    /// The memory that they take, and will take while they are sorted.
    pub bytes: usize,
    /// The bytes of a row in the batch with the longest rows.
    pub row_bytes: usize,
}

impl GatheredRows {
    pub(super) fn new(schema: SchemaRef) -> Self {
        Self { schema, batches: Vec::new(), bytes: 0, row_bytes: 0 }
    }

    pub(super) fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() > 0 {
            self.bytes += batch.get_array_memory_size() + batch.num_rows() * ORDER_BYTES;
            self.row_bytes = self.row_bytes.max(bytes_of(batch)? / batch.num_rows());
            self.batches.push(batch.clone());
        }
        Ok(())
    }

    /// All rows so far; none are left.
    pub(super) fn take(&mut self) -> Self {
        let none = Self::new(self.schema.clone());
        std::mem::replace(self, none)
    }

    /// The rows in the order of their table, which are added to the repeats.
    pub(super) fn sorted(self, table: Table, repeats: &mut Repeats) -> Result<Run> {
        let rows = joined(&self.schema, self.batches)?;
        let by = table.sort_columns().iter().filter_map(|name| rows.column_by_name(name));
        let options = Some(SortOptions::default());
        let by: Vec<_> = by.map(|values| SortColumn { values: values.clone(), options }).collect();
        let order = best_of_neighbours(table, &rows, &lexsort_to_indices(&by, None)?)?;
        let identity = identity(table, &rows);
        order.iter().for_each(|row| repeats.add(identity(*row as usize)));
        Ok(Run::in_memory(rows, UInt32Array::from(order)))
    }
}

/// The order without the copies that another copy beside them is better than.
fn best_of_neighbours(table: Table, rows: &RecordBatch, order: &UInt32Array) -> Result<Vec<u32>> {
    let identity = identity(table, rows);
    let ranked_by = ranked_by(table, rows.schema_ref());
    let columns = ranked_by.fields().iter().map(|field| rows.schema_ref().index_of(field.name()));
    let columns = rows.project(&columns.collect::<Result<Vec<_>, _>>()?)?;
    let mut best = Vec::with_capacity(order.len());
    let (mut copies, mut count) = (Vec::new(), 0);
    for group in order.values().chunk_by(|a, b| identity(*a as usize) == identity(*b as usize)) {
        if group.len() > 1 {
            copies.push((best.len(), group));
            count += group.len();
        }
        best.push(group[0]);
        if count >= RANKED_AT_ONCE {
            choose(table, &columns, &copies, &mut best)?;
            copies.clear();
            count = 0;
        }
    }
    choose(table, &columns, &copies, &mut best)?;
    Ok(best)
}

/// Puts the best of each group of copies in its place.
fn choose(
    table: Table,
    columns: &RecordBatch,
    copies: &[(usize, &[u32])],
    best: &mut [u32],
) -> Result<()> {
    if copies.is_empty() {
        return Ok(());
    }
    let all = UInt32Array::from_iter_values(copies.iter().flat_map(|(_, group)| *group).copied());
    let ranked = ranked(table, &take_record_batch(columns, &all)?, 0..all.len() as u64)?;
    let fields = ranked.schema_ref().fields().iter().zip(ranked.columns());
    let ranks = fields.filter(|(field, _)| field.name().starts_with(RANK));
    let options = Some(DESCENDING);
    let ranks = ranks.map(|(_, values)| SortColumn { values: values.clone(), options });
    let order = LexicographicalComparator::try_new(&ranks.collect::<Vec<_>>())?;
    let mut start = 0;
    for (place, group) in copies {
        let first = (start..start + group.len()).min_by(|a, b| order.compare(*a, *b));
        best[*place] = all.value(first.unwrap_or(start));
        start += group.len();
    }
    Ok(())
}
