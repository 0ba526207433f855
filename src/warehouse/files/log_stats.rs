//! The statistics of a file in its entry of the log: JSON, by which every Delta reader skips files.

use std::fmt;

use chrono::{DateTime, Utc};
use object_store::path::Path;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use super::DataFile;
use super::data_file::{ANY_ID, at_least, at_most, known_rows};
use crate::schema::{TIME, Table};

/// What is read of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LogStats {
    num_records: Value,
    min_values: ColumnStatistics,
    max_values: ColumnStatistics,
    null_count: ColumnStatistics,
}

impl LogStats {
    fn range(&self, column: &str) -> Option<(&Value, &Value)> {
        self.min_values.of(column).zip(self.max_values.of(column))
    }
}

/// A value for each of some columns. A log has as many of these as files, and reads a few of each: that is faster than with a map.
#[derive(Default)]
struct ColumnStatistics(Vec<(String, Value)>);

impl ColumnStatistics {
    fn of(&self, column: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == column).map(|(_, value)| value)
    }
}

impl<'de> Deserialize<'de> for ColumnStatistics {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = ColumnStatistics;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of columns")
    }

    fn visit_unit<E>(self) -> Result<ColumnStatistics, E> {
        Ok(ColumnStatistics::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ColumnStatistics, M::Error> {
        let mut values = Vec::new();
        while let Some(value) = map.next_entry()? {
            values.push(value);
        }
        Ok(ColumnStatistics(values))
    }
}

impl DataFile {
    /// From an entry of the log. Files of other writers may have no statistics.
    pub(crate) fn from_log(
        table: Table,
        path: Path,
        size_bytes: u64,
        modified: DateTime<Utc>,
        stats: Option<&str>,
    ) -> serde_json::Result<Self> {
        let stats: LogStats = stats.map(serde_json::from_str).transpose()?.unwrap_or_default();
        let ids = |name| {
            let (min, max) = stats.range(name)?;
            Some(min.as_i64()?..=max.as_i64()?)
        };
        let times = stats.range(TIME).and_then(|(min, max)| exact(min).zip(exact(max)));
        let times = times.map(|(from, to)| at_most(from)..=at_least(to));
        let no_nulls = |name| stats.null_count.of(name).is_some_and(|count| *count == 0);
        Ok(Self {
            rows: known_rows(stats.num_records.as_u64()),
            keys: ids(table.key()).unwrap_or(ANY_ID),
            ids: ids(table.id_column()).unwrap_or(ANY_ID),
            times_mjd: times.filter(|_| no_nulls(TIME)),
            may_lack_keys: !no_nulls(table.key()),
            ..Self::unknown(path, size_bytes, modified)
        })
    }

    /// The statistics of an entry of the log, by which every Delta reader skips files.
    pub(crate) fn log_stats(&self, table: Table) -> String {
        let mut stats = json!({"minValues": {}, "maxValues": {}, "nullCount": {}});
        if let Some(rows) = self.rows {
            stats["numRecords"] = rows.into();
        }
        let mut add = |name: &str, min: Value, max: Value| {
            stats["minValues"][name] = min;
            stats["maxValues"][name] = max;
            stats["nullCount"][name] = 0.into();
        };
        for (name, range) in [(table.key(), &self.keys), (table.id_column(), &self.ids)] {
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

/// A number of the log as a double, if the double is exactly that number.
fn exact(number: &Value) -> Option<f64> {
    match number.as_i64() {
        Some(whole) => {
            Some(whole as f64).filter(|_| whole.unsigned_abs() <= 1 << f64::MANTISSA_DIGITS)
        }
        None => number.as_f64().filter(|_| number.is_f64()),
    }
}
