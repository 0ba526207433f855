//! Takes arrays out of nested packets, by the path of a field.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StructArray};
use arrow::compute::{is_null, nullif};
use arrow::datatypes::{DataType, Float64Type, Int64Type};

use super::scalar::to_stored;
use crate::error::{Error, Result};

/// The array at a path. A value is null if any record on the path is.
pub(crate) fn extract(records: &StructArray, path: &[usize]) -> Result<ArrayRef> {
    let [first, below @ ..] = path else { return Err(Error::internal("a column without a path")) };
    let mut array = field(records, *first)?;
    for at in below {
        let record = array.as_struct_opt();
        array = field(record.ok_or_else(|| Error::internal("a path through no record"))?, *at)?;
    }
    Ok(array)
}

fn field(records: &StructArray, at: usize) -> Result<ArrayRef> {
    let field = records.column(at);
    match records.null_count() {
        0 => Ok(field.clone()),
        _ => Ok(nullif(field, &is_null(records)?)?),
    }
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
