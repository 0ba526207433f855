//! How the Parquet files of a table are named and laid out: size, row groups, pages, codec, statistics. It also tells whether a file was
//! written in this way, and so is sorted.
//!
//! The layout serves lookups of a few hundred rows: pages are small, so that little is decoded beside
//! what was asked for, and LZ4 costs next to nothing per page.

use arrow::datatypes::{DataType, Schema};
use object_store::path::Path;
use parquet::file::metadata::{KeyValue, ParquetMetaData, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use uuid::Uuid;

use crate::key_pages::CODEC;
use crate::schema::{TIME, Table};

pub(super) const ROW_GROUP_ROWS: usize = 16_384;
/// The most bytes of a row group, which is written from memory. Only rows with long texts reach it.
pub(super) const ROW_GROUP_BYTES: usize = 128 << 20;
pub(super) const PAGE_ROWS: usize = 512;

/// When a file is full. It is closed before the next object begins, so it may be larger by the rows of one object.
#[derive(Clone, Copy, Debug)]
pub struct FileSize {
    /// The most rows of a file.
    pub rows: usize,
    /// The most bytes of a file.
    pub bytes: usize,
}

impl FileSize {
    /// The size that files grow to.
    pub const TARGET: FileSize = FileSize { rows: 4_000_000, bytes: 512 << 20 };

    /// Whether a file is worth merging with its neighbours: less than half full.
    pub fn is_small(self, rows: u64, bytes: u64) -> bool {
        rows < self.rows as u64 / 2 && bytes < self.bytes as u64 / 2
    }
}

impl Default for FileSize {
    fn default() -> Self {
        Self::TARGET
    }
}

/// Text columns have dictionaries; numbers have none, since with dictionaries the fluxes of real forced photometry take a third more. Only
/// the key and the time have statistics per page: with those of all columns the footer would be larger than the pages that a lookup reads.
pub(crate) fn properties(table: Table, schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(CODEC.into())
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_write_batch_size(PAGE_ROWS)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_sorting_columns(Some(sorting_columns(table, |name| schema.index_of(name).ok())));
    for name in [table.key(), TIME] {
        let path = ColumnPath::from(name);
        properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Page);
    }
    for field in schema.fields().iter().filter(|field| field.data_type() == &DataType::Utf8) {
        let path = ColumnPath::new(vec![field.name().clone()]);
        properties = properties.set_column_dictionary_enabled(path, true);
    }
    properties.build()
}

/// The name of a file of a table.
pub(crate) fn file_name(id: Uuid) -> String {
    format!("part-{id}.parquet")
}

/// The footer's mark of a file without NaN times: statistics do not count NaN.
const NO_NAN_TIMES: &str = "diaflight.noNanTimes";

pub(crate) fn no_nan_times() -> KeyValue {
    KeyValue::new(NO_NAN_TIMES.to_string(), "true".to_string())
}

/// Whether a file is known to have no NaN among its times.
pub(crate) fn has_no_nan_times(footer: &ParquetMetaData) -> bool {
    let said = footer.file_metadata().key_value_metadata();
    said.is_some_and(|said| said.contains(&no_nan_times()))
}

/// The folder of a table's updates, within its own: a Delta table, too. What begins with `_` is none of the table's files to any engine.
pub(crate) const UPDATES: &str = "_updates";

/// Whether a file has a name that [`SortedWriter`](super::SortedWriter) gives.
pub(crate) fn has_our_name(path: &Path) -> bool {
    let id = path.filename().and_then(|name| name.strip_prefix("part-")?.strip_suffix(".parquet"));
    let id = id.and_then(|id| Uuid::try_parse(id).ok());
    id.is_some_and(|id| path.filename() == Some(&file_name(id)))
}

/// Whether a file was written by [`SortedWriter`](super::SortedWriter), and so is sorted, by its name and footer. A file that another
/// writer rewrote has another name, and mostly another order.
pub(crate) fn is_sorted(table: Table, path: &Path, footer: &ParquetMetaData) -> bool {
    let described = footer.file_metadata();
    let own_crate = described.created_by().is_some_and(|by| by.starts_with("parquet-rs "));
    let columns = described.schema_descr().columns();
    let place = |name: &str| columns.iter().position(|column| column.name() == name);
    let order = sorting_columns(table, place);
    let declared = footer.row_groups().iter().all(|group| group.sorting_columns() == Some(&order));
    has_our_name(path) && own_crate && order.len() == table.sort_columns().len() && declared
}

/// The sort columns of a table; `place` gives the index of a column in the file.
fn sorting_columns(table: Table, place: impl Fn(&str) -> Option<usize>) -> Vec<SortingColumn> {
    let indices = table.sort_columns().iter().map_while(|name| place(name));
    let ascending = |column: usize| SortingColumn {
        column_idx: column as i32,
        descending: false,
        nulls_first: true,
    };
    indices.map(ascending).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::KEY;
    use crate::schema::{Family, stored_field};

    #[test]
    fn sort_columns_are_recorded_by_their_place_in_the_schema() {
        let schema = Schema::new(vec![
            stored_field(Family::Rubin, "band", DataType::Utf8),
            stored_field(Family::Rubin, TIME, DataType::Float64),
            stored_field(Family::Rubin, "diaSourceId", DataType::Int64),
            stored_field(Family::Rubin, KEY, DataType::Int64),
        ]);
        let places = sorting_columns(Table::Sources, |name| schema.index_of(name).ok());
        assert_eq!(places.iter().map(|c| c.column_idx).collect::<Vec<_>>(), [3, 1, 2]);
    }

    #[test]
    fn a_file_is_small_below_half_of_either_limit() {
        let size = FileSize { rows: 100, bytes: 1000 };
        assert!(size.is_small(49, 499));
        assert!(!size.is_small(50, 499));
        assert!(!size.is_small(49, 500));
    }
}
