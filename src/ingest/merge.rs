//! Merges sorted runs: takes from all of them the rows up to one that none of the others has left behind, and sorts these.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::order::{RowPlace, places};
use crate::error::Result;
use crate::schema::Table;
use crate::warehouse::taken;

/// The batches of a run, in the order of the table.
pub(super) type SortedBatches = Box<dyn Iterator<Item = Result<RecordBatch>> + Send>;

/// Runs that are being merged, of the same schema. One batch of each is in memory, and the rows that are sorted.
pub(super) struct RunMerge {
    table: Table,
    schema: SchemaRef,
    runs: Vec<MergedRun>,
    /// Rows that are sorted and not given yet.
    sorted: Option<RecordBatch>,
    most_rows: usize,
}

struct MergedRun {
    batches: SortedBatches,
    /// What is left of the current batch, which has rows.
    rows: RecordBatch,
    places: Vec<RowPlace>,
}

impl RunMerge {
    /// Gives batches of so many rows at most.
    pub(super) fn new(
        table: Table,
        schema: SchemaRef,
        runs: Vec<SortedBatches>,
        most_rows: usize,
    ) -> Result<Self> {
        let runs = runs.into_iter().filter_map(|run| MergedRun::begun(table, run).transpose());
        let runs = runs.collect::<Result<_>>()?;
        Ok(Self { table, schema, runs, sorted: None, most_rows })
    }

    /// The next rows in the order of the table, of all runs up to the first end of one; `None` after the last.
    fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        let ends = self.runs.iter().filter_map(|run| run.places.last());
        let Some(end) = ends.map(RowPlace::order).min() else { return Ok(None) };
        let (mut pieces, mut left) = (Vec::new(), Vec::new());
        for mut run in self.runs.drain(..) {
            pieces.extend(run.take_up_to(end));
            let run = match run.places.is_empty() {
                true => MergedRun::begun(self.table, run.batches)?,
                false => Some(run),
            };
            left.extend(run);
        }
        self.runs = left;
        if let [one] = &mut pieces[..] {
            return Ok(Some(one.clone()));
        }
        let mut places = places(self.table, &pieces)?;
        // The pieces are sorted, which this sort makes use of.
        places.sort();
        let order: Vec<_> = places.iter().map(|place| place.row).collect();
        Ok(Some(taken(&self.schema, pieces, &order.into())?))
    }
}

impl MergedRun {
    /// A run at its first row; `None` if it has none.
    fn begun(table: Table, mut batches: SortedBatches) -> Result<Option<Self>> {
        while let Some(rows) = batches.next().transpose()? {
            if rows.num_rows() > 0 {
                let places = places(table, std::slice::from_ref(&rows))?;
                return Ok(Some(Self { batches, rows, places }));
            }
        }
        Ok(None)
    }

    /// The rows of the current batch up to a place in the order, if there are any.
    fn take_up_to(&mut self, end: (i64, i64, i64)) -> Option<RecordBatch> {
        let count = self.places.partition_point(|place| place.order() <= end);
        self.places.drain(..count);
        let rows = self.rows.slice(0, count);
        self.rows = self.rows.slice(count, self.places.len());
        (count > 0).then_some(rows)
    }
}

impl Iterator for RunMerge {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = match self.sorted.take() {
            Some(rows) => rows,
            None => match self.next_rows().transpose()? {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            },
        };
        let count = rows.num_rows().min(self.most_rows);
        if count < rows.num_rows() {
            self.sorted = Some(rows.slice(count, rows.num_rows() - count));
        }
        Some(Ok(rows.slice(0, count)))
    }
}
