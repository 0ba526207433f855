//! The rows a table already has. In: a file of it. Out: its rows, in file order.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use futures::{Stream, TryStreamExt};
use object_store::ObjectStore;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::{ParquetObjectReader, ParquetRecordBatchStreamBuilder};

use super::evolution::conform;
use super::staging::BATCH_ROWS;
use crate::error::{Error, Kind, Result};
use crate::warehouse::DataFile;

/// All rows of a file with the columns of `schema` alone. Only those columns are read. A file that has not
/// the rows the log says is a `Storage` error: merging counts on them.
pub async fn read(
    store: Arc<dyn ObjectStore>,
    file: DataFile,
    schema: SchemaRef,
) -> Result<impl Stream<Item = Result<RecordBatch>>> {
    let named = |e: Error| e.context(&file.path);
    let reader = ParquetObjectReader::new(store, file.path.clone()).with_file_size(file.size_bytes);
    let builder = ParquetRecordBatchStreamBuilder::new(reader).await;
    let builder = builder.map_err(|e| named(e.into()))?;
    let rows = builder.metadata().file_metadata().num_rows();
    if rows != file.rows as i64 {
        let message = format!("{}: {rows} rows, but {} in the log", file.path, file.rows);
        return Err(Error::new(Kind::Storage, message));
    }
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let mask = ProjectionMask::columns(builder.parquet_schema(), names);
    let stream = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build();
    let stream = stream.map_err(|e| named(e.into()))?;
    let path = file.path;
    Ok(stream
        .map_err(move |e| Error::from(e).context(&path))
        .and_then(move |batch| std::future::ready(conform(&batch, &schema))))
}
