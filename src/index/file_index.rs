//! What the index keeps of a file as long as a snapshot names it, made of the file's footer: the key range of each row group, and where in
//! the file each column chunk and its page index are. That is some 30 bytes a chunk.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use object_store::ObjectStore;
use parquet::basic::CompressionCodec;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::SchemaDescPtr;

use super::file_columns::FileColumns;
use crate::error::{Error, Kind, Result};
use crate::schema::Table;
use crate::warehouse::{DataFile, footer};

/// A file of a table, without its rows.
#[derive(Debug)]
pub struct FileIndex {
    /// Identifies the file in the caches of this process.
    pub number: u64,
    /// The file as its footer describes it.
    pub file: DataFile,
    /// What the footer says of the columns.
    pub columns: Arc<FileColumns>,
    /// The row groups, in the order of the file.
    pub groups: Box<[RowGroup]>,
    /// The column chunks of all row groups, one row group after the other.
    chunks: Box<[Chunk]>,
}

/// A row group, without its column chunks.
#[derive(Clone, Debug)]
pub struct RowGroup {
    /// The number of its rows.
    pub rows: usize,
    /// The first and the last key; the range of all keys where the footer has no statistics, and an empty range where there are no rows.
    pub keys: (i64, i64),
    /// Where the column index of the key is.
    pub key_pages: Option<Range<u64>>,
}

/// One column of one row group.
#[derive(Clone, Copy, Debug)]
pub struct Chunk {
    /// Where its pages begin; the page of the dictionary comes first.
    pub start: u64,
    /// The bytes of all its pages.
    pub length: u64,
    /// How its pages are compressed.
    pub codec: CompressionCodec,
    offset_index_start: u64,
    offset_index_length: u32,
}

impl FileIndex {
    /// Reads the footer of a file. `columns_of` gives those that it describes.
    pub async fn load(
        store: &Arc<dyn ObjectStore>,
        table: Table,
        file: &DataFile,
        columns_of: impl FnOnce(SchemaDescPtr) -> Result<Arc<FileColumns>>,
    ) -> Result<Self> {
        static FILES: AtomicU64 = AtomicU64::new(0);
        let footer = footer(store.clone(), &file.path, file.size_bytes).await?;
        let metadata = footer.metadata();
        let columns = columns_of(metadata.file_metadata().schema_descr_ptr())?;
        let groups = metadata.row_groups();
        let chunks = groups.iter().flat_map(|group| group.columns()).map(Chunk::from_footer);
        Ok(Self {
            number: FILES.fetch_add(1, Ordering::Relaxed),
            file: file.described(table, metadata),
            groups: groups
                .iter()
                .map(|group| RowGroup::from_footer(group, columns.key.column))
                .collect(),
            chunks: chunks.collect(),
            columns,
        })
    }

    /// The chunks of a row group, by column.
    pub fn chunks(&self, group: usize) -> &[Chunk] {
        let columns = self.columns.descriptor.num_columns();
        &self.chunks[group * columns..(group + 1) * columns]
    }

    /// Its size in memory, without the columns that it shares with other files.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.groups) + size_of_val(&*self.chunks)
    }

    /// An error while the file was read, with its path: `Input` if its values are wrong, else `Storage`.
    pub fn failed(&self, error: impl Into<Error>) -> Error {
        let error = error.into().context(format!("/{}", self.file.path));
        match error.kind() {
            Kind::Input => error,
            _ => error.with_kind(Kind::Storage),
        }
    }
}

impl RowGroup {
    fn from_footer(group: &RowGroupMetaData, key: usize) -> Self {
        let key = group.column(key);
        let keys = match key.statistics() {
            Some(Statistics::Int64(keys)) => keys.min_opt().copied().zip(keys.max_opt().copied()),
            _ => None,
        };
        let rows = usize::try_from(group.num_rows()).unwrap_or_default();
        let unknown = if rows == 0 { (i64::MAX, i64::MIN) } else { (i64::MIN, i64::MAX) };
        Self {
            rows,
            keys: keys.unwrap_or(unknown),
            key_pages: range(key.column_index_offset(), key.column_index_length()),
        }
    }
}

impl Chunk {
    fn from_footer(chunk: &ColumnChunkMetaData) -> Self {
        let (start, length) = chunk.byte_range();
        let index = range(chunk.offset_index_offset(), chunk.offset_index_length());
        let index = index.unwrap_or_default();
        Self {
            start,
            length,
            codec: chunk.compression_codec(),
            offset_index_start: index.start,
            offset_index_length: u32::try_from(index.end - index.start).unwrap_or_default(),
        }
    }

    /// Where its offset index is, if it has one.
    pub fn offset_index(&self) -> Option<Range<u64>> {
        let (start, length) = (self.offset_index_start, u64::from(self.offset_index_length));
        (length > 0).then_some(start..start + length)
    }
}

/// A place in the file as a footer has it.
fn range(start: Option<i64>, length: Option<i32>) -> Option<Range<u64>> {
    let (start, length) = (u64::try_from(start?).ok()?, u64::try_from(length?).ok()?);
    Some(start..start.checked_add(length)?)
}
