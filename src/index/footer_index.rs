//! What the footer of a file says of its row groups: where each column chunk and its page index are. For files that carry no key index of
//! ours.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use parquet::DecodeResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder,
    RowGroupMetaData,
};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::statistics::Statistics;

use super::file_columns::FileColumns;
use crate::error::Result;
use crate::key_pages::{Chunk, ColumnPages, GroupPages, PageStart, RowGroup, key_ranges};
use crate::warehouse::DataFile;

/// The row groups of a footer.
#[derive(Debug)]
pub(super) struct FooterIndex {
    groups: Box<[FooterGroup]>,
}

#[derive(Debug)]
struct FooterGroup {
    rows: usize,
    /// The first and the last key, where there are statistics.
    keys: Option<(i64, i64)>,
    /// Where the column index of the key is.
    key_pages: Option<Range<u64>>,
    /// The column chunks, and where the offset index of each is.
    chunks: Box<[(Chunk, Option<Range<u64>>)]>,
}

impl FooterIndex {
    /// From a footer whose key is this column.
    pub(super) fn new(footer: &ParquetMetaData, key: usize) -> Self {
        let groups = footer.row_groups().iter().map(|group| FooterGroup::new(group, key));
        Self { groups: groups.collect() }
    }

    /// The row groups as the index has them.
    pub(super) fn groups(&self) -> Box<[RowGroup]> {
        let group = |group: &FooterGroup| {
            let none = group.rows == 0;
            let unknown = if none { (i64::MAX, i64::MIN) } else { (i64::MIN, i64::MAX) };
            let keys = group.keys.unwrap_or(unknown);
            RowGroup { rows: group.rows, keys, pages: 0..0 }
        };
        self.groups.iter().map(group).collect()
    }

    /// Its size in memory.
    pub(super) fn bytes(&self) -> usize {
        let chunks = self.groups.iter().map(|group| size_of_val(&*group.chunks));
        size_of_val(&*self.groups) + chunks.sum::<usize>()
    }

    /// Reads the page index of some row groups of a file, in one request.
    pub(super) async fn pages(
        &self,
        store: &Arc<dyn ObjectStore>,
        file: &DataFile,
        columns: &FileColumns,
        groups: &[usize],
    ) -> Result<Vec<GroupPages>> {
        let groups = groups.iter().map(|&group| &self.groups[group]);
        let groups: Vec<_> = groups.map(|group| (group, group.offset_indexes())).collect();
        let ranges = groups.iter().flat_map(|(group, offsets)| {
            let keys = group.key_pages.clone().filter(|_| offsets.is_some());
            keys.into_iter().chain(offsets.clone())
        });
        let read = store.get_ranges(&file.path, &ranges.collect::<Vec<_>>()).await?;
        let mut read = read.into_iter();
        let pages = groups.into_iter().map(|(group, offsets)| {
            let Some(offsets) = offsets else { return Ok(group.without_pages()) };
            let keys = group.key_pages.clone().and_then(|keys| Some((keys, read.next()?)));
            let offsets = (offsets, read.next().unwrap_or_default());
            let pages = group.decode(file.size_bytes, columns, keys, offsets)?;
            Ok(pages.unwrap_or_else(|| group.without_pages()))
        });
        pages.collect()
    }
}

impl FooterGroup {
    fn new(group: &RowGroupMetaData, key: usize) -> Self {
        let chunk = |chunk: &ColumnChunkMetaData| {
            let (start, length) = chunk.byte_range();
            let index = range(chunk.offset_index_offset(), chunk.offset_index_length());
            (Chunk { start, length, codec: chunk.compression_codec() }, index)
        };
        let chunks = group.columns().iter().map(chunk).collect();
        let key = group.column(key);
        let keys = match key.statistics() {
            Some(Statistics::Int64(keys)) => keys.min_opt().copied().zip(keys.max_opt().copied()),
            _ => None,
        };
        Self {
            rows: usize::try_from(group.num_rows()).unwrap_or_default(),
            keys,
            key_pages: range(key.column_index_offset(), key.column_index_length()),
            chunks,
        }
    }

    fn without_pages(&self) -> GroupPages {
        GroupPages::without_pages(self.chunks.iter().map(|(chunk, _)| *chunk).collect())
    }

    /// Where the offset indexes of all columns are; `None` where a column has none.
    fn offset_indexes(&self) -> Option<Range<u64>> {
        let mut ranges = self.chunks.iter().map(|(_, index)| index.clone());
        let first = ranges.next()??;
        ranges.try_fold(first, |hull, range| {
            let range = range?;
            Some(hull.start.min(range.start)..hull.end.max(range.end))
        })
    }

    /// The pages, from the column index of the key and the offset indexes. `None` where these do not fit each other.
    fn decode(
        &self,
        size: u64,
        columns: &FileColumns,
        keys: Option<(Range<u64>, Bytes)>,
        offsets: (Range<u64>, Bytes),
    ) -> parquet::errors::Result<Option<GroupPages>> {
        use PageIndexPolicy::{Optional, Skip};
        let key = columns.key.column;
        let located = decode(self.footer(columns)?, size, Skip, Optional, offsets)?;
        let Some(located) = located.offset_index().and_then(|groups| groups.first()) else {
            return Ok(None);
        };
        let chunks =
            self.chunks.iter().zip(located).map(|((chunk, _), located)| {
                Some((*chunk, pages(chunk, located.page_locations())?))
            });
        let Some(chunks) = chunks.collect::<Option<Vec<_>>>() else { return Ok(None) };
        let mut ranges = Box::default();
        if let Some(keys) = keys {
            let indexed = decode(self.footer(columns)?, size, Optional, Skip, keys)?;
            let column = indexed.column_index().and_then(|groups| groups.first());
            ranges =
                column.and_then(|columns| columns.get(key)).map(key_ranges).unwrap_or_default();
        }
        Ok(GroupPages::new(self.rows, key, ranges, chunks))
    }

    /// A footer with this row group alone, which says where its page index is.
    fn footer(&self, columns: &FileColumns) -> parquet::errors::Result<ParquetMetaData> {
        let chunks = self.chunks.iter().zip(columns.descriptor.columns()).enumerate();
        let chunks = chunks.map(|(column, ((_, offsets), described))| {
            let index = self.key_pages.clone().filter(|_| column == columns.key.column);
            let (start, length) = place(index);
            let (offsets_start, offsets_length) = place(offsets.clone());
            ColumnChunkMetaData::builder(described.clone())
                .set_column_index_offset(start)
                .set_column_index_length(length)
                .set_offset_index_offset(offsets_start)
                .set_offset_index_length(offsets_length)
                .build()
        });
        let chunks = chunks.collect::<Result<_, _>>()?;
        let group = RowGroupMetaData::builder(columns.descriptor.clone())
            .set_num_rows(self.rows as i64)
            .set_column_metadata(chunks)
            .build()?;
        Ok(columns.footer_of(group))
    }
}

/// The pages of a chunk. `None` if they do not follow each other up to its end, as every writer makes them.
fn pages(chunk: &Chunk, pages: &[PageLocation]) -> Option<ColumnPages> {
    let end = |page: &PageLocation| page.offset.checked_add(page.compressed_page_size.into());
    let next = pages.iter().skip(1).map(|page| page.offset);
    let chunk_end = i64::try_from(chunk.start.checked_add(chunk.length)?).ok()?;
    if !pages.iter().map(end).eq(next.chain([chunk_end]).map(Some)) {
        return None;
    }
    let start = |page: &PageLocation| u64::try_from(page.offset).ok()?.checked_sub(chunk.start);
    let page = |page: &PageLocation| {
        let first_row = u32::try_from(page.first_row_index).ok()?;
        Some(PageStart { first_row, start: u32::try_from(start(page)?).ok()? })
    };
    pages.iter().map(page).collect()
}

/// A place in the file as a footer has it.
fn range(start: Option<i64>, length: Option<i32>) -> Option<Range<u64>> {
    let (start, length) = (u64::try_from(start?).ok()?, u64::try_from(length?).ok()?);
    Some(start..start.checked_add(length)?).filter(|range| !range.is_empty())
}

fn place(range: Option<Range<u64>>) -> (Option<i64>, Option<i32>) {
    let start = range.as_ref().and_then(|range| i64::try_from(range.start).ok());
    (start, range.and_then(|range| i32::try_from(range.end - range.start).ok()))
}

/// The same footer with one of the two kinds of page index.
fn decode(
    footer: ParquetMetaData,
    file_bytes: u64,
    column_index: PageIndexPolicy,
    offset_index: PageIndexPolicy,
    (range, bytes): (Range<u64>, Bytes),
) -> parquet::errors::Result<ParquetMetaData> {
    let mut decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(file_bytes, footer)?
        .with_column_index_policy(column_index)
        .with_offset_index_policy(offset_index);
    decoder.push_range(range, bytes)?;
    match decoder.try_decode()? {
        DecodeResult::Data(footer) => Ok(footer),
        _ => Err(parquet::errors::ParquetError::General("the page index is truncated".into())),
    }
}
