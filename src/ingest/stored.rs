//! Reads chosen columns of the rows that a table already has, in file order.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, TryStreamExt, stream};
use object_store::ObjectStore;

use super::evolution::conform;
use crate::error::{Error, Kind, Result};
use crate::warehouse::{self, BATCH_ROWS, DataFile};

/// Reads all rows of a file, with the columns of `schema`; columns that the file does not have are null. A file with another number of rows
/// than the log says ends with a `Storage` error.
pub(crate) fn read(
    store: Arc<dyn ObjectStore>,
    file: DataFile,
    schema: SchemaRef,
) -> impl Stream<Item = Result<RecordBatch>> + Send {
    let columns: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let rows = Box::pin(warehouse::read(store, &file, Some(&columns), BATCH_ROWS));
    let expected = file.rows.unwrap_or_default() as usize;
    stream::try_unfold((rows, 0), move |(mut rows, read)| {
        let (file, schema) = (file.clone(), schema.clone());
        async move {
            let batch = rows.try_next().await?;
            let read = read + batch.as_ref().map_or(0, RecordBatch::num_rows);
            if read > expected || (batch.is_none() && read < expected) {
                let message = format!("/{}: {read} rows, but {expected} in the log", file.path);
                return Err(Error::new(Kind::Storage, message));
            }
            let Some(batch) = batch else { return Ok(None) };
            Ok(Some((conform(&batch, &schema)?, (rows, read))))
        }
    })
}
