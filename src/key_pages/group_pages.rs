//! The pages of one row group: which rows may belong to an object, and which bytes of a column hold them. They take as little memory as
//! they can, four bytes a page and column.

use std::iter::once;
use std::ops::Range;

use parquet::basic::CompressionCodec;
use serde::{Deserialize, Serialize};

use super::sealed::{damaged, decode, encode};
use crate::error::Result;

/// How a column is cut into pages: the first row of each.
type PageLayout = Box<[u32]>;

/// How the pages of our files are compressed. The index does not repeat it.
pub(crate) const CODEC: CompressionCodec = CompressionCodec::LZ4_RAW;

/// The pages of a row group. Where no page index is known there are only chunks, which are read whole.
#[derive(Debug, PartialEq)]
pub struct GroupPages {
    /// The first and the last key of each page of the key's column.
    keys: Box<[(i64, i64)]>,
    chunks: Box<[Chunk]>,
    /// Columns whose pages begin at the same rows share a layout; most often all do.
    layouts: Vec<PageLayout>,
    columns: Box<[Place]>,
    /// Where each page begins in its column chunk, for all columns one after the other.
    starts: Box<[u32]>,
}

/// One column of one row group.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chunk {
    /// Where its pages begin; the page of the dictionary comes first.
    pub start: u64,
    /// The bytes of all its pages.
    pub length: u64,
    /// How its pages are compressed.
    pub codec: CompressionCodec,
}

/// A data page.
#[derive(Clone, Copy, Debug)]
pub struct PageStart {
    /// Its first row in the row group.
    pub first_row: u32,
    /// Where it begins in the column chunk.
    pub start: u32,
}

/// The data pages of one column, in the order of the file.
pub type ColumnPages = Vec<PageStart>;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    layout: u32,
    /// The place of its first page in `starts`.
    first: u32,
}

impl GroupPages {
    /// A row group of `rows` rows whose columns have these chunks and pages. `keys` are the ranges of the pages of the column `key`.
    /// `None` if the pages do not ascend within their chunks and the rows.
    pub fn new(
        rows: usize,
        key: usize,
        keys: Box<[(i64, i64)]>,
        columns: Vec<(Chunk, ColumnPages)>,
    ) -> Option<Self> {
        let mut pages = Self::without_pages(columns.iter().map(|(chunk, _)| *chunk).collect());
        let (mut places, mut starts) = (Vec::new(), Vec::new());
        for (chunk, of_column) in &columns {
            let in_order =
                of_column.is_sorted_by(|a, b| a.first_row < b.first_row && a.start < b.start);
            let last = of_column.last()?;
            let within = (last.first_row as usize) < rows && u64::from(last.start) < chunk.length;
            if of_column[0].first_row != 0 || !in_order || !within {
                return None;
            }
            let is_same = |layout: &PageLayout| {
                layout.iter().copied().eq(of_column.iter().map(|page| page.first_row))
            };
            let layout = pages.layouts.iter().position(is_same).unwrap_or_else(|| {
                pages.layouts.push(of_column.iter().map(|page| page.first_row).collect());
                pages.layouts.len() - 1
            });
            places.push(Place { layout: layout as u32, first: starts.len() as u32 });
            starts.extend(of_column.iter().map(|page| page.start));
        }
        (pages.columns, pages.starts) = (places.into(), starts.into());
        if columns.get(key).is_some_and(|(_, pages)| pages.len() == keys.len()) {
            pages.keys = keys;
        }
        Some(pages)
    }

    /// A row group of which only the column chunks are known.
    pub fn without_pages(chunks: Box<[Chunk]>) -> Self {
        let (keys, columns, starts) = (Box::default(), Box::default(), Box::default());
        Self { keys, chunks, layouts: Vec::new(), columns, starts }
    }

    /// Whether the pages are known.
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
        let chunks = size_of_val(&*self.chunks) + size_of_val(&*self.keys);
        size_of::<Self>() + chunks + layouts + pages
    }

    /// The column chunks.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The number of page layouts; one where the pages are not known.
    pub fn layouts(&self) -> usize {
        self.layouts.len().max(1)
    }

    /// The number of a column's page layout.
    pub fn layout(&self, column: usize) -> usize {
        self.columns.get(column).map_or(0, |place| place.layout as usize)
    }

    /// The rows of the group that may match, as exactly as the pages allow: the rows of whole pages, ascending. `key` is the column of the
    /// key, `rows` the number of rows in the group, and `may_have` tells whether a range of keys is of interest.
    pub fn candidates(
        &self,
        key: usize,
        rows: usize,
        may_have: impl Fn(i64, i64) -> bool,
    ) -> Vec<Range<usize>> {
        if self.keys.is_empty() {
            return once(0..rows).collect();
        }
        let pages = self.keys.iter().enumerate();
        let pages = pages.filter(|(_, (first, last))| may_have(*first, *last));
        let layout = self.layout(key);
        let rows =
            |page| self.first_row(layout, page, rows)..self.first_row(layout, page + 1, rows);
        pages.map(|(page, _)| rows(page)).collect()
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
    pub fn start(&self, column: usize, page: usize) -> u64 {
        let Place { layout, first } = self.columns[column];
        match page < self.layouts[layout as usize].len() {
            true => u64::from(self.starts[first as usize + page]),
            false => self.chunks[column].length,
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        encode(&Stored::from_pages(self))
    }

    /// The pages of such bytes, of a row group with so many rows and columns, whose key is the column `key`. `Storage` if they are damaged.
    pub fn decode(sealed: &[u8], rows: usize, columns: usize, key: usize) -> Result<Self> {
        let pages = decode::<Stored>(sealed)?.into_pages(rows, key);
        let whole = pages.filter(|pages| pages.tell_keys() && pages.chunks.len() == columns);
        whole.ok_or_else(|| damaged("its pages are not in order"))
    }
}

/// The pages as they are written: as differences, which are small.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Of each page of the key, how much its first key is more than the last one before, and its last key more than its first.
    keys: Vec<(i64, i64)>,
    /// Of each layout, how much the first row of each page is more than that of the page before.
    layouts: Vec<Vec<u32>>,
    columns: Vec<StoredColumn>,
}

#[derive(Serialize, Deserialize)]
struct StoredColumn {
    /// How much its start is more than the end of the column before.
    gap: i64,
    length: u64,
    layout: u32,
    /// How much the start of each page is more than that of the page before.
    pages: Vec<u32>,
}

/// How much each number is more than the one before.
fn steps(numbers: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut before = 0;
    numbers.map(|number| number - std::mem::replace(&mut before, number)).collect()
}

/// Undoes [`steps`].
fn sums(steps: &[u32]) -> Option<Vec<u32>> {
    let mut sum = 0_u32;
    let add = |step: &u32| {
        sum = sum.checked_add(*step)?;
        Some(sum)
    };
    steps.iter().map(add).collect()
}

impl Stored {
    fn from_pages(pages: &GroupPages) -> Self {
        let (mut last, mut end) = (0_i64, 0_u64);
        let keys = pages.keys.iter().map(|(first, to)| {
            (first.wrapping_sub(std::mem::replace(&mut last, *to)), to.wrapping_sub(*first))
        });
        let columns = pages.columns.iter().zip(&pages.chunks).map(|(place, chunk)| {
            let gap = chunk.start.wrapping_sub(end) as i64;
            end = chunk.start + chunk.length;
            let count = pages.layouts[place.layout as usize].len();
            let starts = &pages.starts[place.first as usize..][..count];
            let Chunk { length, .. } = *chunk;
            StoredColumn { gap, length, layout: place.layout, pages: steps(starts.iter().copied()) }
        });
        let (keys, columns) = (keys.collect(), columns.collect());
        let layouts = pages.layouts.iter().map(|rows| steps(rows.iter().copied()));
        Self { keys, layouts: layouts.collect(), columns }
    }

    fn into_pages(self, rows: usize, key: usize) -> Option<GroupPages> {
        let (mut last, mut end) = (0_i64, 0_u64);
        let keys = self.keys.into_iter().map(|(step, length)| {
            let first = last.wrapping_add(step);
            last = first.wrapping_add(length);
            (first, last)
        });
        let keys = keys.collect();
        let layouts = self.layouts.iter().map(|layout| sums(layout));
        let layouts = layouts.collect::<Option<Vec<_>>>()?;
        let columns =
            self.columns.into_iter().map(|StoredColumn { gap, length, layout, pages }| {
                let start = end.checked_add_signed(gap)?;
                end = start.checked_add(length)?;
                let (first_rows, starts) = (layouts.get(layout as usize)?, sums(&pages)?);
                let page = |(&first_row, start)| PageStart { first_row, start };
                let pages = (first_rows.len() == starts.len())
                    .then(|| first_rows.iter().zip(starts).map(page).collect())?;
                Some((Chunk { start, length, codec: CODEC }, pages))
            });
        GroupPages::new(rows, key, keys, columns.collect::<Option<_>>()?)
    }
}
