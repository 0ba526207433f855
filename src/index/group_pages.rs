//! The pages of one row group, from the page index of its file: which rows may belong to an object, and which bytes of a column hold them.
//! They take as little memory as they can, four bytes a page and column.

use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::ObjectStore;
use parquet::DecodeResult;
use parquet::file::metadata::{
    ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataPushDecoder,
    RowGroupMetaData,
};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::PageLocation;

use super::Wanted;
use super::file_index::{Chunk, FileIndex};
use crate::error::Result;

/// How a column is cut into pages: the first row of each.
type PageLayout = Box<[u32]>;

/// The pages of a row group. Of a file without a page index every list is empty, and column chunks are read whole.
#[derive(Debug, Default, PartialEq)]
pub struct GroupPages {
    /// The first and the last key of each page of the key's column.
    keys: Box<[(i64, i64)]>,
    /// Columns whose pages begin at the same rows share a layout; most often all do.
    layouts: Vec<PageLayout>,
    columns: Box<[ColumnPages]>,
    /// Where each page begins in its column chunk, for all columns one after the other.
    starts: Box<[u32]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct ColumnPages {
    layout: u32,
    /// The place of its first page in `starts`.
    first: u32,
}

impl GroupPages {
    /// Reads the page index of some row groups of a file, in one request.
    pub async fn load(
        store: &Arc<dyn ObjectStore>,
        file: &FileIndex,
        groups: &[usize],
    ) -> Result<Vec<Self>> {
        let places = groups.iter().map(|&group| IndexPlace::find(file, group));
        let places: Vec<_> = places.collect();
        let ranges: Vec<_> = places.iter().flatten().flat_map(IndexPlace::ranges).collect();
        let read = store.get_ranges(&file.file.path, &ranges).await;
        let mut read = read.map_err(|error| file.failed(error))?.into_iter();
        let pages = groups.iter().zip(places).map(|(&group, place)| {
            let Some(IndexPlace { keys, offsets }) = place else { return Ok(Self::default()) };
            let keys = keys.and_then(|keys| Some((keys, read.next()?)));
            let offsets = (offsets, read.next().unwrap_or_default());
            Self::decode(file, group, keys, offsets).map_err(|error| file.failed(error))
        });
        pages.collect()
    }

    fn decode(
        file: &FileIndex,
        group: usize,
        keys: Option<(Range<u64>, Bytes)>,
        offsets: (Range<u64>, Bytes),
    ) -> parquet::errors::Result<Self> {
        use PageIndexPolicy::{Optional, Skip};
        let footer = footer(file, group)?;
        let size = file.file.size_bytes;
        let located = decode(footer, size, Skip, Optional, Some(offsets))?;
        let Some(located) = located.offset_index().and_then(|groups| groups.first()) else {
            return Ok(Self::default());
        };
        let mut pages = Self::default();
        let (mut columns, mut starts) = (Vec::new(), Vec::new());
        for (chunk, located) in file.chunks(group).iter().zip(located) {
            let rows = file.groups[group].rows;
            let Some((first_rows, offsets)) = compact(chunk, rows, located.page_locations()) else {
                return Ok(Self::default());
            };
            let layout = pages.layouts.iter().position(|layout| **layout == *first_rows);
            let layout = layout.unwrap_or_else(|| {
                pages.layouts.push(first_rows.into());
                pages.layouts.len() - 1
            });
            columns.push(ColumnPages { layout: layout as u32, first: starts.len() as u32 });
            starts.extend(offsets);
        }
        (pages.columns, pages.starts) = (columns.into(), starts.into());
        if let Some(keys) = keys {
            let footer = self::footer(file, group)?;
            let indexed = decode(footer, size, Optional, Skip, Some(keys))?;
            let column = indexed.column_index().and_then(|groups| groups.first());
            let column = column.and_then(|columns| columns.get(file.columns.key.column));
            let keys = column.map(key_ranges).unwrap_or_default();
            let layout = pages.layout(file.columns.key.column);
            if keys.len() == pages.layouts[layout].len() {
                pages.keys = keys;
            }
        }
        Ok(pages)
    }

    /// Whether there is a page index.
    pub fn known(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Whether the range of keys of each page is known.
    pub fn tell_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Its size in memory.
    pub fn bytes(&self) -> usize {
        let layouts: usize = self.layouts.iter().map(|layout| size_of_val(&**layout)).sum();
        let pages = size_of_val(&*self.columns) + size_of_val(&*self.starts);
        size_of::<Self>() + size_of_val(&*self.keys) + layouts + pages
    }

    /// The number of page layouts; one where there is no page index.
    pub fn layouts(&self) -> usize {
        self.layouts.len().max(1)
    }

    /// The number of a column's page layout.
    pub fn layout(&self, column: usize) -> usize {
        self.columns.get(column).map_or(0, |pages| pages.layout as usize)
    }

    /// The rows of the group that may match, as exactly as the page index allows: the rows of whole pages, ascending. `rows` is the
    /// number of rows in the group.
    pub fn candidates(&self, key: usize, rows: usize, wanted: &Wanted) -> Vec<Range<usize>> {
        if self.keys.is_empty() {
            return once(0..rows).collect();
        }
        let pages = self.keys.iter().enumerate();
        let wanted = pages.filter(|(_, (first, last))| wanted.any_within(*first, *last));
        let wanted = wanted.map(|(page, _)| page);
        let layout = self.layout(key);
        wanted
            .map(|page| self.first_row(layout, page, rows)..self.first_row(layout, page + 1, rows))
            .collect()
    }

    /// The pages of a layout that hold any of some rows (ascending), in runs of consecutive ones.
    pub fn holding(&self, layout: usize, rows: &[Range<usize>]) -> Vec<Range<usize>> {
        let first_rows = &self.layouts[layout];
        let mut runs: Vec<Range<usize>> = Vec::new();
        for rows in rows {
            let first = first_rows.partition_point(|&first| first as usize <= rows.start) - 1;
            let end = first_rows.partition_point(|&first| (first as usize) < rows.end);
            match runs.last_mut() {
                Some(last) if last.end >= first => last.end = last.end.max(end),
                _ => runs.push(first..end),
            }
        }
        runs
    }

    /// The first row of a page. After the last page it is `rows`, the number of rows in the group.
    pub fn first_row(&self, layout: usize, page: usize, rows: usize) -> usize {
        self.layouts[layout].get(page).map_or(rows, |&first| first as usize)
    }

    /// Where a page begins in a column's chunk. After the last page it is the end of the chunk.
    pub fn start(&self, column: usize, page: usize, chunk: &Chunk) -> u64 {
        let ColumnPages { layout, first } = self.columns[column];
        match page < self.layouts[layout as usize].len() {
            true => u64::from(self.starts[first as usize + page]),
            false => chunk.length,
        }
    }
}

/// Where the page index of a row group is.
struct IndexPlace {
    /// The column index of the key, with the range of keys of each page.
    keys: Option<Range<u64>>,
    /// The offset indexes of all columns, with the places of their pages.
    offsets: Range<u64>,
}

impl IndexPlace {
    /// Where a row group's is; `None` where a column has no page index.
    fn find(file: &FileIndex, group: usize) -> Option<Self> {
        let offsets = hull(file.chunks(group).iter().map(Chunk::offset_index))?;
        Some(Self { keys: file.groups[group].key_pages.clone(), offsets })
    }

    fn ranges(&self) -> impl Iterator<Item = Range<u64>> + use<> {
        self.keys.clone().into_iter().chain([self.offsets.clone()])
    }
}

/// The first row and the start of each page. `None` if the pages do not follow each other up to the end of the chunk, as every writer makes
/// them, or if their first rows do not ascend within the `rows` of the group.
fn compact(chunk: &Chunk, rows: usize, pages: &[PageLocation]) -> Option<(Vec<u32>, Vec<u32>)> {
    let end = |page: &PageLocation| page.offset.checked_add(page.compressed_page_size.into());
    let next = pages.iter().skip(1).map(|page| page.offset);
    let chunk_end = i64::try_from(chunk.start + chunk.length).ok()?;
    if !pages.iter().map(end).eq(next.chain([chunk_end]).map(Some)) {
        return None;
    }
    let first_row = |page: &PageLocation| u32::try_from(page.first_row_index).ok();
    let first_rows: Vec<_> = pages.iter().map(first_row).collect::<Option<_>>()?;
    let start = |page: &PageLocation| u64::try_from(page.offset).ok()?.checked_sub(chunk.start);
    let starts = pages.iter().map(|page| u32::try_from(start(page)?).ok());
    let in_order = first_rows.is_sorted_by(|a, b| a < b);
    let within = first_rows.last().is_some_and(|&last| (last as usize) < rows);
    (first_rows.first() == Some(&0) && in_order && within)
        .then_some((first_rows, starts.collect::<Option<_>>()?))
}

/// The range of keys of each page. A page with nothing but nulls has an empty range.
fn key_ranges(index: &ColumnIndexMetaData) -> Box<[(i64, i64)]> {
    let ColumnIndexMetaData::INT64(index) = index else { return Box::default() };
    let ranges = index.min_values_iter().zip(index.max_values_iter());
    ranges
        .map(|range| match range {
            (Some(&min), Some(&max)) => (min, max),
            _ => (i64::MAX, i64::MIN),
        })
        .collect()
}

/// A footer with this row group alone, which says where its page index is.
fn footer(file: &FileIndex, group: usize) -> parquet::errors::Result<ParquetMetaData> {
    let FileIndex { columns, groups, .. } = file;
    let chunks = file.chunks(group).iter().zip(columns.descriptor.columns()).enumerate();
    let chunks = chunks.map(|(column, (chunk, described))| {
        let index = groups[group].key_pages.clone().filter(|_| column == columns.key.column);
        let (start, length) = place(index);
        let (offsets_start, offsets_length) = place(chunk.offset_index());
        ColumnChunkMetaData::builder(described.clone())
            .set_column_index_offset(start)
            .set_column_index_length(length)
            .set_offset_index_offset(offsets_start)
            .set_offset_index_length(offsets_length)
            .build()
    });
    let chunks = chunks.collect::<Result<_, _>>()?;
    let group = RowGroupMetaData::builder(columns.descriptor.clone())
        .set_num_rows(groups[group].rows as i64)
        .set_column_metadata(chunks)
        .build()?;
    Ok(file.columns.footer_of(group))
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
    bytes: Option<(Range<u64>, Bytes)>,
) -> parquet::errors::Result<ParquetMetaData> {
    let mut decoder = ParquetMetaDataPushDecoder::try_new_with_metadata(file_bytes, footer)?
        .with_column_index_policy(column_index)
        .with_offset_index_policy(offset_index);
    if let Some((range, bytes)) = bytes {
        decoder.push_range(range, bytes)?;
    }
    match decoder.try_decode()? {
        DecodeResult::Data(footer) => Ok(footer),
        _ => Err(parquet::errors::ParquetError::General("the page index is truncated".into())),
    }
}

/// The smallest range that contains all of them; `None` if one is missing.
fn hull(mut ranges: impl Iterator<Item = Option<Range<u64>>>) -> Option<Range<u64>> {
    let first = ranges.next()??;
    ranges.try_fold(first, |hull, range| {
        let range = range?;
        Some(hull.start.min(range.start)..hull.end.max(range.end))
    })
}
