//! Compares [ranked](super::precedence::ranked) staged rows with the copies that the table has. Most say the same, since alerts repeat the
//! history of their object: then the stored one stays, and nobody else has to be asked.

use std::cmp::Ordering;
use std::collections::HashMap;

use arrow::array::{AsArray, BooleanArray, RecordBatch, make_comparator};
use arrow::compute::filter_record_batch;
use arrow::datatypes::UInt64Type;

use super::precedence::{NUMBER, RANK};
use super::repeats::identity;
use crate::error::Result;
use crate::schema::Table;

/// What a comparison gives.
pub(super) struct Compared {
    /// The numbers of the staged rows whose copy says the same.
    pub same: Vec<u64>,
    /// The copies that are still to be compared: of rows of which a staged one says something else, or of which the table has several.
    pub open: RecordBatch,
}

/// Compares staged rows with the copies of them.
pub(super) fn compared(
    table: Table,
    staged: &RecordBatch,
    copies: &RecordBatch,
) -> Result<Compared> {
    let mut places = HashMap::with_capacity(copies.num_rows());
    let mut is_several = vec![false; copies.num_rows()];
    let identity_of = identity(table, copies);
    for at in 0..copies.num_rows() {
        let first = *places.entry(identity_of(at)).or_insert(at);
        if first != at {
            (is_several[first], is_several[at]) = (true, true);
        }
    }
    let ranks = copies.schema_ref().fields().iter().map(|field| field.name());
    let ranks = ranks.filter(|name| name.starts_with(RANK)).map(|rank| {
        make_comparator(&staged[rank.as_str()], &copies[rank.as_str()], Default::default())
    });
    let ranks = ranks.collect::<std::result::Result<Vec<_>, _>>()?;
    let mut is_open = is_several.clone();
    let mut same = Vec::new();
    let numbers = staged[NUMBER].as_primitive::<UInt64Type>().values();
    let identity_of = identity(table, staged);
    for (at, number) in numbers.iter().enumerate() {
        let Some(&copy) = places.get(&identity_of(at)) else { continue };
        match ranks.iter().all(|rank| rank(at, copy) == Ordering::Equal) {
            true if !is_several[copy] => same.push(*number),
            _ => is_open[copy] = true,
        }
    }
    let open = filter_record_batch(copies, &BooleanArray::from(is_open))?;
    Ok(Compared { same, open })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Float64Array, Int64Array, UInt64Array};

    use super::*;
    use crate::schema::KEY;

    /// Object, id, rank, number.
    fn rows(of: &[(i64, i64, Option<f64>, u64)]) -> RecordBatch {
        let columns: [(&str, ArrayRef); 4] = [
            (KEY, Arc::new(of.iter().map(|row| row.0).collect::<Int64Array>())),
            (Table::Fp.id_column(), Arc::new(of.iter().map(|row| row.1).collect::<Int64Array>())),
            ("rank 0", Arc::new(of.iter().map(|row| row.2).collect::<Float64Array>())),
            (NUMBER, Arc::new(of.iter().map(|row| row.3).collect::<UInt64Array>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, of)| (name, of, true)))
            .unwrap()
    }

    #[test]
    fn only_a_copy_that_is_alone_and_says_the_same_ends_the_comparison() {
        let copies = rows(&[
            (1, 10, Some(0.5), 3),
            (1, 11, None, 3),
            (2, 10, Some(0.5), 4),
            (2, 12, Some(0.5), 4),
            (2, 12, Some(0.7), 5),
            (3, 13, Some(0.5), 5),
        ]);
        let staged = rows(&[
            (1, 10, Some(0.5), 100),
            (1, 11, None, 101),
            // Another row than the first.
            (2, 10, Some(0.6), 102),
            // One of two copies.
            (2, 12, Some(0.5), 103),
            // The second says something else.
            (3, 13, Some(0.5), 104),
            (3, 13, None, 105),
            (3, 14, Some(0.5), 106),
        ]);
        let Compared { same, open } = compared(Table::Fp, &staged, &copies).unwrap();
        assert_eq!(same, [100, 101, 104]);
        assert_eq!(open, copies.slice(2, 4));
    }
}
