//! A Parquet file as a stream of batches in its own order, from any object storage.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, Stream, StreamExt, TryFutureExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::arrow::{ParquetRecordBatchStreamBuilder, ProjectionMask};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};

use super::DataFile;
use super::data_file::group_keys;
use super::stored_names::stored_schema;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;

/// Enough for the footer of a small file; one more request reads a larger one.
const FOOTER_BYTES: usize = 64 << 10;
const FOOTERS_AT_ONCE: usize = 16;

/// The rows of a file in its order, in batches of up to `batch_rows`, in memory of one row group of the
/// columns asked for. Columns have their stored names; of those asked for, the ones the file does
/// not have are left out. A file that is gone or unreadable is a `Storage` error naming it.
pub fn read(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    columns: Option<&[&str]>,
    batch_rows: usize,
) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
    read_keys(store, file, columns, batch_rows, i64::MIN..=i64::MAX)
}

/// As [`read`] does, but leaves out row groups that have none of some keys, by their statistics.
pub fn read_keys(
    store: Arc<dyn ObjectStore>,
    file: &DataFile,
    columns: Option<&[&str]>,
    batch_rows: usize,
    keys: RangeInclusive<i64>,
) -> impl Stream<Item = Result<RecordBatch>> + Send + use<> {
    let name = file.path.clone();
    let columns = columns.map(|names| names.iter().map(|name| name.to_string()).collect());
    let reader = FileReader { store, path: file.path.clone(), size: file.size_bytes };
    let opened = open(reader, columns, batch_rows, keys);
    opened.try_flatten_stream().map_err(move |error| failed(&name, error))
}

async fn open(
    mut reader: FileReader,
    columns: Option<Vec<String>>,
    batch_rows: usize,
    keys: RangeInclusive<i64>,
) -> Result<impl Stream<Item = Result<RecordBatch, ParquetError>>, ParquetError> {
    let footer = ArrowReaderMetadata::load_async(&mut reader, options()).await?;
    let stored = stored_schema(footer.schema());
    let wanted = |name: &String| columns.as_ref().is_none_or(|names| names.contains(name));
    let roots = stored.fields().iter().enumerate().filter(|(_, field)| wanted(field.name()));
    let roots: Vec<_> = roots.map(|(index, _)| index).collect();
    let schema = Arc::new(stored.project(&roots)?);
    let ranges = group_keys(footer.metadata());
    let groups = ranges.into_iter().enumerate().filter(|(_, of_group)| {
        let Some(of_group) = of_group else { return true };
        of_group.start() <= keys.end() && keys.start() <= of_group.end()
    });
    let groups = groups.map(|(group, _)| group).collect();
    let builder = ParquetRecordBatchStreamBuilder::new_with_metadata(reader, footer);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let builder = builder.with_projection(mask).with_row_groups(groups);
    let batches = builder.with_batch_size(batch_rows).build()?;
    Ok(batches.map(move |batch| {
        let batch = batch?;
        let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = batch.columns().to_vec();
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &rows)?)
    }))
}

/// The schema and statistics at the end of a file. What cannot be read is a `Storage` error naming it.
pub async fn footer(
    store: Arc<dyn ObjectStore>,
    path: &Path,
    size: u64,
) -> Result<ArrowReaderMetadata> {
    read_footer(store, path, size, options()).await
}

/// The same, with the page index.
pub(crate) async fn footer_with_pages(
    store: Arc<dyn ObjectStore>,
    path: &Path,
    size: u64,
) -> Result<ArrowReaderMetadata> {
    let options = options().with_page_index_policy(PageIndexPolicy::Required);
    read_footer(store, path, size, options).await
}

async fn read_footer(
    store: Arc<dyn ObjectStore>,
    path: &Path,
    size: u64,
    options: ArrowReaderOptions,
) -> Result<ArrowReaderMetadata> {
    let mut reader = FileReader { store, path: path.clone(), size };
    let read = ArrowReaderMetadata::load_async(&mut reader, options).await;
    read.map_err(|error| failed(path, error))
}

/// Some files of a table, as their footers have them. The log tells all of files that carry an index.
pub async fn described(
    store: &Arc<dyn ObjectStore>,
    table: Table,
    files: Vec<DataFile>,
) -> Result<Vec<DataFile>> {
    let read = |file: DataFile| async move {
        if file.tag.index.is_some() {
            return Ok(file);
        }
        let footer = footer(store.clone(), &file.path, file.size_bytes).await?;
        Ok(file.described(table, footer.metadata()))
    };
    stream::iter(files).map(read).buffered(FOOTERS_AT_ONCE).try_collect().await
}

/// Ignores the Arrow schema that a writer may have stored, so that the types are those of Parquet itself, and the files of a table do not
/// differ by a dictionary or a large string.
fn options() -> ArrowReaderOptions {
    ArrowReaderOptions::new().with_skip_arrow_metadata(true)
}

fn failed(path: &Path, error: ParquetError) -> Error {
    let error = match error {
        ParquetError::External(source) => match source.downcast::<object_store::Error>() {
            Ok(error) => Error::from(*error),
            Err(source) => Error::from(ParquetError::External(source)),
        },
        error => Error::from(error),
    };
    error.with_kind(Kind::Storage).context(format!("/{path}"))
}

/// A file in a store, as the Parquet reader wants it.
struct FileReader {
    store: Arc<dyn ObjectStore>,
    path: Path,
    size: u64,
}

fn external(error: object_store::Error) -> ParquetError {
    ParquetError::External(Box::new(error))
}

impl AsyncFileReader for FileReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes, ParquetError>> {
        self.store.get_range(&self.path, range).map_err(external).boxed()
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<Range<u64>>,
    ) -> BoxFuture<'_, Result<Vec<Bytes>, ParquetError>> {
        async move { self.store.get_ranges(&self.path, &ranges).await.map_err(external) }.boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>, ParquetError>> {
        let size = self.size;
        let footer = ParquetMetaDataReader::new()
            .with_arrow_reader_options(options)
            .with_prefetch_hint(Some(FOOTER_BYTES));
        footer.load_and_finish(self, size).map_ok(Arc::new).boxed()
    }
}
