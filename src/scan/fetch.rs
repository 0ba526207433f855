//! Fetches the pages that hold some rows of a row group, those of all columns in one request. The pages of a column are put side by side as
//! if they were the whole column, so that rows are counted from the first page that was fetched.

use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use bytes::buf::Reader;
use bytes::{Buf, Bytes};
use object_store::ObjectStore;
use parquet::errors::ParquetError;
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::reader::{ChunkReader, Length};

use super::page_values::WantedOfPage;
use crate::error::Result;
use crate::index::RowGroupPart;

/// Consecutive pages of a layout.
#[derive(Debug)]
struct PageRun {
    pages: Range<usize>,
    /// Their rows in the row group.
    rows: Range<usize>,
}

/// The pages of some columns.
#[derive(Debug)]
pub(crate) struct FetchedColumns {
    /// The part whose pages they are.
    pub part: RowGroupPart,
    /// By column; `None` for those not asked for.
    pub columns: Vec<Option<Arc<ColumnBytes>>>,
    /// By page layout.
    pub layouts: Vec<FetchedPages>,
    /// Bytes that were read.
    pub bytes: usize,
    /// Data pages that were read.
    pub pages: usize,
}

/// The fetched pages of the columns of one page layout. Their rows count from the first that was fetched.
#[derive(Debug)]
pub(crate) struct FetchedPages {
    runs: Vec<PageRun>,
    /// The first fetched row of each page.
    first_rows: Vec<usize>,
    /// How many rows the pages hold.
    pub rows: usize,
}

impl FetchedPages {
    fn new(part: &RowGroupPart, layout: usize) -> Self {
        let rows = part.file.groups[part.group].rows;
        let runs = match part.pages.known() {
            true => part.pages.holding(layout, &part.rows),
            false => once(0..1).collect(),
        };
        let row = |page| match part.pages.known() {
            true => part.pages.first_row(layout, page, rows),
            false => page * rows,
        };
        let runs = runs.into_iter();
        let run = |pages: Range<usize>| PageRun { rows: row(pages.start)..row(pages.end), pages };
        let runs: Vec<_> = runs.map(run).collect();
        let (mut first_rows, mut before) = (Vec::new(), 0);
        for PageRun { pages, rows } in &runs {
            first_rows.extend(pages.clone().map(|page| row(page) - rows.start + before));
            before += rows.len();
        }
        Self { runs, first_rows, rows: before }
    }

    /// Fetched rows (ascending), by page.
    pub(crate) fn by_page(&self, rows: &[Range<usize>]) -> Vec<WantedOfPage> {
        let ends = self.first_rows.iter().skip(1).chain([&self.rows]);
        let mut next = 0;
        let wanted = self.first_rows.iter().zip(ends).map(|(&first, &end)| {
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

    /// Rows of the group (ascending, all of them fetched), as fetched rows.
    pub(crate) fn rows(&self, rows: &[Range<usize>]) -> Vec<Range<usize>> {
        let (mut run, mut before) = (0, 0);
        let shift = |rows: &Range<usize>| {
            while self.runs[run].rows.end < rows.end {
                before += self.runs[run].rows.len();
                run += 1;
            }
            let shift = |row: usize| row - self.runs[run].rows.start + before;
            shift(rows.start)..shift(rows.end)
        };
        rows.iter().map(shift).collect()
    }

    /// A fetched row, as a row of the group.
    pub(crate) fn row(&self, row: usize) -> usize {
        let mut before = 0;
        for PageRun { rows, .. } in &self.runs {
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
pub(crate) struct ColumnBytes {
    /// Ranges of pages, each with where it begins among all of them; ascending.
    parts: Vec<(u64, Bytes)>,
    /// The bytes of all its parts.
    pub length: u64,
    /// Where the pages are among the parts; `None` without a page index.
    pub locations: Option<Vec<PageLocation>>,
}

/// Reads the pages of `columns` (ascending) that hold the rows of a part, in one request.
pub(crate) async fn fetch(
    store: &Arc<dyn ObjectStore>,
    part: RowGroupPart,
    columns: impl Iterator<Item = usize>,
) -> Result<FetchedColumns> {
    let layouts = 0..part.pages.layouts();
    let layouts: Vec<_> = layouts.map(|layout| FetchedPages::new(&part, layout)).collect();
    let located: Vec<_> = columns.map(|column| (column, locate(&part, column, &layouts))).collect();
    let ranges: Vec<_> = located.iter().flat_map(|(_, (ranges, _))| ranges.clone()).collect();
    let read = store.get_ranges(&part.file.file.path, &ranges).await;
    let mut read = read.map_err(|error| part.file.failed(error))?.into_iter();
    let mut fetched = FetchedColumns {
        columns: vec![None; part.file.columns.descriptor.num_columns()],
        bytes: ranges.iter().map(|range| (range.end - range.start) as usize).sum(),
        pages: 0,
        part,
        layouts,
    };
    for (column, (ranges, locations)) in located {
        let mut length = 0;
        let piece = |bytes: Bytes| {
            let start = length;
            length += bytes.len() as u64;
            (start, bytes)
        };
        let parts = read.by_ref().take(ranges.len()).map(piece).collect();
        fetched.pages += locations.as_ref().map_or(1, Vec::len);
        fetched.columns[column] = Some(Arc::new(ColumnBytes { parts, length, locations }));
    }
    Ok(fetched)
}

/// The ranges to read of a column's chunk, and where the pages are once these ranges are put side by side.
fn locate(
    part: &RowGroupPart,
    column: usize,
    layouts: &[FetchedPages],
) -> (Vec<Range<u64>>, Option<Vec<PageLocation>>) {
    let (pages, chunk) = (&part.pages, part.pages.chunks()[column]);
    if !pages.known() {
        return (once(chunk.start..chunk.start + chunk.length).collect(), None);
    }
    let start = |page| pages.start(column, page);
    let (mut ranges, mut locations) = (Vec::new(), Vec::new());
    let dictionary = start(0);
    if dictionary > 0 {
        ranges.push(0..dictionary);
    }
    let fetched = &layouts[pages.layout(column)];
    let (mut offset, mut first_rows) = (dictionary, fetched.first_rows.iter());
    for PageRun { pages, .. } in &fetched.runs {
        let range = start(pages.start)..start(pages.end);
        match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        }
        for (page, first_row) in pages.clone().zip(first_rows.by_ref()) {
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
