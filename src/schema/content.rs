//! Hashes the content of rows, each into one number.
//!
//! Two rows with the same measured values hash alike, whatever the order of their columns, which of them are null or absent, and the
//! width of their types: an integer and the float of the same value are the same. So a row has one hash, whichever file it came in
//! and however wide the columns of its table are. Each value is hashed with its column's name (XXH3, 64 bits); the hash of a row is the
//! sum.

use arrow::array::{Array, ArrayAccessor, ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type, Schema};
use twox_hash::XxHash3_64;

use super::family;
use crate::error::{Error, Result};

/// The hash of each row, over the columns that have a family; provenance columns do not count. `columns` are the first ones of `schema`.
pub fn content_hash(schema: &Schema, columns: &[ArrayRef]) -> Result<Int64Array> {
    let mut sums = vec![0; columns.first().map_or(0, |column| column.len())];
    for (field, column) in schema.fields().iter().zip(columns) {
        if family(field).is_some() {
            add(&mut sums, ValueHash::new(field.name()), column)?;
        }
    }
    Ok(Int64Array::from_iter_values(sums.into_iter().map(u64::cast_signed)))
}

fn add(sums: &mut [u64], hash: ValueHash, column: &ArrayRef) -> Result<()> {
    match column.data_type() {
        DataType::Boolean => {
            let [no, yes] = [false, true].map(|value| hash.boolean(value));
            add_each(sums, column.as_boolean(), |value| if value { yes } else { no })
        }
        DataType::Int32 => {
            add_each(sums, column.as_primitive::<Int32Type>(), |value| hash.integer(value.into()))
        }
        DataType::Int64 => {
            add_each(sums, column.as_primitive::<Int64Type>(), |value| hash.integer(value))
        }
        DataType::Float32 => {
            add_each(sums, column.as_primitive::<Float32Type>(), |value| hash.float(value.into()))
        }
        DataType::Float64 => {
            add_each(sums, column.as_primitive::<Float64Type>(), |value| hash.float(value))
        }
        DataType::Utf8 => add_each(sums, column.as_string::<i32>(), |value| hash.text(value)),
        other => return Err(Error::internal(format!("no hash of a column of type {other}"))),
    }
    Ok(())
}

/// Adds the hashes of one column to those of the rows. A null adds nothing.
fn add_each<A: ArrayAccessor>(sums: &mut [u64], column: A, hash: impl Fn(A::Item) -> u64) {
    for (at, sum) in sums.iter_mut().enumerate() {
        if column.is_valid(at) {
            *sum = sum.wrapping_add(hash(column.value(at)));
        }
    }
}

/// Hashes the values of one column. Each kind of value has its own seed, so that 1, true and "1" differ.
#[derive(Clone, Copy)]
struct ValueHash {
    seed: u64,
}

impl ValueHash {
    fn new(column: &str) -> Self {
        Self { seed: XxHash3_64::oneshot(column.as_bytes()) }
    }

    fn integer(self, value: i64) -> u64 {
        self.bytes(0, &value.to_le_bytes())
    }

    /// Zero and minus zero differ; all NaNs are the same.
    fn float(self, value: f64) -> u64 {
        let integer = value as i64;
        // A larger float would be cast to the greatest integer, so that one is excluded.
        if (integer as f64).to_bits() == value.to_bits() && integer != i64::MAX {
            return self.integer(integer);
        }
        let value = if value.is_nan() { f64::NAN } else { value };
        self.bytes(1, &value.to_le_bytes())
    }

    fn boolean(self, value: bool) -> u64 {
        self.bytes(2, &[value.into()])
    }

    fn text(self, value: &str) -> u64 {
        self.bytes(3, value.as_bytes())
    }

    #[inline(always)]
    fn bytes(self, kind: u64, bytes: &[u8]) -> u64 {
        let seed = self.seed.wrapping_add(kind);
        // Up to 240 bytes the secret does not count. Without one, none is copied for each value.
        let short = XxHash3_64::oneshot_with_seed_and_secret(seed, &[], bytes);
        short.unwrap_or_else(|_| XxHash3_64::oneshot_with_seed(seed, bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::schema::{Family, provenance, stored_field};
    use arrow::array::{BooleanArray, Float32Array, Float64Array, Int32Array, StringArray};

    fn hash_of(columns: &[(&str, ArrayRef)]) -> i64 {
        let field = |(name, column): &(&str, ArrayRef)| {
            stored_field(Family::Rubin, name, column.data_type().clone())
        };
        let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
        let arrays: Vec<_> = columns.iter().map(|(_, column)| column.clone()).collect();
        content_hash(&schema, &arrays).unwrap().value(0)
    }

    fn int(value: i32) -> ArrayRef {
        Arc::new(Int32Array::from(vec![value]))
    }

    fn long(value: i64) -> ArrayRef {
        Arc::new(Int64Array::from(vec![value]))
    }

    fn float(value: f32) -> ArrayRef {
        Arc::new(Float32Array::from(vec![value]))
    }

    fn double(value: f64) -> ArrayRef {
        Arc::new(Float64Array::from(vec![value]))
    }

    fn text(value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    /// It is stored in tables, so it may never change. The number is another XXH3's (Python's `xxhash`).
    #[test]
    fn the_hash_of_a_row_is_the_same_for_ever() {
        let row = [
            ("diaSourceId", long(170_028_485_706_776_685)),
            ("band", text("r")),
            ("psfFlux", float(0.5)),
            ("isDipole", Arc::new(BooleanArray::from(vec![true])) as ArrayRef),
        ];
        assert_eq!(hash_of(&row), 1_582_053_923_250_694_980);
    }

    #[test]
    fn the_same_values_hash_alike_in_any_order_and_width() {
        let one = hash_of(&[("a", int(7)), ("b", float(0.1)), ("c", text("x"))]);
        assert_eq!(
            hash_of(&[("c", text("x")), ("a", double(7.0)), ("b", double(0.1f32.into()))]),
            one
        );
        let null: ArrayRef = Arc::new(Float64Array::from(vec![None]));
        assert_eq!(
            hash_of(&[("a", long(7)), ("n", null), ("b", float(0.1)), ("c", text("x"))]),
            one
        );
        let other_nan = f64::from_bits(f64::NAN.to_bits() | 1);
        assert_eq!(hash_of(&[("a", double(other_nan))]), hash_of(&[("a", float(f32::NAN))]));
    }

    #[test]
    fn different_values_hash_differently() {
        let boolean: ArrayRef = Arc::new(BooleanArray::from(vec![true]));
        let large = 9_007_199_254_740_993;
        let values = [
            int(1),
            int(2),
            long(large),
            long(large - 1),
            long(i64::MAX),
            long(i64::MIN),
            double(0.5),
            double(0.0),
            double(-0.0),
            double(2f64.powi(63)),
            double(f64::NAN),
            double(f64::INFINITY),
            double(-f64::INFINITY),
            boolean,
            text("1"),
            text(""),
            long(0.5f64.to_bits().cast_signed()),
        ];
        let hashes = values.map(|value| hash_of(&[("a", value.clone()), ("b", value)]));
        for (i, hash) in hashes.iter().enumerate() {
            assert!(!hashes[..i].contains(hash), "{i}");
        }
        assert_ne!(
            hash_of(&[("a", int(1)), ("b", int(2))]),
            hash_of(&[("a", int(2)), ("b", int(1))])
        );
        assert_ne!(hash_of(&[("a", int(1))]), hash_of(&[("b", int(1))]));
    }

    #[test]
    fn provenance_is_no_content() {
        let measured = stored_field(Family::Rubin, "a", DataType::Int64);
        let alert = provenance::field(provenance::ALERT_ID).unwrap();
        let schema = Schema::new(vec![measured, alert]);
        let [one, other] = [1, 2].map(|id| content_hash(&schema, &[long(7), long(id)]).unwrap());
        assert_eq!(one, other);
    }
}
