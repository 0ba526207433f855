//! Writes rows in the table's order as files that end where key ranges end.

use std::mem;
use std::pin::pin;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use futures::{Stream, TryStreamExt};

use crate::error::{Error, Result};
use crate::warehouse::{DataFile, SortedWriter};

/// How far a merge is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MergeProgress {
    /// What is merged, in bytes of the files that are read.
    pub bytes: u64,
    /// Their bytes in all.
    pub bytes_total: u64,
}

/// Told now and then how far a merge is.
pub(super) type TellProgress<'a> = &'a (dyn Fn(MergeProgress) + Send + Sync);

/// Writes the rows before the first start, from each start to the next, and from the last one on: the files of each, if there are any. The
/// rows so far are told after each batch.
pub(super) async fn write_segments(
    writer: impl Fn() -> SortedWriter,
    rows: impl Stream<Item = Result<RecordBatch>>,
    starts: &[i64],
    told: &(dyn Fn(u64) + Send + Sync),
) -> Result<Vec<Vec<DataFile>>> {
    let (mut segments, mut open, mut count) = (Vec::new(), writer(), 0);
    let mut rows = pin!(rows);
    while let Some(batch) = rows.try_next().await? {
        count += batch.num_rows() as u64;
        let mut rest = batch;
        while let Some(start) = starts.get(segments.len()) {
            let before = rows_before(&rest, open.table().key(), *start)?;
            if before == rest.num_rows() {
                break;
            }
            open.write(&rest.slice(0, before)).await?;
            segments.push(mem::replace(&mut open, writer()).finish().await?);
            rest = rest.slice(before, rest.num_rows() - before);
        }
        open.write(&rest).await?;
        told(count);
    }
    segments.push(open.finish().await?);
    segments.resize(starts.len() + 1, Vec::new());
    Ok(segments)
}

/// How many rows of a batch, which is in order, have keys before `start`.
fn rows_before(batch: &RecordBatch, key: &str, start: i64) -> Result<usize> {
    let keys = batch.column_by_name(key).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
    let keys = keys.ok_or_else(|| Error::internal(format!("no int64 column {key}")))?;
    Ok(keys.values().partition_point(|key| *key < start))
}
