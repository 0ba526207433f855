//! One Parquet file of a table, as the log knows it. In: a footer, or the log's statistics. Out: the
//! ranges that tell a reader whether to open it.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use object_store::{ObjectMeta, path::Path};
use parquet::file::metadata::ParquetMetaData;
use parquet::file::statistics::Statistics;
use serde_json::{Value, json};

use super::stored_names::stored_name;
use crate::schema::{KEY, TIME, Table};

/// A file, its size and the ranges of its ids, from the log's statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct DataFile {
    /// The full path in the snapshot's store.
    pub path: Path,
    pub size_bytes: u64,
    /// When it was written, to the millisecond. Path, size and time together name its contents.
    pub modified: DateTime<Utc>,
    /// 0 where unknown: only files of other writers.
    pub rows: u64,
    /// The `diaObjectId`s: inclusive. Rows are sorted by it. All of `i64` where unknown.
    pub keys: RangeInclusive<i64>,
    /// The LSST ids of the rows ([`Table::id_column`](crate::schema::Table::id_column)): inclusive.
    /// All of `i64` where unknown.
    pub ids: RangeInclusive<i64>,
    /// `midpointMjdTai`: inclusive. `None` where unknown, or some are null.
    pub times_mjd: Option<RangeInclusive<f64>>,
}

const ANY_ID: RangeInclusive<i64> = i64::MIN..=i64::MAX;

impl DataFile {
    /// From the statistics in a file's footer.
    pub(super) fn from_footer(table: Table, object: ObjectMeta, footer: &ParquetMetaData) -> Self {
        Self {
            path: object.location,
            size_bytes: object.size,
            modified: to_millis(object.last_modified),
            rows: footer.file_metadata().num_rows().unsigned_abs(),
            keys: id_range(footer, KEY).unwrap_or(ANY_ID),
            ids: id_range(footer, table.id_column()).unwrap_or(ANY_ID),
            times_mjd: time_range(footer),
        }
    }

    /// From an entry of the log. Files of other writers may have no statistics.
    pub(super) fn from_log(
        table: Table,
        path: Path,
        size_bytes: u64,
        modified: DateTime<Utc>,
        stats: Option<&str>,
    ) -> serde_json::Result<Self> {
        let stats: Value = stats.map(serde_json::from_str).transpose()?.unwrap_or_default();
        let range =
            |name: &str| (stats["minValues"][name].clone(), stats["maxValues"][name].clone());
        let ids = |name| {
            let (min, max) = range(name);
            Some(min.as_i64()?..=max.as_i64()?)
        };
        let (from, to) = range(TIME);
        Ok(Self {
            path,
            size_bytes,
            modified,
            rows: stats["numRecords"].as_u64().unwrap_or_default(),
            keys: ids(KEY).unwrap_or(ANY_ID),
            ids: ids(table.id_column()).unwrap_or(ANY_ID),
            times_mjd: from.as_f64().zip(to.as_f64()).map(|(from, to)| from..=to),
        })
    }

    /// The statistics of an entry of the log, by which every Delta reader skips files.
    pub(super) fn log_stats(&self, table: Table) -> String {
        let mut stats = json!({
            "numRecords": self.rows, "minValues": {}, "maxValues": {}, "nullCount": {}
        });
        let mut add = |name: &str, min: Value, max: Value| {
            stats["minValues"][name] = min;
            stats["maxValues"][name] = max;
            stats["nullCount"][name] = 0.into();
        };
        for (name, range) in [(KEY, &self.keys), (table.id_column(), &self.ids)] {
            if *range != ANY_ID {
                add(name, (*range.start()).into(), (*range.end()).into());
            }
        }
        if let Some(times) = &self.times_mjd {
            add(TIME, (*times.start()).into(), (*times.end()).into());
        }
        stats.to_string()
    }
}

/// The log keeps milliseconds.
pub(super) fn to_millis(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(time.timestamp_millis()).unwrap_or(time)
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
    Some(min..=max)
}

/// Of every row group; `None` if one has none.
fn column_statistics<'a>(footer: &'a ParquetMetaData, name: &str) -> Option<Vec<&'a Statistics>> {
    let columns = footer.file_metadata().schema_descr().columns();
    let index = columns.iter().position(|column| stored_name(column.name()).1 == name)?;
    footer.row_groups().iter().map(|group| group.column(index).statistics()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_keep_every_digit() {
        let file = DataFile {
            path: "t/part-1.parquet".into(),
            size_bytes: 10,
            modified: DateTime::from_timestamp_millis(1_767_225_600_123).unwrap(),
            rows: 3,
            keys: 170_028_485_706_776_685..=i64::MAX - 1,
            ids: i64::MIN + 1..=-9_007_199_254_740_993,
            times_mjd: Some(61105.093643486834..=61105.0958006999),
        };
        let stats = file.log_stats(Table::Sources);
        let read = DataFile::from_log(
            Table::Sources,
            file.path.clone(),
            file.size_bytes,
            file.modified,
            Some(&stats),
        );
        assert_eq!(read.unwrap(), file);
    }

    #[test]
    fn a_file_without_statistics_may_hold_any_id() {
        let read =
            DataFile::from_log(Table::Fp, "x".into(), 1, DateTime::UNIX_EPOCH, None).unwrap();
        assert_eq!((read.keys, read.ids, read.times_mjd), (ANY_ID, ANY_ID, None));
    }
}
