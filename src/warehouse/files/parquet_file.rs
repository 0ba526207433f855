//! One Parquet file that is being written: row groups of encoded columns, then the [index of its keys](crate::key_pages), then the page
//! index and the footer of Parquet. Memory is that of one row group, and the index.

use std::mem::take;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type, SchemaRef};
use chrono::Utc;
use object_store::{ObjectMeta, path::Path};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::arrow::async_writer::AsyncFileWriter;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::DataFile;
use super::layout::{self, FileSize, PAGE_ROWS, ROW_GROUP_BYTES, ROW_GROUP_ROWS};
use super::tag::FileTag;
use crate::error::{Error, Kind, Result};
use crate::key_pages::{Recorder, WrittenGroup};
use crate::schema::{TIME, Table};
use crate::warehouse::storage::Upload;

/// A file of a table.
pub(super) struct ParquetFile {
    table: Table,
    path: Path,
    schema: SchemaRef,
    upload: Upload,
    writer: SerializedFileWriter<Vec<u8>>,
    row_groups: ArrowRowGroupWriterFactory,
    /// The columns of the row group that is being written, and its rows.
    columns: Vec<ArrowColumnWriter>,
    group_rows: usize,
    rows: usize,
    has_nan_times: bool,
    index: Recorder,
}

impl ParquetFile {
    /// Begins a file.
    pub(super) fn create(
        table: Table,
        path: Path,
        schema: SchemaRef,
        properties: WriterProperties,
        upload: Upload,
    ) -> Result<Self> {
        let writer = ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties))?;
        let (writer, row_groups) = writer.into_serialized_writer()?;
        Ok(Self {
            table,
            path,
            schema,
            upload,
            writer,
            row_groups,
            columns: Vec::new(),
            group_rows: 0,
            rows: 0,
            has_nan_times: false,
            index: Recorder::default(),
        })
    }

    /// How many rows still fit into a file of a size.
    pub(super) fn room(&self, full: FileSize) -> usize {
        let bytes = self.writer.bytes_written() + self.group_bytes();
        if bytes >= full.bytes { 0 } else { full.rows.saturating_sub(self.rows) }
    }

    fn group_bytes(&self) -> usize {
        self.columns.iter().map(ArrowColumnWriter::get_estimated_total_bytes).sum()
    }

    /// Appends rows, which have the schema of the file.
    pub(super) async fn write(&mut self, rows: &RecordBatch) -> Result<()> {
        let written = self.append(rows).await;
        written.map_err(|error| failed(&self.path, error))
    }

    async fn append(&mut self, rows: &RecordBatch) -> Result<()> {
        self.has_nan_times |= has_nan_times(rows);
        let mut from = 0;
        while from < rows.num_rows() {
            // A page that is full ends with a call, so the rest of one that is begun is a call of its own.
            let room = match self.group_rows % PAGE_ROWS {
                0 => ROW_GROUP_ROWS - self.group_rows,
                begun => PAGE_ROWS - begun,
            };
            let count = room.min(rows.num_rows() - from);
            self.encode(&rows.slice(from, count))?;
            from += count;
            if self.group_rows == ROW_GROUP_ROWS || self.group_bytes() >= ROW_GROUP_BYTES {
                self.end_group().await?;
            }
        }
        Ok(())
    }

    /// Appends rows to the row group that is being written.
    fn encode(&mut self, rows: &RecordBatch) -> Result<()> {
        if self.columns.is_empty() {
            let number = self.writer.flushed_row_groups().len();
            self.columns = self.row_groups.create_column_writers(number)?;
        }
        let fields = self.schema.fields().iter().zip(rows.columns());
        let mut columns = self.columns.iter_mut();
        for (field, values) in fields {
            // Stored columns are flat, so each is one leaf.
            for (leaf, column) in compute_leaves(field, values)?.iter().zip(&mut columns) {
                column.write(leaf)?;
            }
        }
        self.index.add_rows(rows[self.table.key()].as_primitive::<Int64Type>().values());
        self.group_rows += rows.num_rows();
        self.rows += rows.num_rows();
        Ok(())
    }

    /// Writes the row group of the rows since the last one.
    async fn end_group(&mut self) -> Result<()> {
        if self.group_rows == 0 {
            return Ok(());
        }
        let mut encoded = WrittenGroup::new(self.schema.index_of(self.table.key())?);
        let bytes = self.group_bytes();
        self.writer.inner_mut().reserve(bytes);
        let mut group = self.writer.next_row_group()?;
        for column in take(&mut self.columns) {
            let chunk = column.close()?;
            encoded.add(&chunk);
            chunk.append_to_row_group(&mut group)?;
        }
        let written = group.close()?;
        self.index.add_group(&encoded, &written)?;
        self.group_rows = 0;
        self.send().await
    }

    /// Completes the file.
    pub(super) async fn finish(mut self) -> Result<DataFile> {
        let finished = self.end().await;
        finished.map_err(|error| failed(&self.path, error))
    }

    async fn end(&mut self) -> Result<DataFile> {
        self.end_group().await?;
        let at = self.writer.bytes_written() as u64;
        let (index, place) = take(&mut self.index).finish(at, self.writer.schema_descr())?;
        self.writer.write_all(&index)?;
        if !self.has_nan_times {
            self.writer.append_key_value_metadata(layout::no_nan_times());
        }
        let footer = self.writer.finish()?;
        let size = self.writer.bytes_written() as u64;
        self.send().await?;
        self.upload.complete().await?;
        let object = ObjectMeta {
            location: self.path.clone(),
            last_modified: Utc::now(),
            size,
            e_tag: None,
            version: None,
        };
        let file = DataFile::from_footer(self.table, &object, &footer);
        let tag =
            FileTag { index: Some(place), nan_times: self.has_nan_times, ..FileTag::default() };
        Ok(DataFile { tag, ..file })
    }

    async fn send(&mut self) -> Result<()> {
        self.writer.flush()?;
        let bytes = take(self.writer.inner_mut());
        Ok(self.upload.write(bytes.into()).await?)
    }
}

fn has_nan_times(batch: &RecordBatch) -> bool {
    let times =
        batch.column_by_name(TIME).and_then(|times| times.as_primitive_opt::<Float64Type>());
    times.is_some_and(|times| times.iter().flatten().any(f64::is_nan))
}

fn failed(path: &Path, error: Error) -> Error {
    error.with_kind(Kind::Storage).context(format!("writing /{path}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
    use arrow::datatypes::{DataType, Schema};

    use super::*;
    use crate::schema::KEY;
    use crate::schema::{Family, stored_field};
    use crate::warehouse::files::reader::footer_with_pages;
    use crate::warehouse::{SortedWriter, Warehouse};

    const ROWS: i64 = 20_000;

    fn rows() -> RecordBatch {
        let field = |name, data_type| stored_field(Family::Rubin, name, data_type);
        let (long, double) = (DataType::Int64, DataType::Float64);
        let fields = [field(KEY, long.clone()), field(TIME, double), field("diaSourceId", long)];
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..ROWS));
        let times = (0..ROWS).map(|row| (row % 3 > 0).then_some(row as f64));
        let times: ArrayRef = Arc::new(times.collect::<Float64Array>());
        RecordBatch::try_new(schema, vec![ids.clone(), times, ids]).unwrap()
    }

    #[tokio::test]
    async fn pages_are_the_same_whatever_the_batches() {
        for batch in [1, 37, 511, 512, 700, 5000, 20_000] {
            let warehouse = Warehouse::open(&format!("memory://pages-of-{batch}")).unwrap();
            let rows = rows();
            let mut writer = SortedWriter::new(&warehouse, Table::Sources, rows.schema());
            for start in (0..rows.num_rows()).step_by(batch) {
                let count = batch.min(rows.num_rows() - start);
                writer.write(&rows.slice(start, count)).await.unwrap();
            }
            let [file] = &writer.finish().await.unwrap()[..] else { panic!("not one file") };
            let store = warehouse.location().store.clone();
            let footer = footer_with_pages(store, &file.path, file.size_bytes).await.unwrap();
            let groups = footer.metadata().offset_index().unwrap();
            assert_eq!(groups.len(), 2);
            for column in groups.iter().flatten() {
                let mut firsts = column.page_locations().iter().map(|page| page.first_row_index);
                assert!(
                    firsts.clone().count() >= 8
                        && firsts.all(|first| first % PAGE_ROWS as i64 == 0)
                );
            }
            let pages: usize = groups.iter().map(|columns| columns[0].page_locations().len()).sum();
            assert_eq!(pages, 40, "batches of {batch}");
        }
    }
}
