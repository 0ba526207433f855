//! Converts values of any scalar type that Avro or Parquet has to the type of their stored column (boolean, int, long, float, double or
//! string): exactly, or not at all.
//!
//! Data frames widen what they hold: ints come as longs, floats as doubles, ints with gaps as doubles. A value goes
//! into a narrower type if that type gives it back: a double into a float that reads as the same double (NaN as NaN), a whole
//! double into a long while it is below 2^53, from where on a double may stand for several integers. Text is no number,
//! and a boolean is no int.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray, StringArray, new_null_array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int32Type, Int64Type};
use arrow::error::ArrowError;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::schema::type_name;

/// The stored type of a field that neither its table nor the catalog knows; `None` for types that are no scalars (lists, maps, records,
/// unions, bytes). Integers become longs and floats doubles, so that the width in the first file does not matter. Decimals become the
/// nearest doubles; enumerations, times (ISO 8601) and fixed bytes (hexadecimal) become text.
pub(crate) fn stored_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    Some(match data_type {
        Boolean => Boolean,
        Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64 => Int64,
        Float16 | Float32 | Float64 => Float64,
        Decimal32(..) | Decimal64(..) | Decimal128(..) | Decimal256(..) => Float64,
        Utf8 | LargeUtf8 | Utf8View => Utf8,
        Date32 | Date64 | Time32(_) | Time64(_) | Timestamp(..) => Utf8,
        Duration(_) | Interval(_) | FixedSizeBinary(_) => Utf8,
        Dictionary(_, values) => stored_type(values)?,
        _ => return None,
    })
}

/// Whether values of a type can be stored as another: they are nulls, of the same kind, or both are numbers.
pub(crate) fn may_become(found: &DataType, stored: &DataType) -> bool {
    use DataType::{Boolean, Null, Utf8};
    match (stored_type(found), stored) {
        (None, _) => found == &Null,
        (Some(own @ (Boolean | Utf8)), stored) => own == *stored,
        (Some(_), stored) => !matches!(stored, Boolean | Utf8),
    }
}

/// Why an array cannot be converted to a stored type.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// A value cannot be converted: its row, and why.
    Value(usize, String),
    Other(Error),
}

impl From<Error> for Unfit {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<ArrowError> for Unfit {
    fn from(error: ArrowError) -> Self {
        Self::Other(error.into())
    }
}

/// The values of an array as a stored type.
pub(crate) fn exact(array: &ArrayRef, stored: &DataType) -> Result<ArrayRef, Unfit> {
    let found = array.data_type();
    if found == stored {
        return Ok(array.clone());
    }
    if found == &DataType::Null {
        return Ok(new_null_array(stored, array.len()));
    }
    if !may_become(found, stored) {
        let (found, stored) = (found.to_string(), type_name(stored));
        return Err(Error::input(format!("of type {found}; {stored} is expected")).into());
    }
    if let Some(bytes) = array.as_fixed_size_binary_opt() {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        return Ok(Arc::new(bytes.iter().map(|bytes| bytes.map(hex)).collect::<StringArray>()));
    }
    // Every number is exact in one of the widest types, or in no type of a column.
    let widest = match stored_type(found) {
        Some(widest) => cast_all(array, &widest)?,
        None => return Err(Error::internal("a scalar without a stored type").into()),
    };
    match widest.data_type() == stored {
        true => Ok(widest),
        false => narrowed(&widest, found, stored),
    }
}

/// Integers or doubles as a narrower or another type; `found` is the type that they come from.
fn narrowed(widest: &ArrayRef, found: &DataType, stored: &DataType) -> Result<ArrayRef, Unfit> {
    // The least integer that a double cannot distinguish from its neighbour.
    let whole_below = match found {
        DataType::Float16 => 2_f64.powi(11),
        DataType::Float32 => 2_f64.powi(24),
        _ => 2_f64.powi(53),
    };
    let whole = |value: f64| value.fract() == 0.0 && value.abs() < whole_below;
    let long = |value: f64| whole(value).then_some(value as i64);
    Ok(match (widest.data_type(), stored) {
        (DataType::Int64, DataType::Int32) => {
            narrow::<Int64Type, Int32Type>(widest, |value| value.try_into().ok())?
        }
        (DataType::Int64, DataType::Float64) => {
            narrow::<Int64Type, Float64Type>(widest, |value| {
                (value as f64 as i128 == value.into()).then_some(value as f64)
            })?
        }
        (DataType::Int64, DataType::Float32) => {
            narrow::<Int64Type, Float32Type>(widest, |value| {
                (value as f32 as i128 == value.into()).then_some(value as f32)
            })?
        }
        (DataType::Float64, DataType::Int64) => narrow::<Float64Type, Int64Type>(widest, long)?,
        (DataType::Float64, DataType::Int32) => {
            narrow::<Float64Type, Int32Type>(widest, |value| long(value)?.try_into().ok())?
        }
        (DataType::Float64, DataType::Float32) => {
            narrow::<Float64Type, Float32Type>(widest, |value| {
                let float = value as f32;
                (f64::from(float) == value || value.is_nan()).then_some(float)
            })?
        }
        (own, stored) => {
            return Err(Error::internal(format!("no conversion from {own} to {stored}")).into());
        }
    })
}

/// The same for arrays that are known to fit.
pub(crate) fn to_stored(array: &ArrayRef, stored: &DataType) -> Result<ArrayRef> {
    exact(array, stored).map_err(|unfit| match unfit {
        Unfit::Value(_, value) => not_exact(&value, stored),
        Unfit::Other(error) => error,
    })
}

/// The error for a value.
pub(crate) fn not_exact(value: &str, stored: &DataType) -> Error {
    Error::input(format!("{value}, which is not exactly a {}", type_name(stored)))
}

/// Casts every value, or names the first that cannot be cast.
fn cast_all(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, Unfit> {
    let cast = cast_with_options(array, to, &CastOptions { safe: true, ..Default::default() })?;
    match (0..array.len()).find(|at| cast.is_null(*at) && !array.is_null(*at)) {
        // The values of a dictionary may be null, too.
        Some(at) if array.logical_nulls().is_none_or(|nulls| nulls.is_valid(at)) => {
            Err(unfit(array, at))
        }
        _ => Ok(cast),
    }
}

fn narrow<A: ArrowPrimitiveType, B: ArrowPrimitiveType>(
    array: &ArrayRef,
    to: impl Fn(A::Native) -> Option<B::Native>,
) -> Result<ArrayRef, Unfit> {
    let values = array.as_primitive::<A>();
    let narrowed: PrimitiveArray<B> = values.iter().map(|value| value.and_then(&to)).collect();
    match (0..values.len()).find(|at| narrowed.is_null(*at) && values.is_valid(*at)) {
        Some(at) => Err(unfit(array, at)),
        None => Ok(Arc::new(narrowed)),
    }
}

fn unfit(array: &ArrayRef, at: usize) -> Unfit {
    let options = FormatOptions::default();
    match ArrayFormatter::try_new(array, &options) {
        Ok(values) => Unfit::Value(at, values.value(at).to_string()),
        Err(error) => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Decimal128Array, FixedSizeBinaryArray, TimestampMicrosecondArray};
    use arrow::array::{
        DictionaryArray, Float32Array, Float64Array, Int16Array, Int64Array, UInt64Array,
    };

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

    /// The values as a type, or the place of the first that does not fit.
    fn tried(array: impl Array + 'static, stored: &DataType) -> Result<ArrayRef, usize> {
        let array: ArrayRef = Arc::new(array);
        exact(&array, stored).map_err(|unfit| match unfit {
            Unfit::Value(at, _) => at,
            Unfit::Other(error) => panic!("{error}"),
        })
    }

    #[test]
    fn numbers_become_what_gives_them_back() {
        use DataType::{Float32, Float64, Int32, Int64};
        let longs = Int64Array::from(vec![Some(i64::from(i32::MIN)), None, Some(1 << 24)]);
        for stored in [Int32, Float32, Float64] {
            assert!(tried(longs.clone(), &stored).is_ok(), "{stored}");
        }
        let special = vec![0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1_f32 as f64];
        let floats = tried(Float64Array::from(special.clone()), &Float32).unwrap();
        let floats = floats.as_primitive::<Float32Type>().values().iter();
        assert!(
            floats
                .zip(&special)
                .all(|(float, double)| { f64::from(*float).to_bits() == double.to_bits() })
        );
        let whole = Float64Array::from(vec![Some(-3.0), None, Some(9_007_199_254_740_991.0)]);
        let ids = tried(whole, &Int64).unwrap();
        assert_eq!(ids.as_primitive::<Int64Type>().values(), &[-3, 0, (1 << 53) - 1]);
        let first = [(1_i64 << 53) + 1, i64::MAX];
        for value in first {
            assert_eq!(
                tried(Int64Array::from(vec![1, value]), &Float64).unwrap_err(),
                1,
                "{value}"
            );
        }
        assert_eq!(tried(Int64Array::from(vec![(1 << 24) + 1]), &Float32).unwrap_err(), 0);
        assert_eq!(tried(Int64Array::from(vec![1 << 31]), &Int32).unwrap_err(), 0);
        assert_eq!(tried(UInt64Array::from(vec![1, u64::MAX]), &Int64).unwrap_err(), 1);
        for value in [0.1, 1e300, 1e-50] {
            assert_eq!(tried(Float64Array::from(vec![value]), &Float32).unwrap_err(), 0, "{value}");
        }
        for value in [0.5, f64::NAN, f64::INFINITY, 9_007_199_254_740_992.0, 1.700944562723227e17] {
            assert_eq!(tried(Float64Array::from(vec![value]), &Int64).unwrap_err(), 0, "{value}");
        }
        assert_eq!(tried(Float64Array::from(vec![2_147_483_648.0]), &Int32).unwrap_err(), 0);
        assert_eq!(tried(Float32Array::from(vec![16_777_216.0]), &Int64).unwrap_err(), 0);
    }

    #[test]
    fn text_is_no_number_and_a_boolean_no_int() {
        use DataType::{Boolean, Float64, Int32, Int64, Null, Utf8};
        for (found, stored) in [(Utf8, Int64), (Int64, Utf8), (Boolean, Int32), (Float64, Boolean)]
        {
            assert!(!may_become(&found, &stored), "{found} {stored}");
            let array = new_null_array(&found, 1);
            assert_eq!(to_stored(&array, &stored).unwrap_err().kind(), crate::error::Kind::Input);
        }
        assert!(may_become(&Null, &Utf8));
        assert_eq!(tried(arrow::array::NullArray::new(2), &Int64).unwrap().null_count(), 2);
    }
}
