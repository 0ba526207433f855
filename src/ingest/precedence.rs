//! Ranks copies of a row: the values that decide between them, as columns to sort by. The rules are those of
//! [provenance](crate::schema::provenance#precedence).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, Float64Array, RecordBatch, StringArray, UInt64Array,
    new_null_array,
};
use arrow::compute::kernels::cmp::not_distinct;
use arrow::compute::{and, cast};
use arrow::datatypes::{DataType, FieldRef, Float64Type, Schema, SchemaRef};

use crate::error::Result;
use crate::schema::provenance::{
    ALERT_BROKER, ALERT_CONTENT_HASH, ALERT_ENRICHED, ALERT_ID, ALERT_PROCESSED, ALERT_SCIENCE,
    ALERT_TIME, CONTENT_HASH, PLAUSIBLE_MJD,
};
use crate::schema::{KEY, TIME, Table, content_hash, family};

/// When a row was processed, and by which versions: columns of the packets.
pub(crate) const PROCESSED: &str = "timeProcessedMjdTai";
pub(crate) const BROKER: &str = "fink_broker_version";
pub(crate) const SCIENCE: &str = "fink_science_version";

/// The column of the numbers of [ranked] rows.
pub(crate) const NUMBER: &str = "number";

/// The columns of `schema` that the ranks are computed from, the object and the id.
pub(crate) fn ranked_by(table: Table, schema: &Schema) -> SchemaRef {
    let names: &[&str] = match table {
        Table::Sources => {
            &[TIME, ALERT_ID, ALERT_ENRICHED, PROCESSED, BROKER, SCIENCE, CONTENT_HASH]
        }
        Table::Objects => &[
            ALERT_TIME,
            ALERT_ID,
            ALERT_ENRICHED,
            ALERT_PROCESSED,
            ALERT_BROKER,
            ALERT_SCIENCE,
            ALERT_CONTENT_HASH,
            CONTENT_HASH,
        ],
        Table::Fp | Table::Places => &[],
    };
    let is_read = |field: &&FieldRef| {
        let name = field.name().as_str();
        // No hash of the content is stored for forced measurements, so it is computed from all their columns.
        [KEY, table.id_column()].contains(&name)
            || names.contains(&name)
            || (table == Table::Fp && family(field).is_some())
    };
    Arc::new(Schema::new(schema.fields().iter().filter(is_read).cloned().collect::<Vec<_>>()))
}

/// The ranks of rows, in the order of their weight. The copy with the greater value wins; null is less than any value.
fn ranks(table: Table, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let long = |name| column(rows, name, DataType::Int64);
    let double = |name| column(rows, name, DataType::Float64);
    let text = |name| column(rows, name, DataType::Utf8);
    let enriched = is_true(&column(rows, ALERT_ENRICHED, DataType::Boolean)?);
    Ok(match table {
        Table::Sources => {
            let own = not_distinct(&long(table.id_column())?, &long(ALERT_ID)?)?;
            vec![
                Arc::new(plausible(&double(TIME)?)),
                Arc::new(own.clone()),
                Arc::new(and(&own, &enriched)?),
                Arc::new(if_plausible(&double(PROCESSED)?)),
                Arc::new(version_keys(&text(BROKER)?)),
                Arc::new(version_keys(&text(SCIENCE)?)),
                long(CONTENT_HASH)?,
            ]
        }
        Table::Objects => vec![
            Arc::new(plausible(&double(ALERT_TIME)?)),
            double(ALERT_TIME)?,
            long(ALERT_ID)?,
            Arc::new(enriched),
            Arc::new(if_plausible(&double(ALERT_PROCESSED)?)),
            Arc::new(version_keys(&text(ALERT_BROKER)?)),
            Arc::new(version_keys(&text(ALERT_SCIENCE)?)),
            long(ALERT_CONTENT_HASH)?,
            long(CONTENT_HASH)?,
        ],
        Table::Fp => vec![
            Arc::new(plausible(&double(TIME)?)),
            Arc::new(if_plausible(&double(PROCESSED)?)),
            Arc::new(content_hash(rows.schema_ref(), rows.columns())?),
        ],
        // They are no rows of alerts, and are all alike.
        Table::Places => Vec::new(),
    })
}

/// What a rank is called, before its place.
pub(crate) const RANK: &str = "rank ";

/// The object, the id, the ranks (named by their place) and the numbers of rows.
pub(crate) fn ranked(
    table: Table,
    rows: &RecordBatch,
    numbers: impl Iterator<Item = u64>,
) -> Result<RecordBatch> {
    let mut ids = vec![KEY, table.id_column()];
    ids.dedup();
    let ids = ids.into_iter().map(|name| (name.to_string(), rows[name].clone()));
    let numbers = UInt64Array::from_iter_values(numbers);
    let ranks = ranks(table, rows)?.into_iter().enumerate();
    let columns = ids
        .chain(ranks.map(|(place, rank)| (format!("{RANK}{place}"), rank)))
        .chain([(NUMBER.to_string(), Arc::new(numbers) as ArrayRef)]);
    let columns = columns.map(|(name, column)| (name, column, true));
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}

/// A column in the type that ranks need; nulls if there is no such column.
fn column(rows: &RecordBatch, name: &str, data_type: DataType) -> Result<ArrayRef> {
    match rows.column_by_name(name) {
        Some(column) => Ok(cast(column, &data_type)?),
        None => Ok(new_null_array(&data_type, rows.num_rows())),
    }
}

fn is_true(values: &ArrayRef) -> BooleanArray {
    values.as_boolean().iter().map(|value| Some(value == Some(true))).collect()
}

fn is_plausible(mjd: Option<f64>) -> bool {
    mjd.is_some_and(|mjd| PLAUSIBLE_MJD.contains(&mjd))
}

fn plausible(mjd: &ArrayRef) -> BooleanArray {
    mjd.as_primitive::<Float64Type>().iter().map(|mjd| Some(is_plausible(mjd))).collect()
}

/// The plausible times; others become null.
fn if_plausible(mjd: &ArrayRef) -> Float64Array {
    let mjd = mjd.as_primitive::<Float64Type>().iter();
    mjd.map(|mjd| mjd.filter(|_| is_plausible(mjd))).collect()
}

/// Converts versions to texts that sort as versions do.
fn version_keys(versions: &ArrayRef) -> StringArray {
    // Most rows have the version of the row before.
    let mut last = (None, None);
    let keys = versions.as_string::<i32>().iter().map(|version| {
        if version != last.0 {
            last = (version, version.map(version_key));
        }
        last.1.clone()
    });
    keys.collect()
}

/// Puts the number of digits, as a character code, before each number, so that 9.0 sorts before 10.0.
fn version_key(version: &str) -> String {
    let (mut key, mut rest) = (String::new(), version);
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        let number = &rest[..rest.len() - after.len()];
        if !number.is_empty() {
            let number = number.trim_start_matches('0');
            key.push(char::from(number.len().min(127) as u8));
            key.push_str(number);
        }
        let text = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        key.push_str(&after[..text]);
        rest = &after[text..];
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_number_by_number() {
        let ascending = [
            "", "4", "4.1", "4.1.1", "4.2", "4.10", "8.39", "8.39.0", "8.40.0", "9.0", "10.0",
            "10.0rc2", "10.0rc10",
        ];
        let keys = ascending.map(version_key);
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert_eq!(version_key("08.039"), version_key("8.39"));
    }

    #[test]
    fn a_time_that_is_no_mjd_is_less_than_any() {
        let mjd: ArrayRef = Arc::new(Float64Array::from(vec![
            Some(61000.5),
            Some(1480360995.0),
            Some(0.0),
            Some(f64::NAN),
            None,
            Some(40000.0),
            Some(100000.0),
        ]));
        let kept = [Some(61000.5), None, None, None, None, Some(40000.0), Some(100000.0)];
        assert_eq!(if_plausible(&mjd).iter().collect::<Vec<_>>(), kept);
        let expected: Vec<_> = kept.iter().map(|mjd| Some(mjd.is_some())).collect();
        assert_eq!(plausible(&mjd).iter().collect::<Vec<_>>(), expected);
    }
}
