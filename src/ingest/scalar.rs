//! The types of stored columns. In: an array of a packet, of any scalar type that Avro or Parquet has. Out: the same
//! values as one of boolean, int, long, float, double, string.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;

use crate::error::{Error, Result};

/// The stored type of a field; `None` for what is no scalar (lists, maps, records, unions, bytes).
/// Decimals become doubles; enumerations, times (ISO 8601) and fixed bytes (hexadecimal) become text.
pub fn stored_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Boolean => Boolean,
        Int8 | Int16 | Int32 | UInt8 | UInt16 => Int32,
        Int64 | UInt32 | UInt64 => Int64,
        Float16 | Float32 => Float32,
        Float64 => Float64,
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => Float64,
        Utf8 | LargeUtf8 | Utf8View => Utf8,
        Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) => Utf8,
        Duration(_) | Interval(_) | FixedSizeBinary(_) => Utf8,
        Dictionary(_, values) => stored_type(values)?,
        _ => return None,
    })
}

/// An array as the given stored type. A value that the type cannot hold is an `Input` error.
pub fn to_stored(array: &ArrayRef, stored: &DataType) -> Result<ArrayRef> {
    if array.data_type() == stored {
        return Ok(array.clone());
    }
    if let Some(bytes) = array.as_fixed_size_binary_opt() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        return Ok(Arc::new(bytes.iter().map(|bytes| bytes.map(hex)).collect::<StringArray>()));
    }
    let options = CastOptions { safe: false, ..Default::default() };
    cast_with_options(array, stored, &options).map_err(|error| Error::input(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, FixedSizeBinaryArray, TimestampMicrosecondArray};
    use arrow::array::{DictionaryArray, Int16Array, UInt64Array};
    use arrow::datatypes::Int32Type;

    fn text_of(array: impl Array + 'static) -> Vec<Option<String>> {
        let array: ArrayRef = Arc::new(array);
        let stored = stored_type(array.data_type()).unwrap();
        let stored = to_stored(&array, &stored).unwrap();
        let text = arrow::compute::cast(&stored, &DataType::Utf8).unwrap();
        text.as_string::<i32>().iter().map(|value| value.map(str::to_string)).collect()
    }

    fn some(values: &[&str]) -> Vec<Option<String>> {
        values.iter().map(|value| Some(value.to_string())).collect()
    }

    #[test]
    fn every_scalar_has_a_stored_form() {
        assert_eq!(text_of(Int16Array::from(vec![Some(-5), None])), [Some("-5".into()), None]);
        let times = TimestampMicrosecondArray::from(vec![1_500_000]).with_timezone("+00:00");
        assert_eq!(text_of(times), some(&["1970-01-01T00:00:01.500Z"]));
        let symbols: DictionaryArray<Int32Type> = ["real", "bogus", "real"].into_iter().collect();
        assert_eq!(text_of(symbols), some(&["real", "bogus", "real"]));
        let fixed = FixedSizeBinaryArray::try_from(vec![&[0_u8, 171][..]]).unwrap();
        assert_eq!(text_of(fixed), some(&["00ab"]));
        let decimals = Decimal128Array::from(vec![12345]).with_precision_and_scale(9, 2).unwrap();
        assert_eq!(text_of(decimals), some(&["123.45"]));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let array: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert_eq!(
            to_stored(&array, &DataType::Int64).unwrap_err().kind(),
            crate::error::Kind::Input
        );
    }
}
