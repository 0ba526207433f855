//! Takes arrays out of nested packets, by the path of a field.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StructArray};
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::scalar::to_stored;
use crate::error::{Error, Result};

/// The array at a path. A value is null if any record on the path is.
pub(crate) fn extract(records: &StructArray, path: &[usize]) -> Result<ArrayRef> {
    let (mut record, mut array) = (records.clone(), None);
    for at in path {
        let mut field = record.column(*at).clone();
        if record.null_count() > 0 {
            field = nullif(&field, &is_null(&record)?)?;
        }
        if let Some(inner) = field.as_struct_opt() {
            record = inner.clone();
        }
        array = Some(field);
    }
    array.ok_or_else(|| Error::internal("a column without a path"))
}

/// The longs at a path.
pub(crate) fn long(records: &StructArray, path: &[usize]) -> Result<Int64Array> {
    let array = to_stored(&extract(records, path)?, &DataType::Int64)?;
    Ok(array.as_primitive::<Int64Type>().clone())
}

/// The doubles at a path.
pub(crate) fn double(records: &StructArray, path: &[usize]) -> Result<Float64Array> {
    let array = to_stored(&extract(records, path)?, &DataType::Float64)?;
    Ok(array.as_primitive::<Float64Type>().clone())
}
