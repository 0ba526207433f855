//! Rows that are named by their objects or times, and the files that may hold them.

use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use futures::TryStreamExt;

use crate::error::{Error, Result};
use crate::schema::{KEY, TIME};
use crate::warehouse::{BATCH_ROWS, DataFile, Snapshot, read};

/// The rows of some objects, and all rows at some times.
#[derive(Clone, Debug)]
pub(super) struct RowChoice {
    /// Of which objects, ascending.
    pub keys: Arc<Vec<i64>>,
    /// At which times (MJD, TAI). A row without a time is at none.
    pub times_mjd: Option<RangeInclusive<f64>>,
}

impl RowChoice {
    /// Whether a file may hold such rows, by its ranges.
    pub(super) fn may_be_in(&self, file: &DataFile) -> bool {
        let first = self.keys.partition_point(|key| key < file.keys.start());
        let has_keys = self.keys.get(first).is_some_and(|key| key <= file.keys.end());
        let has_times = self.times_mjd.as_ref().is_some_and(|wanted| match &file.times_mjd {
            Some(times) => wanted.start() <= times.end() && times.start() <= wanted.end(),
            None => true,
        });
        (has_keys || has_times) && !file.is_empty()
    }

    /// The rows of a batch that are not among these.
    pub(super) fn others(&self, batch: &RecordBatch) -> Result<BooleanArray> {
        let selected = self.selected(batch)?;
        Ok(selected.into_iter().map(|selected| Some(!selected)).collect())
    }

    /// How many rows of a file are among these. Reads their keys and times alone.
    pub(super) async fn count(&self, snapshot: &Snapshot, file: &DataFile) -> Result<u64> {
        let mut rows = Box::pin(read(snapshot.store.clone(), file, Some(&[KEY, TIME]), BATCH_ROWS));
        let mut count = 0;
        while let Some(batch) = rows.try_next().await? {
            count += self.selected(&batch)?.into_iter().filter(|selected| *selected).count() as u64;
        }
        Ok(count)
    }

    /// Of each row of a batch, whether it is among these.
    pub(super) fn selected(&self, batch: &RecordBatch) -> Result<Vec<bool>> {
        let missing = |name: &str| Error::internal(format!("no column {name} of its type"));
        let column =
            batch.column_by_name(KEY).and_then(|keys| keys.as_primitive_opt::<Int64Type>());
        let column = column.ok_or_else(|| missing(KEY))?;
        let listed = |row: usize| {
            column.is_valid(row) && self.keys.binary_search(&column.value(row)).is_ok()
        };
        let Some(wanted) = &self.times_mjd else {
            return Ok((0..batch.num_rows()).map(listed).collect());
        };
        let times = batch.column_by_name(TIME);
        let times = times.and_then(|times| times.as_primitive_opt::<Float64Type>());
        let times = times.ok_or_else(|| missing(TIME))?;
        let within = |row: usize| times.is_valid(row) && wanted.contains(&times.value(row));
        Ok((0..batch.num_rows()).map(|row| within(row) || listed(row)).collect())
    }
}
