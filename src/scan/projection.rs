//! The columns of a scan in the files of its table: which of them to decode in a file, and how they become batches of the table's schema. A
//! column that a file lacks is null.

use std::sync::{Arc, Weak};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use parking_lot::Mutex;

use crate::error::{Error, Result};
use crate::index::{FileColumns, Leaf};

/// The same values in the type of the table's column. Errors: `Input` for a value that the type does not hold, against what the file's
/// statistics say.
pub(crate) fn exactly(values: &ArrayRef, column: &str, data_type: &DataType) -> Result<ArrayRef> {
    if values.data_type() == data_type {
        return Ok(values.clone());
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, data_type, &exact)
        .map_err(|error| Error::input(format!("column {column}: {error}")))
}

/// About what a text takes in memory, with its offset.
const TEXT_BYTES: usize = 24;

/// About what a row takes in memory, with its bits for nulls.
pub fn row_bytes(schema: &Schema) -> usize {
    let width = |data_type: &DataType| match data_type {
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(TEXT_BYTES),
    };
    schema.fields().iter().map(|field| width(field.data_type())).sum::<usize>().max(1)
}

/// Some columns of a table.
#[derive(Debug)]
pub struct Projection {
    /// The columns of the batches.
    pub schema: SchemaRef,
    /// The projections to the files read so far, one for each set of file columns. There are few different ones.
    files: Mutex<Vec<Arc<FileProjection>>>,
}

/// Some columns of a table in the files that have the same columns.
#[derive(Debug)]
pub struct FileProjection {
    /// The columns of these files. A plan is used for longer than a file, and must not keep it alive.
    columns: Weak<FileColumns>,
    /// In the order of the file.
    pub leaves: Vec<Leaf>,
    /// For each column of the batches its place among the leaves; `None` if the files lack it.
    places: Vec<Option<usize>>,
}

impl Projection {
    /// The stored columns that are the fields of `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, files: Mutex::default() }
    }

    /// What to read of a file with these columns.
    pub fn for_file(&self, columns: &Arc<FileColumns>) -> Result<Arc<FileProjection>> {
        let mut files = self.files.lock();
        if let Some(known) =
            files.iter().find(|known| known.columns.as_ptr() == Arc::as_ptr(columns))
        {
            return Ok(known.clone());
        }
        let names = self.schema.fields().iter().map(|field| field.name());
        let found: Vec<_> = names.map(|name| columns.named(name)).collect();
        let mut leaves: Vec<_> = found.iter().copied().flatten().collect();
        leaves.sort_unstable();
        let place = |leaf: Option<usize>| leaves.binary_search(&leaf?).ok();
        let places = found.into_iter().map(place).collect();
        let leaves = leaves.into_iter().map(|column| columns.leaf(column));
        let new = Arc::new(FileProjection {
            places,
            leaves: leaves.collect::<Result<_>>()?,
            columns: Arc::downgrade(columns),
        });
        files.retain(|known| known.columns.strong_count() > 0);
        files.push(new.clone());
        Ok(new)
    }

    /// A batch of the answer, from the decoded leaves of a file in their order; `constants` are the columns that have one value in
    /// all its rows.
    pub fn batch(
        &self,
        file: &FileProjection,
        constants: &[(String, ScalarValue)],
        decoded: &[ArrayRef],
        rows: usize,
    ) -> Result<RecordBatch> {
        let columns = file.places.iter().zip(self.schema.fields()).map(|(place, field)| {
            if let Some(values) = place.and_then(|place| decoded.get(place)) {
                return exactly(values, field.name(), field.data_type());
            }
            match constants.iter().find(|(name, _)| name == field.name()) {
                Some((_, value)) => Ok(value.to_array_of_size(rows)?),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}
