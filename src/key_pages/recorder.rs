//! Makes the index of a file while it is written.

use std::ops::Range;

use parquet::arrow::arrow_writer::ArrowColumnChunk;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::page_index::offset_index::OffsetIndexMetaData;
use parquet::schema::types::SchemaDescriptor;
use serde::{Deserialize, Serialize};

use super::directory::{Directory, RowGroup};
use super::group_pages::{CODEC, Chunk, ColumnPages, GroupPages, PageStart};
use super::key_filter::KeyFilter;
use super::sealed::damaged;
use crate::error::{Error, Result};

/// Where the directory of a file's index is in it. The log keeps this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexPlace {
    /// Its first byte.
    pub start: u64,
    /// Its bytes.
    pub bytes: u32,
}

/// A directory that claims to be longer is not read: that of a full file has some ten kilobytes.
const MOST_DIRECTORY_BYTES: u32 = 16 << 20;

impl IndexPlace {
    /// The bytes of the directory. `Storage` if a file of this size has none there.
    pub fn range(self, file_bytes: u64) -> Result<Range<u64>> {
        let end = self.start.saturating_add(self.bytes.into());
        match self.bytes <= MOST_DIRECTORY_BYTES && end <= file_bytes {
            true => Ok(self.start..end),
            false => Err(damaged("the file has no directory where the log says")),
        }
    }
}

/// What is known of a file so far: one number for each of its objects, and some kilobytes for each row group.
#[derive(Debug, Default)]
pub struct Recorder {
    keys: Vec<i64>,
    groups: Vec<RowGroup>,
    /// The pages of the row groups.
    parts: Vec<u8>,
}

impl Recorder {
    /// Takes rows that are written, in the order of their keys.
    pub fn add_rows(&mut self, keys: &[i64]) {
        let mut last = self.keys.last().copied();
        for &key in keys {
            if last != Some(key) {
                self.keys.push(key);
                last = Some(key);
            }
        }
    }

    /// Takes the row group of all rows since the one before.
    pub fn add_group(&mut self, group: &WrittenGroup, written: &RowGroupMetaData) -> Result<()> {
        let pages = group.pages(written)?;
        let (Some((first, _)), Some((_, last))) = (group.keys.first(), group.keys.last()) else {
            return Err(Error::internal("a row group without pages was written"));
        };
        let start = self.parts.len() as u64;
        let encoded = pages.encode()?;
        self.groups.push(RowGroup {
            rows: written.num_rows() as usize,
            keys: (*first, *last),
            pages: start..start + encoded.len() as u64,
        });
        self.parts.extend(encoded);
        Ok(())
    }

    /// The bytes of the index, to be written at a place in the file, and where the directory then is.
    pub fn finish(self, at: u64, columns: &SchemaDescriptor) -> Result<(Vec<u8>, IndexPlace)> {
        let Self { keys, mut groups, parts: mut bytes, .. } = self;
        for RowGroup { pages, .. } in &mut groups {
            *pages = pages.start + at..pages.end + at;
        }
        let filter_start = at + bytes.len() as u64;
        bytes.extend(KeyFilter::new(keys)?.encode());
        let start = at + bytes.len() as u64;
        let directory = Directory::new(columns, groups, filter_start..start).encode()?;
        let place = IndexPlace { start, bytes: directory.len() as u32 };
        bytes.extend(directory);
        Ok((bytes, place))
    }
}

/// A row group whose columns are encoded.
#[derive(Debug, Default)]
pub struct WrittenGroup {
    /// The place of the key among the columns.
    key: usize,
    /// The range of keys of each page of the key's column.
    keys: Box<[(i64, i64)]>,
    /// By column, the first row and the bytes of each data page.
    columns: Vec<Vec<(u32, u32)>>,
}

impl WrittenGroup {
    /// A row group whose key is this column.
    pub fn new(key: usize) -> Self {
        Self { key, ..Self::default() }
    }

    /// Takes the next column.
    pub fn add(&mut self, chunk: &ArrowColumnChunk) {
        let closed = chunk.close();
        if self.columns.len() == self.key {
            self.keys = closed.column_index.as_ref().map(key_ranges).unwrap_or_default();
        }
        self.columns.push(closed.offset_index.as_ref().map(page_sizes).unwrap_or_default());
    }

    /// A row group of a file, whose rows have these keys. `None` if the footer has no page index.
    pub fn of_file(
        footer: &ParquetMetaData,
        group: usize,
        key: usize,
        keys: &[i64],
    ) -> Option<Self> {
        let located = footer.offset_index()?.get(group)?;
        let columns: Vec<_> = located.iter().map(page_sizes).collect();
        let starts = columns.get(key)?.iter().map(|(first_row, _)| *first_row as usize);
        let ends = starts.clone().skip(1).chain([keys.len()]);
        let range = |(start, end)| {
            let keys: &[i64] = keys.get(start..end)?;
            Some((*keys.iter().min()?, *keys.iter().max()?))
        };
        let keys = starts.zip(ends).map(range).collect::<Option<_>>()?;
        Some(Self { key, keys, columns })
    }

    /// The pages as they lie in the file, once the columns are written.
    pub fn pages(&self, written: &RowGroupMetaData) -> Result<GroupPages> {
        let columns = self.columns.iter().zip(written.columns()).map(|(sizes, chunk)| {
            let (start, length) = chunk.byte_range();
            let chunk = Chunk { start, length, codec: CODEC };
            let data: u64 = sizes.iter().map(|(_, bytes)| u64::from(*bytes)).sum();
            // The page of the dictionary comes first.
            let mut next = u32::try_from(length.checked_sub(data)?).ok()?;
            let page = |&(first_row, bytes): &(u32, u32)| {
                let start = next;
                next += bytes;
                PageStart { first_row, start }
            };
            Some((chunk, sizes.iter().map(page).collect::<ColumnPages>()))
        });
        let columns = columns.collect::<Option<Vec<_>>>();
        let rows = written.num_rows() as usize;
        let pages =
            columns.and_then(|columns| GroupPages::new(rows, self.key, self.keys.clone(), columns));
        let pages = pages.filter(GroupPages::tell_keys);
        pages.ok_or_else(|| Error::internal("the pages that were written are not in order"))
    }
}

fn page_sizes(index: &OffsetIndexMetaData) -> Vec<(u32, u32)> {
    let pages = index.page_locations.iter();
    pages.map(|page| (page.first_row_index as u32, page.compressed_page_size as u32)).collect()
}

/// The range of keys of each page. A page with nothing but nulls has an empty range.
pub fn key_ranges(index: &ColumnIndexMetaData) -> Box<[(i64, i64)]> {
    let ColumnIndexMetaData::INT64(index) = index else { return Box::default() };
    let ranges = index.min_values_iter().zip(index.max_values_iter());
    ranges
        .map(|range| match range {
            (Some(&min), Some(&max)) => (min, max),
            _ => (i64::MAX, i64::MIN),
        })
        .collect()
}
