//! The bytes that hold some rows of a row group. In: the rows and the columns. Out: for each column its pages, read in one
//! request and put side by side as if they were all the column has, so that rows count from the first of them.

use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use object_store::ObjectStore;
use parquet::errors::ParquetError;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};

use super::file::FileIndex;
use super::pages::GroupPages;
use super::values::WantedOfPage;
use crate::error::Result;

/// Rows of one row group that may be wanted.
#[derive(Debug)]
pub struct Place {
    pub file: Arc<FileIndex>,
    pub group: usize,
    pub pages: Arc<GroupPages>,
    /// Whole pages of the key's column, or the rows that have a key which is wanted; ascending.
    pub rows: Vec<Range<usize>>,
}

impl Place {
    /// How many rows may be wanted.
    pub fn candidates(&self) -> usize {
        self.rows.iter().map(Range::len).sum()
    }
}

/// The pages of some columns.
#[derive(Debug)]
pub struct Fetched {
    pub place: Place,
    /// By column; `None` for those not asked for.
    pub columns: Vec<Option<Arc<ColumnBytes>>>,
    /// By the way in which columns are cut.
    pub windows: Vec<Window>,
    pub bytes: usize,
    pub pages: usize,
}

/// Pages of columns that are cut alike.
#[derive(Debug)]
pub struct Window {
    /// Runs of consecutive pages, with their rows in the group.
    runs: Vec<(Range<usize>, Range<usize>)>,
    /// The first row of each page, in the window.
    pages: Vec<usize>,
    pub rows: usize,
}

impl Window {
    fn of(place: &Place, cut: usize) -> Self {
        let rows = place.file.groups[place.group].rows;
        let runs = match place.pages.known() {
            true => place.pages.holding(cut, &place.rows),
            false => once(0..1).collect(),
        };
        let row = |page| match place.pages.known() {
            true => place.pages.first_row(cut, page, rows),
            false => page * rows,
        };
        let runs: Vec<_> = runs
            .into_iter()
            .map(|pages| {
                let rows = row(pages.start)..row(pages.end);
                (pages, rows)
            })
            .collect();
        let (mut pages, mut before) = (Vec::new(), 0);
        for (run, rows) in &runs {
            pages.extend(run.clone().map(|page| row(page) - rows.start + before));
            before += rows.len();
        }
        Self { runs, pages, rows: before }
    }

    /// Rows of the window (ascending) by its pages.
    pub fn of_pages(&self, rows: &[Range<usize>]) -> Vec<WantedOfPage> {
        let ends = self.pages.iter().skip(1).chain([&self.rows]);
        let mut next = 0;
        let wanted = self.pages.iter().zip(ends).map(|(&first, &end)| {
            let mut wanted = Vec::new();
            while let Some(range) = rows.get(next).filter(|range| range.start < end) {
                wanted.push(range.start.max(first) - first..range.end.min(end) - first);
                if range.end > end {
                    break; // the rest is in the next page
                }
                next += 1;
            }
            (end - first, wanted)
        });
        wanted.collect()
    }

    /// Rows of the group (ascending, all of them in the window), as rows of the window.
    pub fn rows(&self, rows: &[Range<usize>]) -> Vec<Range<usize>> {
        let (mut run, mut before) = (0, 0);
        let shift = |rows: &Range<usize>| {
            while self.runs[run].1.end < rows.end {
                before += self.runs[run].1.len();
                run += 1;
            }
            let shift = |row: usize| row - self.runs[run].1.start + before;
            shift(rows.start)..shift(rows.end)
        };
        rows.iter().map(shift).collect()
    }

    /// Rows of the window, as rows of the group.
    pub fn row(&self, row: usize) -> usize {
        let mut before = 0;
        for (_, rows) in &self.runs {
            if row < before + rows.len() {
                return rows.start + row - before;
            }
            before += rows.len();
        }
        row
    }
}

/// One column's pages side by side.
#[derive(Debug)]
pub struct ColumnBytes {
    /// Each with where it begins, ascending.
    parts: Vec<(u64, Bytes)>,
    pub length: u64,
    /// Where the pages are among the parts; `None` without a page index.
    pub locations: Option<Vec<PageLocation>>,
}

/// Reads the pages of `columns` (ascending) that hold the rows of a place, in one request.
pub async fn fetch(
    store: &Arc<dyn ObjectStore>,
    place: Place,
    columns: impl Iterator<Item = usize>,
) -> Result<Fetched> {
    let cuts = place.pages.cuts();
    let windows: Vec<_> = (0..cuts).map(|cut| Window::of(&place, cut)).collect();
    let layouts: Vec<_> =
        columns.map(|column| (column, layout(&place, column, &windows))).collect();
    let ranges: Vec<_> = layouts.iter().flat_map(|(_, (ranges, _))| ranges.clone()).collect();
    let read = store.get_ranges(&place.file.file.path, &ranges).await;
    let mut read = read.map_err(|error| place.file.failed(error))?.into_iter();
    let mut fetched = Fetched {
        columns: vec![None; place.file.columns.descriptor.num_columns()],
        bytes: ranges.iter().map(|range| (range.end - range.start) as usize).sum(),
        pages: 0,
        place,
        windows,
    };
    for (column, (ranges, locations)) in layouts {
        let mut length = 0;
        let part = |bytes: Bytes| {
            let start = length;
            length += bytes.len() as u64;
            (start, bytes)
        };
        let parts = read.by_ref().take(ranges.len()).map(part).collect();
        fetched.pages += locations.as_ref().map_or(1, Vec::len);
        fetched.columns[column] = Some(Arc::new(ColumnBytes { parts, length, locations }));
    }
    Ok(fetched)
}

/// What to read of a column's chunk, and where its pages then are.
fn layout(
    place: &Place,
    column: usize,
    windows: &[Window],
) -> (Vec<Range<u64>>, Option<Vec<PageLocation>>) {
    let (pages, chunk) = (&place.pages, &place.file.chunks(place.group)[column]);
    if !pages.known() {
        return (once(chunk.start..chunk.start + chunk.length).collect(), None);
    }
    let start = |page| pages.start(column, page, chunk);
    let (mut ranges, mut locations) = (Vec::new(), Vec::new());
    let dictionary = start(0);
    if dictionary > 0 {
        ranges.push(0..dictionary);
    }
    let window = &windows[pages.cut(column)];
    let (mut offset, mut first_rows) = (dictionary, window.pages.iter());
    for (run, _) in &window.runs {
        let range = start(run.start)..start(run.end);
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
        for (page, first_row) in run.clone().zip(first_rows.by_ref()) {
            let length = start(page + 1) - start(page);
            locations.push(PageLocation {
                offset: offset as i64,
                compressed_page_size: length as i32,
                first_row_index: *first_row as i64,
            });
            offset += length;
        }
    }
    let in_file = |range: Range<u64>| chunk.start + range.start..chunk.start + range.end;
    (ranges.into_iter().map(in_file).collect(), Some(locations))
}

impl Length for ColumnBytes {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for ColumnBytes {
    type T = Reader<Bytes>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        let length = self.length.saturating_sub(start) as usize;
        Ok(self.get_bytes(start, length)?.reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let part = self.parts.partition_point(|(begin, _)| *begin <= start).checked_sub(1);
        let found = part.and_then(|part| {
            let (begin, bytes) = &self.parts[part];
            let offset = usize::try_from(start - begin).ok()?;
            (offset + length <= bytes.len()).then(|| bytes.slice(offset..offset + length))
        });
        found.ok_or_else(|| ParquetError::EOF(format!("no {length} bytes at {start}")))
    }
}
