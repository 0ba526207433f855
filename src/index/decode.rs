//! Pages to rows. In: the pages of a row group that may hold what is wanted. Out: one batch of exactly the wanted rows.
//! The key is decoded first: of every other column only the rows it leaves are.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};
use parquet::arrow::FieldLevels;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowGroups, RowSelection};
use parquet::column::page::{PageIterator, PageReader};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::file::serialized_reader::SerializedPageReader;

use super::Wanted;
use super::bytes::{Fetched, Window};
use super::projection::{FileProjection, Projection, levels};
use crate::error::{Error, Result};

/// The wanted rows of what was fetched, in the file's order.
pub fn decode(fetched: &Fetched, projection: &Projection, wanted: &Wanted) -> Result<RecordBatch> {
    let file = &fetched.place.file;
    rows_of(fetched, projection, wanted).map_err(|error| file.failed(error))
}

fn rows_of(fetched: &Fetched, projection: &Projection, wanted: &Wanted) -> Result<RecordBatch> {
    let columns = &fetched.place.file.columns;
    let file = projection.of_file(columns)?;
    let mut rows = keyed(fetched, &wanted.keys)?;
    if let (Some(times), Some(time)) = (&wanted.times_mjd, columns.time) {
        let levels = levels(&columns.descriptor, [time])?;
        let values = decode_cut(fetched, fetched.place.pages.cut(time), &levels, Some(&rows))?;
        let values = values.first().and_then(|values| values.as_primitive_opt::<Float64Type>());
        let values = values.ok_or_else(|| Error::internal("the time is no float64"))?;
        let within = |i| values.is_valid(i) && times.contains(&values.value(i));
        rows = ranges(
            rows.into_iter().flatten().enumerate().filter(|(i, _)| within(*i)).map(|(_, row)| row),
        );
    }
    let count = rows.iter().map(Range::len).sum();
    if count == 0 {
        return Ok(RecordBatch::new_empty(projection.schema.clone()));
    }
    let decoded = columns_of(fetched, &file, &rows)?;
    projection.batch(&file, &decoded, count)
}

/// The rows of the group that have one of the keys (ascending).
fn keyed(fetched: &Fetched, keys: &[i64]) -> Result<Vec<Range<usize>>> {
    let columns = &fetched.place.file.columns;
    let cut = fetched.place.pages.cut(columns.key);
    let decoded = decode_cut(fetched, cut, &columns.key_levels, None)?;
    let values = decoded.first().and_then(|values| values.as_primitive_opt::<Int64Type>());
    let values = values.ok_or_else(|| Error::internal("the key is no int64"))?;
    let (mut last, mut found) = (None, false);
    let is_wanted = |value: i64| {
        // Rows of an object follow each other: most often it is the last row's.
        if last != Some(value) {
            (last, found) = (Some(value), keys.binary_search(&value).is_ok());
        }
        found
    };
    let mut is_wanted = is_wanted;
    let wanted = (0..values.len()).filter(|&i| values.is_valid(i) && is_wanted(values.value(i)));
    let window = &fetched.windows[cut];
    Ok(ranges(wanted.map(|row| window.row(row))))
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

/// The leaves of a projection, in their order.
fn columns_of(
    fetched: &Fetched,
    file: &FileProjection,
    rows: &[Range<usize>],
) -> Result<Vec<ArrayRef>> {
    let cut_of = |leaf: &usize| fetched.place.pages.cut(*leaf);
    let Some(first) = file.leaves.first().map(cut_of) else { return Ok(Vec::new()) };
    if file.leaves.iter().all(|leaf| cut_of(leaf) == first) {
        return decode_cut(fetched, first, &file.levels, Some(rows));
    }
    let mut decoded = Vec::new();
    for cut in 0..fetched.windows.len() {
        let leaves: Vec<_> =
            file.leaves.iter().copied().filter(|leaf| cut_of(leaf) == cut).collect();
        if leaves.is_empty() {
            continue;
        }
        let levels = levels(&file.columns.descriptor, leaves.iter().copied())?;
        let arrays = decode_cut(fetched, cut, &levels, Some(rows))?;
        decoded.extend(leaves.into_iter().zip(arrays));
    }
    decoded.sort_by_key(|(leaf, _)| *leaf);
    Ok(decoded.into_iter().map(|(_, array)| array).collect())
}

/// Columns that are cut alike: some rows of the group, or all of the window.
fn decode_cut(
    fetched: &Fetched,
    cut: usize,
    levels: &FieldLevels,
    rows: Option<&[Range<usize>]>,
) -> Result<Vec<ArrayRef>> {
    let window = &fetched.windows[cut];
    let rows = rows.map(|rows| window.rows(rows));
    let count = rows.as_ref().map_or(window.rows, |rows| rows.iter().map(Range::len).sum());
    let selection =
        rows.map(|rows| RowSelection::from_consecutive_ranges(rows.into_iter(), window.rows));
    let pages = Pages { fetched, window };
    let mut reader =
        ParquetRecordBatchReader::try_new_with_row_groups(levels, &pages, count, selection)?;
    let batch = reader.next().transpose()?;
    match batch.filter(|batch| batch.num_rows() == count) {
        Some(batch) => Ok(batch.columns().to_vec()),
        None => Err(Error::internal("pages hold fewer rows than the page index says")),
    }
}

/// What was fetched, as the row group that the Parquet reader wants.
struct Pages<'a> {
    fetched: &'a Fetched,
    window: &'a Window,
}

impl RowGroups for Pages<'_> {
    fn num_rows(&self) -> usize {
        self.window.rows
    }

    fn column_chunks(&self, column: usize) -> parquet::errors::Result<Box<dyn PageIterator>> {
        let place = &self.fetched.place;
        let bytes = self.fetched.columns.get(column).and_then(Option::as_ref);
        let bytes =
            bytes.ok_or_else(|| ParquetError::General(format!("column {column} was not read")))?;
        let descriptor = place.file.columns.descriptor.column(column);
        let chunk = ColumnChunkMetaData::builder(descriptor)
            .set_compression_codec(place.file.chunks(place.group)[column].codec)
            .set_total_compressed_size(bytes.length as i64)
            .build()?;
        let rows = self.window.rows;
        let pages =
            SerializedPageReader::new(bytes.clone(), &chunk, rows, bytes.locations.clone())?;
        Ok(Box::new(OneChunk(Some(Box::new(pages)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::empty())
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.fetched.place.file.columns.footer
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
