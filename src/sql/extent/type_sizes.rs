//! Limits on types, and the sizes of values whose type alone says how large they are, such as fixed-size lists.
//!
//! Such values take their bytes where they are null, too. And whoever goes through a type, or encodes it, goes as deep as it is.

use arrow::datatypes::DataType;
use datafusion::common::DFSchema;

use super::WHAT;
use crate::error::{Error, Result};
use crate::plan::bounds::too_large;

/// Types within each other.
pub(crate) const MOST_DEPTH: usize = 32;
/// Types of which a type is made. A struct may have the same type many times.
const MOST_PARTS: usize = 4_096;
/// Bytes of the values of a row whose sizes are fixed by their types: 2,000 numbers of an embedding.
const MOST_FIXED_BYTES: usize = 16 << 10;
/// About the bytes of any other value.
const VALUE_BYTES: usize = 16;

/// The bytes of the values of fixed size in a row.
pub(crate) fn check_row(schema: &DFSchema) -> Result<usize> {
    schema.fields().iter().try_fold(0, |bytes, field| {
        at_most_fixed(fixed_bytes(field.data_type())?.saturating_add(bytes))
    })
}

/// The bytes of a value of fixed size; 0 of any other.
pub(crate) fn fixed_bytes(data_type: &DataType) -> Result<usize> {
    let bytes = value_bytes(data_type, 1, &mut 0)?;
    Ok(if is_fixed(data_type) { bytes } else { 0 })
}

fn is_fixed(data_type: &DataType) -> bool {
    match data_type {
        DataType::FixedSizeBinary(_) | DataType::FixedSizeList(..) => true,
        DataType::Struct(fields) => fields.iter().any(|field| is_fixed(field.data_type())),
        DataType::Union(fields, _) => fields.iter().any(|(_, field)| is_fixed(field.data_type())),
        DataType::Dictionary(_, values) => is_fixed(values),
        DataType::RunEndEncoded(_, values) => is_fixed(values.data_type()),
        _ => false,
    }
}

/// The bytes of a value, without those that it refers to.
fn value_bytes(data_type: &DataType, depth: usize, parts: &mut usize) -> Result<usize> {
    *parts += 1;
    if depth > MOST_DEPTH {
        return Err(too_large(WHAT, depth, "levels of nested types, or more", MOST_DEPTH));
    }
    if *parts > MOST_PARTS {
        return Err(too_large(WHAT, *parts, "parts in a type, or more", MOST_PARTS));
    }
    let mut of = |data_type: &DataType| value_bytes(data_type, depth + 1, parts);
    let bytes = match data_type {
        DataType::FixedSizeBinary(bytes) => usize::try_from(*bytes).unwrap_or(0),
        DataType::FixedSizeList(item, count) => {
            of(item.data_type())?.saturating_mul(usize::try_from(*count).unwrap_or(0))
        }
        DataType::Struct(fields) => {
            let mut each = fields.iter().map(|field| of(field.data_type()));
            each.try_fold(0_usize, |sum, bytes| Ok::<_, Error>(sum.saturating_add(bytes?)))?
        }
        DataType::Union(fields, _) => {
            let mut each = fields.iter().map(|(_, field)| of(field.data_type()));
            each.try_fold(0_usize, |sum, bytes| Ok::<_, Error>(sum.saturating_add(bytes?)))?
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::Map(item, _) => {
            of(item.data_type())?;
            VALUE_BYTES
        }
        DataType::Dictionary(_, values) => of(values)?,
        DataType::RunEndEncoded(_, values) => of(values.data_type())?,
        other => other.primitive_width().unwrap_or(VALUE_BYTES),
    };
    if is_fixed(data_type) { at_most_fixed(bytes) } else { Ok(bytes) }
}

fn at_most_fixed(bytes: usize) -> Result<usize> {
    match bytes {
        0..=MOST_FIXED_BYTES => Ok(bytes),
        bytes => {
            let of = "bytes in a row of values whose types fix their sizes";
            Err(too_large(WHAT, bytes, of, MOST_FIXED_BYTES))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::datatypes::Field;

    use super::*;

    fn list(item: DataType) -> DataType {
        DataType::new_list(item, true)
    }

    #[test]
    fn values_of_fixed_size_are_counted_and_others_are_not() {
        let vector = DataType::new_fixed_size_list(DataType::Float32, 768, true);
        assert_eq!(fixed_bytes(&vector).unwrap(), 3_072);
        assert_eq!(fixed_bytes(&list(vector)).unwrap(), 0);
        assert_eq!(fixed_bytes(&DataType::Utf8).unwrap(), 0);
        assert_eq!(fixed_bytes(&DataType::FixedSizeBinary(16)).unwrap(), 16);
    }

    #[test]
    fn types_over_a_limit_are_told_which() {
        let deep = |levels| (0..levels).fold(DataType::Int64, |inner, _| list(inner));
        fixed_bytes(&deep(31)).unwrap();
        let twice = |inner: DataType, _| {
            let field = Arc::new(Field::new("a", inner, true));
            DataType::Struct(vec![field.clone(), field].into())
        };
        let huge =
            DataType::new_fixed_size_list(DataType::FixedSizeBinary(i32::MAX), i32::MAX, true);
        for (of, says) in [
            (deep(32), "limit is 32"),
            ((0..30).fold(DataType::Int64, twice), "limit is 4096"),
            (DataType::FixedSizeBinary(100_000), "limit is 16384"),
            (list(huge), "limit is 16384"),
        ] {
            let error = fixed_bytes(&of).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
