//! The order of the rows of a table, as numbers: to compare these costs much less than to compare the values of arrays.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int64Type};

use super::repeats::identity_of;
use crate::error::{Error, Result};
use crate::schema::provenance::{ALERT_TIME, PLAUSIBLE_MJD};
use crate::schema::{KEY, TIME, Table};

/// The place of a row among others: what it is sorted by, then its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RowPlace {
    key: i64,
    /// A number in the order of the times, null first; of states of an object, the newest first.
    time: i64,
    id: i64,
    pub row: u32,
}

impl RowPlace {
    /// What rows are the same by.
    pub(super) fn identity(&self, table: Table) -> (i64, i64) {
        identity_of(table, self.key, self.id)
    }

    /// Those of the copies of a row that may be the best. Of the states of an object that is the newest, unless its time is implausible.
    pub(super) fn contenders(table: Table, copies: &[Self]) -> &[Self] {
        match copies {
            [first, ..] if table == Table::Objects => {
                &copies[..copies.partition_point(|copy| copy.time == first.time)]
            }
            _ => copies,
        }
    }

    /// What rows are sorted by.
    pub(super) fn order(&self) -> (i64, i64, i64) {
        (self.key, self.time, self.id)
    }
}

/// The places of all rows of some batches, which are numbered through.
pub(super) fn places(table: Table, batches: &[RecordBatch]) -> Result<Vec<RowPlace>> {
    let mut places = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for rows in batches {
        let [keys, ids] =
            [KEY, table.id_column()].map(|name| rows[name].as_primitive::<Int64Type>().values());
        let times = rows.column_by_name(if table == Table::Objects { ALERT_TIME } else { TIME });
        let times = times.and_then(|times| times.as_primitive_opt::<Float64Type>());
        let times = times.ok_or_else(|| Error::internal("staged rows without times"))?.iter();
        let times = times.map(|time| match table {
            Table::Objects => newest_first(time),
            _ => time.map_or(i64::MIN, number),
        });
        for ((&key, time), &id) in keys.iter().zip(times).zip(ids) {
            places.push(RowPlace { key, time, id, row: places.len() as u32 });
        }
    }
    Ok(places)
}

/// A number in the order of doubles, NaN last.
fn number(value: f64) -> i64 {
    // Negative doubles descend where their bits ascend.
    match value.to_bits().cast_signed() {
        bits if bits < 0 => bits ^ i64::MAX,
        bits => bits,
    }
}

/// A number that is less for a later time; all times that are implausible come last.
fn newest_first(mjd: Option<f64>) -> i64 {
    mjd.filter(|mjd| PLAUSIBLE_MJD.contains(mjd)).map_or(i64::MAX, |mjd| !number(mjd))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_in_the_order_of_doubles() {
        let times = [
            f64::NEG_INFINITY,
            -61_000.5,
            -1e-300,
            -0.0,
            0.0,
            1e-300,
            61_000.5,
            61_000.500_000_1,
            f64::INFINITY,
            f64::NAN,
        ];
        assert!(times.is_sorted_by(|a, b| number(*a) < number(*b)));
    }

    #[test]
    fn the_newest_states_come_first_and_implausible_ones_last() {
        let times = [61_000.5, 61_000.499_999, 40_000.0].map(Some);
        let implausible = [Some(1_480_360_995.0), Some(0.0), Some(f64::NAN), None];
        let all = times.iter().chain(&implausible[..1]);
        assert!(all.is_sorted_by(|a, b| newest_first(**a) < newest_first(**b)));
        assert!(implausible.iter().all(|time| newest_first(*time) == i64::MAX));
    }
}
