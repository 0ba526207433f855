//! Decodes fetched pages to one batch of exactly the wanted rows. The key is decoded first; of all other columns only the rows that have a
//! wanted key are decoded.

use std::iter::once;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, UInt64Array};
use arrow::compute::take;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::Lookup;
use super::fetch::{ColumnBytes, FetchedColumns, FetchedPages};
use super::page_values;
use super::page_values::WantedOfPage;
use super::projection::{FileProjection, exactly};
use crate::error::{Error, Kind, Result};
use crate::index::{FileIndex, Leaf, TimeRange};
use crate::schema::TIME;

/// Decodes the wanted rows of what was fetched, in the order of the file or reversed.
pub(crate) fn decode(
    fetched: &FetchedColumns,
    lookup: &Lookup,
    in_file: &FileProjection,
) -> Result<RecordBatch> {
    let decoded = wanted_rows(fetched, lookup, in_file);
    decoded.map_err(|error| fetched.part.file.failed(error))
}

fn wanted_rows(
    fetched: &FetchedColumns,
    lookup: &Lookup,
    in_file: &FileProjection,
) -> Result<RecordBatch> {
    let Lookup { projection, wanted, reversed, .. } = lookup;
    let mut rows = keyed(fetched, lookup)?;
    if let Some(times) = &wanted.times {
        rows = timed(fetched, rows, times)?;
    }
    let count = rows.iter().map(Range::len).sum();
    if count == 0 {
        return Ok(RecordBatch::new_empty(projection.schema.clone()));
    }
    let rows = by_layout(fetched, &rows);
    let leaves = in_file.leaves.iter().map(|leaf| column(fetched, leaf, &rows, *reversed));
    let constants = &fetched.part.file.file.partition_values;
    projection.batch(in_file, constants, &leaves.collect::<Result<Vec<_>>>()?, count)
}

/// The rows of the group that have one of the keys, and are the newest of their objects.
pub(crate) fn keyed(fetched: &FetchedColumns, lookup: &Lookup) -> Result<Vec<Range<usize>>> {
    let FileIndex { columns, file, .. } = &*fetched.part.file;
    let (key, keys) = (&columns.key, &lookup.wanted.keys);
    let updates = lookup.table.known_updates();
    let is_newest =
        |value| updates.is_none_or(|updates| updates.newest(value) == file.update_number());
    let all = |pages: &FetchedPages| FetchedRows::new(pages, once(0..pages.rows).collect());
    let all: Vec<_> = fetched.layouts.iter().map(all).collect();
    let decoded = column(fetched, key, &all, false)?;
    let values = decoded.as_primitive_opt::<Int64Type>();
    let values = values.ok_or_else(|| Error::internal("the key is no int64"))?;
    let (mut last, mut found) = (None, false);
    let mut is_wanted = |value: i64| {
        // Rows of an object follow each other, so most often the key is that of the last row.
        if last != Some(value) {
            found = keys.binary_search(&value).is_ok() && is_newest(value);
            last = Some(value);
        }
        found
    };
    let wanted = (0..values.len()).filter(|&i| values.is_valid(i) && is_wanted(values.value(i)));
    let pages = &fetched.layouts[fetched.part.pages.layout(key.column)];
    Ok(ranges(wanted.map(|row| pages.row(row))))
}

/// The rows among `rows` whose time is in the range. A row without a time is not.
fn timed(
    fetched: &FetchedColumns,
    rows: Vec<Range<usize>>,
    times: &TimeRange,
) -> Result<Vec<Range<usize>>> {
    let FileIndex { columns, file, .. } = &*fetched.part.file;
    let count: usize = rows.iter().map(Range::len).sum();
    let of_path = file.partition_values.iter().find(|(name, _)| name == TIME);
    let values = match (&columns.time, of_path) {
        _ if count == 0 => return Ok(rows),
        (Some(time), _) => column(fetched, time, &by_layout(fetched, &rows), false)?,
        (None, Some((_, time))) => time.to_array_of_size(count)?,
        (None, None) => return Ok(Vec::new()),
    };
    let values = exactly(&values, TIME, &DataType::Float64)?;
    let values = values.as_primitive_opt::<Float64Type>();
    let values = values.ok_or_else(|| Error::internal("the time is no float64"))?;
    let within = |i| values.is_valid(i) && times.contains(values.value(i));
    let kept = rows.into_iter().flatten().enumerate().filter(|(i, _)| within(*i));
    Ok(ranges(kept.map(|(_, row)| row)))
}

/// Fetched rows as ranges, and the same rows by page.
struct FetchedRows {
    rows: Vec<Range<usize>>,
    by_page: Vec<WantedOfPage>,
}

impl FetchedRows {
    fn new(pages: &FetchedPages, rows: Vec<Range<usize>>) -> Self {
        Self { by_page: pages.by_page(&rows), rows }
    }
}

/// Rows of the group as fetched rows, for each page layout.
fn by_layout(fetched: &FetchedColumns, rows: &[Range<usize>]) -> Vec<FetchedRows> {
    let of = |pages: &FetchedPages| FetchedRows::new(pages, pages.rows(rows));
    fetched.layouts.iter().map(of).collect()
}

/// Ascending rows as ranges.
fn ranges(rows: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for row in rows {
        match ranges.last_mut() {
            Some(last) if last.end == row => last.end += 1,
            _ => ranges.push(row..row + 1),
        }
    }
    ranges
}

/// Decodes rows of a column, which are given for each page layout.
fn column(
    fetched: &FetchedColumns,
    leaf: &Leaf,
    rows: &[FetchedRows],
    reversed: bool,
) -> Result<ArrayRef> {
    let layout = fetched.part.pages.layout(leaf.column);
    let pages = Pages { fetched, pages: &fetched.layouts[layout] };
    let FetchedRows { rows, by_page } = &rows[layout];
    if let (Some(nullable), true) = (leaf.nullable, fetched.part.pages.known()) {
        let mut reader = pages.reader(leaf.column)?;
        let read = page_values::read(&mut reader, by_page, &leaf.data_type, nullable, reversed);
        if let Some(array) = read {
            return Ok(array);
        }
    }
    let count = rows.iter().map(Range::len).sum();
    let selection = RowSelection::from_consecutive_ranges(rows.iter().cloned(), pages.pages.rows);
    let levels = leaf.levels(&fetched.part.file.columns)?;
    let read = || {
        let selection = Some(selection);
        ParquetRecordBatchReader::try_new_with_row_groups(&levels, &pages, count, selection)?
            .next()
            .transpose()
    };
    // The reader checks neither levels nor lengths of damaged pages before it counts on them.
    let read = catch_unwind(AssertUnwindSafe(read));
    let batch = read.map_err(|_| damaged("its pages cannot be decoded"))??;
    let batch = batch.filter(|batch| batch.num_rows() == count);
    let batch = batch.ok_or_else(|| damaged("pages hold fewer rows than the page index says"))?;
    let array = batch.column(0).clone();
    let reverse = || UInt64Array::from_iter_values((0..count as u64).rev());
    Ok(if reversed { take(&array, &reverse(), None)? } else { array })
}

fn damaged(why: &str) -> Error {
    Error::new(Kind::Storage, why)
}

/// The fetched pages of a layout as a row group for the parquet crate's reader.
struct Pages<'a> {
    fetched: &'a FetchedColumns,
    pages: &'a FetchedPages,
}

impl Pages<'_> {
    fn reader(&self, column: usize) -> parquet::errors::Result<SerializedPageReader<ColumnBytes>> {
        let part = &self.fetched.part;
        let bytes = self.fetched.columns.get(column).and_then(Option::as_ref);
        let unread = || ParquetError::General(format!("column {column} was not read"));
        let bytes = bytes.ok_or_else(unread)?;
        let descriptor = part.file.columns.descriptor.column(column);
        let chunk = ColumnChunkMetaData::builder(descriptor)
            .set_compression_codec(part.pages.chunks()[column].codec)
            .set_total_compressed_size(bytes.length as i64)
            .build()?;
        let rows = self.pages.rows;
        SerializedPageReader::new(bytes.clone(), &chunk, rows, bytes.locations.clone())
    }
}

impl RowGroups for Pages<'_> {
    fn num_rows(&self) -> usize {
        self.pages.rows
    }

    fn column_chunks(&self, column: usize) -> parquet::errors::Result<Box<dyn PageIterator>> {
        Ok(Box::new(OneChunk(Some(Box::new(self.reader(column)?)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::empty())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.fetched.part.file.columns.footer
    }
}

/// A column of one row group.
struct OneChunk(Option<Box<dyn PageReader>>);

impl Iterator for OneChunk {
    type Item = parquet::errors::Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for OneChunk {}
