//! Sorted batches to Parquet files of bounded size. In: batches in the table's order. Out: the
//! [`DataFile`]s to commit. Files that are never committed are invisible, and vacuum's to remove.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::{DataFile, Warehouse};
use crate::error::Result;
use crate::schema::Table;

/// Writes one table's files in key order, in memory of one row group whatever the size. A new file begins once
/// the current one is full and the object changes, so the files of one writer are disjoint in keys.
pub struct SortedWriter {}

impl SortedWriter {
    pub fn new(_warehouse: &Warehouse, _table: Table, _schema: SchemaRef) -> Self {
        todo!()
    }

    /// Appends rows; they must not sort before those already written (`Internal` error otherwise).
    pub async fn write(&mut self, _batch: &RecordBatch) -> Result<()> {
        todo!()
    }

    /// Completes the last file. Without any row there is no file.
    pub async fn finish(self) -> Result<Vec<DataFile>> {
        todo!()
    }

    /// Deletes what was written, after a failure.
    pub async fn abort(self) {
        todo!()
    }
}
