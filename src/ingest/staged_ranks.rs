//! Ranks staged rows: their object, id, [ranks](super::precedence) and number. Numbers follow the order of reading, so they say which row it
//! is whatever order the ranks are brought into.

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use futures::TryStreamExt;

use super::filter::passing;
use super::precedence::ranked;
use super::staged::StagedRows;
use crate::error::{Error, Result};
use crate::schema::Table;

/// The number of the first staged row. Less are the places of files.
pub(super) const STAGED: u64 = 1 << 40;

/// The ranks of the staged rows that are wanted, from the columns that ranks are made of. `are_wanted` is given a batch of rows, and how many
/// were read before it.
pub(super) fn staged_ranks(
    table: Table,
    staged: &StagedRows,
    columns: &SchemaRef,
    are_wanted: impl Fn(&RecordBatch, usize) -> Vec<bool> + Send + 'static,
) -> Result<SendableRecordBatchStream> {
    let schema = ranked(table, &RecordBatch::new_empty(columns.clone()), 0..0)?.schema();
    let mut before = 0;
    let mut ranks = move |rows: RecordBatch| -> Result<_> {
        let wanted = are_wanted(&rows, before);
        let numbers = (STAGED + before as u64..).zip(&wanted).filter(|(_, wanted)| **wanted);
        let numbers: Vec<_> = numbers.map(|(number, _)| number).collect();
        before += rows.num_rows();
        let rows = filter_record_batch(&rows, &BooleanArray::from(wanted))?;
        let all = BooleanArray::from(vec![true; rows.num_rows()]);
        Ok((ranked(table, &rows, numbers.into_iter())?, all))
    };
    let rows = staged.read(columns).map_err(Error::from);
    let rows = rows.and_then(move |rows| std::future::ready(ranks(rows)));
    Ok(passing(rows, schema))
}
