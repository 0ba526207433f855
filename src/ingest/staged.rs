//! The staged rows of one table: read in one order as often as needed, or merged in the order of the table.

use std::collections::VecDeque;
use std::path::Path;

use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, stream};

use super::merge::{RunMerge, SortedBatches};
use super::repeats::Repeats;
use super::run::{BatchLimit, MERGED_AT_ONCE, Run, RunWriter, on_a_thread};
use crate::error::Result;
use crate::schema::Table;

/// Rows that were staged.
#[derive(Debug)]
pub(crate) struct StagedRows {
    /// Columns that hold the rows of every run.
    pub schema: Schema,
    /// How many were staged. Of copies of a row, runs may have less.
    pub rows: u64,
    /// The bytes of a row in the batch with the longest rows.
    pub row_bytes: usize,
    /// Each in the order of the table.
    pub(super) runs: Vec<Run>,
    /// Which rows of the runs may have copies.
    pub(super) repeats: Repeats,
    /// The memory for staged rows.
    pub(super) memory_bytes: usize,
}

impl StagedRows {
    /// How many rows the runs have.
    pub(crate) fn kept(&self) -> usize {
        self.runs.iter().map(|run| run.rows).sum()
    }

    /// Reads the rows of one run after the other, with the columns of `schema`. Other columns are not decoded.
    pub(crate) fn read(&self, schema: &SchemaRef) -> SendableRecordBatchStream {
        let (runs, of_runs, limit) = (self.runs.clone(), schema.clone(), self.limit());
        let rows = stream::iter(runs).flat_map(move |run| run.read(&of_runs, limit));
        Box::pin(RecordBatchStreamAdapter::new(schema.clone(), rows))
    }

    /// Reads those rows that have a bit, in the order of the table, with the columns of `schema`, on a thread of its own. If there are many
    /// runs, some are merged first, into files of a folder.
    pub(crate) fn merged(
        &self,
        table: Table,
        schema: &SchemaRef,
        stays: &BooleanBuffer,
        dir: &Path,
    ) -> SendableRecordBatchStream {
        let mut start = 0;
        let with_bits = self.runs.iter().map(|run| {
            let bits = stays.slice(start, run.rows);
            start += run.rows;
            (run.clone(), Some(bits))
        });
        let has_some =
            |(_, bits): &PartOfRun| bits.as_ref().is_some_and(|bits| bits.count_set_bits() > 0);
        let runs: VecDeque<_> = with_bits.filter(has_some).collect();
        let (schema, limit, dir) = (schema.clone(), self.limit(), dir.to_owned());
        on_a_thread(schema.clone(), move || merged(table, &schema, runs, limit, &dir))
    }

    fn limit(&self) -> BatchLimit {
        BatchLimit::new(self.row_bytes, self.memory_bytes)
    }
}

/// A run, and which of its rows are wanted; `None` for all.
type PartOfRun = (Run, Option<BooleanBuffer>);

/// The rows of runs in the order of the table.
fn merged(
    table: Table,
    schema: &SchemaRef,
    mut runs: VecDeque<PartOfRun>,
    limit: BatchLimit,
    dir: &Path,
) -> Result<RunMerge> {
    let merge = |some: &mut dyn Iterator<Item = PartOfRun>| {
        let rows = some.map(|(run, wanted)| -> Result<SortedBatches> {
            Ok(Box::new(run.rows(schema, limit, wanted)?))
        });
        RunMerge::new(table, schema.clone(), rows.collect::<Result<_>>()?, limit.rows)
    };
    let mut number = 0;
    while runs.len() > MERGED_AT_ONCE {
        let path = dir.join(format!("{}-merged-{number}.arrow", table.name()));
        let mut file = RunWriter::create(&path, schema, limit)?;
        for batch in merge(&mut runs.drain(..MERGED_AT_ONCE))? {
            file.write(batch?)?;
        }
        runs.push_back((file.finish()?, None));
        number += 1;
    }
    merge(&mut runs.into_iter())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Int64Type};
    use futures::TryStreamExt;

    use super::super::IngestOptions;
    use super::super::staging::Staging;
    use super::*;
    use crate::schema::{Family, KEY, TIME, stored_field};

    const ROWS: i64 = 20_000;
    const ID: &str = "diaForcedSourceId";

    fn schema() -> SchemaRef {
        let long = |name| stored_field(Family::Rubin, name, DataType::Int64);
        let time = stored_field(Family::Rubin, TIME, DataType::Float64);
        Arc::new(Schema::new(vec![long(KEY), time, long(ID)]))
    }

    /// Measurements of ten per object, whose ids are scrambled.
    fn batch(ids: impl Iterator<Item = i64>) -> RecordBatch {
        let ids: Vec<_> = ids.map(|n| n * 7919 % ROWS).collect();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(ids.iter().map(|id| id / 10).collect::<Int64Array>()),
            Arc::new(ids.iter().map(|id| 61_000.0 + (id % 10) as f64).collect::<Float64Array>()),
            Arc::new(Int64Array::from(ids)),
        ];
        RecordBatch::try_new(schema(), columns).unwrap()
    }

    async fn ids_of(rows: SendableRecordBatchStream) -> Vec<i64> {
        let rows: Vec<_> = rows.try_collect().await.unwrap();
        rows.iter()
            .flat_map(|rows| rows[ID].as_primitive::<Int64Type>().values().to_vec())
            .collect()
    }

    /// All rows twice, half of the copies at once and half later, in runs in memory or in more than are merged at once.
    #[tokio::test]
    async fn runs_are_merged_in_the_order_of_the_table() {
        for (memory_bytes, most_runs) in [(64 << 20, 1), (1 << 20, MERGED_AT_ONCE), (1 << 15, 1000)]
        {
            let options = IngestOptions { memory_bytes, ..IngestOptions::default() };
            let mut staging = Staging::create(&options).unwrap();
            for start in (0..ROWS).step_by(100) {
                let again = (start % 200 == 0).then_some(start..start + 100);
                let ids = (start..start + 100).chain(again.into_iter().flatten());
                staging.push(Table::Fp, &batch(ids)).unwrap();
            }
            for start in (100..ROWS).step_by(200) {
                staging.push(Table::Fp, &batch(start..start + 100)).unwrap();
            }
            let (dir, tables) = staging.finish().unwrap();
            let staged = &tables[&Table::Fp];
            assert_eq!(staged.rows, 2 * ROWS as u64);
            let runs = staged.runs.len();
            assert!(runs <= most_runs && (most_runs < 1000 || runs > MERGED_AT_ONCE), "{runs}");
            let expected = if runs == 1 { ROWS } else { ROWS + ROWS / 2 };
            assert!(staged.kept() >= ROWS as usize && staged.kept() <= expected as usize);

            let read = ids_of(staged.read(&schema())).await;
            assert_eq!(read.len(), staged.kept());
            let mut stays: Vec<_> = read.iter().map(|id| id % 3 > 0).collect();
            for all in [false, true] {
                stays.iter_mut().for_each(|stays| *stays |= all);
                let (schema, bits) = (schema(), stays.clone().into());
                let rows = staged.merged(Table::Fp, &schema, &bits, dir.path());
                let merged = ids_of(rows).await;
                let chosen = read.iter().zip(&stays).filter(|(_, stays)| **stays);
                let mut chosen: Vec<_> = chosen.map(|(id, _)| *id).collect();
                chosen.sort_unstable();
                assert_eq!(merged, chosen, "{memory_bytes} bytes");
            }
        }
    }
}
