//! What is known of one Parquet file of a table without reading its rows: from its footer, or from the log where that is all there is. The
//! ranges of its ids and times tell a reader whether to open it.

use std::cmp::Ordering;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use datafusion::common::ScalarValue;
use object_store::{ObjectMeta, path::Path};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnPath;

use super::layout;
use super::stored_names::stored_name;
use super::tag::{FileTag, InPlaces, Level, Update};
use crate::schema::{KEY, TIME, Table};

/// A Parquet file of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// The full path in the snapshot's store.
    pub path: Path,
    /// Its size in the store.
    pub size_bytes: u64,
    /// When it was written, to the millisecond.
    pub modified: DateTime<Utc>,
    /// Distinguishes contents that have the same path, size and time: a hash of the store's ETag, or of the id of the table.
    pub generation: u64,
    /// The number of rows; `None` if it is unknown, as for a file of another writer whose footer was not read.
    pub rows: Option<u64>,
    /// The range of the `diaObjectId`s, inclusive. All of `i64` if it is unknown.
    pub keys: RangeInclusive<i64>,
    /// The range of the LSST ids of the rows ([`Table::id_column`](crate::schema::Table::id_column)), inclusive. All of `i64` if it is
    /// unknown.
    pub ids: RangeInclusive<i64>,
    /// The range of `midpointMjdTai`, inclusive. `None` if it is unknown, or some values are null.
    pub times_mjd: Option<RangeInclusive<f64>>,
    /// Whether some `midpointMjdTai` may be NaN. Statistics do not count NaN, so only the mark of our writer excludes it.
    pub may_have_nan_times: bool,
    /// Whether some rows may have no `diaObjectId`.
    pub may_lack_keys: bool,
    /// Whether the rows are known to be sorted by [`Table::sort_columns`]: by the footer, or by our tag in the log.
    pub sorted: bool,
    /// The columns that are not in the file but in its path or in the log, each with the one value that all its rows have.
    pub partition_values: Vec<(String, ScalarValue)>,
    /// What the log says of it beyond that.
    pub tag: FileTag,
}

/// A file that claims to have more rows is not believed, so that the rows of many files can be added up.
const MAX_ROWS: u64 = 1 << 44;

pub(super) const ANY_ID: RangeInclusive<i64> = i64::MIN..=i64::MAX;

impl DataFile {
    /// Whether the file is known to have no row. Then all that is unknown of it does not matter.
    pub fn is_empty(&self) -> bool {
        self.rows == Some(0)
    }

    /// A file of which nothing is known.
    pub fn unknown(path: Path, size_bytes: u64, modified: DateTime<Utc>) -> Self {
        Self {
            path,
            size_bytes,
            modified: to_millis(modified),
            generation: 0,
            rows: None,
            keys: ANY_ID,
            ids: ANY_ID,
            times_mjd: None,
            may_have_nan_times: true,
            may_lack_keys: true,
            sorted: false,
            partition_values: Vec::new(),
            tag: FileTag::default(),
        }
    }

    /// From the statistics in a file's footer.
    pub(crate) fn from_footer(table: Table, object: &ObjectMeta, footer: &ParquetMetaData) -> Self {
        let path = object.location.clone();
        Self {
            sorted: layout::is_sorted(table, &path, footer),
            rows: known_rows(u64::try_from(footer.file_metadata().num_rows()).ok()),
            keys: id_range(footer, table.key()).unwrap_or(ANY_ID),
            ids: id_range(footer, table.id_column()).unwrap_or(ANY_ID),
            times_mjd: time_range(footer),
            may_have_nan_times: !layout::has_no_nan_times(footer),
            may_lack_keys: !has_no_nulls(footer, table.key()),
            ..Self::unknown(path, object.size, object.last_modified)
        }
    }

    /// The file with what its footer says. What the footer does not say stays.
    pub fn described(&self, table: Table, footer: &ParquetMetaData) -> Self {
        let object = ObjectMeta {
            location: self.path.clone(),
            last_modified: self.modified,
            size: self.size_bytes,
            e_tag: None,
            version: None,
        };
        let own = Self::from_footer(table, &object, footer);
        let known = |own: RangeInclusive<i64>, told: &RangeInclusive<i64>| {
            if own == ANY_ID { told.clone() } else { own }
        };
        Self {
            keys: known(own.keys, &self.keys),
            ids: known(own.ids, &self.ids),
            times_mjd: own.times_mjd.or(self.times_mjd.clone()),
            generation: self.generation,
            partition_values: self.partition_values.clone(),
            tag: self.tag.clone(),
            ..own
        }
    }

    /// The file at a level and, where that has ranges, in the range that begins with a key.
    pub(crate) fn placed(mut self, level: Option<Level>, range: Option<i64>) -> Self {
        (self.tag.level, self.tag.range) = (level, range);
        self
    }

    /// The file in the place of another one.
    pub(crate) fn in_place_of(mut self, other: &FileTag) -> Self {
        (self.tag.update, self.tag.folded, self.tag.places) =
            (other.update, other.folded, other.places);
        self.placed(other.level, other.range)
    }

    /// The file with the updates up to a number folded into it.
    pub(crate) fn folded(mut self, number: u64) -> Self {
        self.tag.folded = number;
        self
    }

    /// The file, whose rows' cells are in a table of places since a version.
    pub(crate) fn in_places(mut self, places: Option<InPlaces>) -> Self {
        self.tag.places = places;
        self
    }

    /// The file as one of updates.
    pub(crate) fn updating(mut self, update: Update) -> Self {
        self.tag.update = Some(update);
        self
    }

    /// The order of the files of a snapshot: by their first keys.
    pub(crate) fn in_key_order(&self, other: &Self) -> Ordering {
        (self.keys.start(), &self.path).cmp(&(other.keys.start(), &other.path))
    }

    /// Whether its rows are updates, which replace those of the same objects.
    pub fn is_update(&self) -> bool {
        self.tag.update.is_some()
    }

    /// The number of the update whose rows it has; 0 for the table itself.
    pub fn update_number(&self) -> u64 {
        self.tag.update.map_or(0, |update| update.number)
    }

    /// The file with what our tag in the log says of it. A file that carries an index is sorted. Without its statistics, which another
    /// engine may have left out of a checkpoint, the footer has to describe it, and so no index is known.
    pub(crate) fn tagged(self, tag: FileTag) -> Self {
        let described = self.rows.is_some() && self.keys != ANY_ID && self.ids != ANY_ID;
        let tag = FileTag { index: tag.index.filter(|_| described), ..tag };
        Self {
            sorted: tag.index.is_some(),
            may_have_nan_times: tag.index.is_none() || tag.nan_times,
            tag,
            ..self
        }
    }
}

pub(super) fn known_rows(told: Option<u64>) -> Option<u64> {
    told.filter(|rows| *rows <= MAX_ROWS)
}

/// Writers may write 0 for a minimum of -0, which sorts before it.
pub(super) fn at_most(least: f64) -> f64 {
    if least == 0.0 { -0.0 } else { least }
}

pub(super) fn at_least(greatest: f64) -> f64 {
    if greatest == 0.0 { 0.0 } else { greatest }
}

/// The log keeps milliseconds.
pub(crate) fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
}

/// The range of the keys of each row group, as far as their statistics tell.
pub(crate) fn group_keys(footer: &ParquetMetaData) -> Vec<Option<RangeInclusive<i64>>> {
    let column = column_place(footer, KEY);
    let keys = |group: &RowGroupMetaData| match group.column(column?).statistics()? {
        Statistics::Int64(values) => Some(*values.min_opt()?..=*values.max_opt()?),
        _ => None,
    };
    footer.row_groups().iter().map(keys).collect()
}

fn id_range(footer: &ParquetMetaData, name: &str) -> Option<RangeInclusive<i64>> {
    let mut ranges = Vec::new();
    for statistics in column_statistics(footer, name)? {
        let Statistics::Int64(values) = statistics else { return None };
        ranges.push((*values.min_opt()?, *values.max_opt()?));
    }
    let min = ranges.iter().map(|range| range.0).min()?;
    let max = ranges.iter().map(|range| range.1).max()?;
    Some(min..=max)
}

fn time_range(footer: &ParquetMetaData) -> Option<RangeInclusive<f64>> {
    let mut ranges = Vec::new();
    for statistics in column_statistics(footer, TIME)? {
        let Statistics::Double(values) = statistics else { return None };
        if values.null_count_opt() != Some(0) {
            return None;
        }
        ranges.push((*values.min_opt()?, *values.max_opt()?));
    }
    let min = ranges.iter().map(|range| range.0).min_by(f64::total_cmp)?;
    let max = ranges.iter().map(|range| range.1).max_by(f64::total_cmp)?;
    Some(at_most(min)..=at_least(max))
}

fn has_no_nulls(footer: &ParquetMetaData, name: &str) -> bool {
    let no_nulls = |statistics: &Statistics| statistics.null_count_opt() == Some(0);
    column_statistics(footer, name).is_some_and(|all| all.into_iter().all(no_nulls))
}

/// The statistics of a column in every row group with rows; `None` if some are missing.
fn column_statistics<'a>(footer: &'a ParquetMetaData, name: &str) -> Option<Vec<&'a Statistics>> {
    let index = column_place(footer, name)?;
    let groups = footer.row_groups().iter().filter(|group| group.num_rows() != 0);
    groups.map(|group| group.column(index).statistics()).collect()
}

fn column_place(footer: &ParquetMetaData, name: &str) -> Option<usize> {
    let columns = footer.file_metadata().schema_descr().columns();
    let is_it = |path: &ColumnPath| matches!(path.parts(), [own] if stored_name(own).1 == name);
    columns.iter().position(|column| is_it(column.path()))
}

#[cfg(test)]
mod tests;
