//! About how many bytes a function makes at most, told from its name and its arguments for a batch of rows, before it makes them. The
//! numbers are floats, so that nothing overflows.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ColumnarValue;

/// Bytes of an element of a list, beside what it refers to.
const ELEMENT_BYTES: f64 = 16.0;
const NS_PER_DAY: f64 = 86_400e9;

/// The arguments of a function for a batch of rows.
pub(crate) struct Sizes<'a> {
    /// Its arguments.
    pub args: &'a [ColumnarValue],
    /// The rows of the batch.
    pub rows: usize,
}

type BytesMade = fn(&Sizes) -> Result<f64>;

/// How many bytes a function of DataFusion makes; `None` for one whose values are about as large as its arguments, or smaller.
pub(crate) fn bytes_made(name: &str) -> Option<BytesMade> {
    Some(match name {
        "repeat" => |sizes| sizes.sum(|size| size(0) * size(1)),
        "lpad" | "rpad" => |sizes| sizes.sum(|size| 4.0 * size(1)),
        "replace" => |sizes| sizes.sum(|size| size(0) + (size(0) + 1.0) * size(2)),
        "regexp_replace" => |sizes| sizes.sum(|size| (size(0) + 1.0) * (1.0 + 2.0 * size(2))),
        // Each group of the pattern matches a part of the text.
        "regexp_match" => {
            |sizes| sizes.sum(|size| (size(0) + ELEMENT_BYTES) * (1.0 + size(1) / 2.0))
        }
        "array_repeat" => |sizes| {
            let element = sizes.largest(0)?;
            sizes.sum(|size| (element + ELEMENT_BYTES) * size(1))
        },
        "array_resize" => |sizes| {
            let element = sizes.largest(2)?;
            sizes.sum(|size| size(0) + (element + ELEMENT_BYTES) * size(1))
        },
        "array_to_string" => |sizes| sizes.sum(|size| size(0) * (size(1) + size(2) + 8.0)),
        "generate_series" | "range" => |sizes| sizes.of_series(),
        "to_char" => |sizes| sizes.sum(|size| 20.0 * size(1)),
        // This counts steps and not bytes, but the same limit applies.
        "levenshtein" => |sizes| sizes.sum(|size| size(0) * size(1) / 64.0),
        "array_has_all" | "array_has_any" => {
            |sizes| sizes.sum(|size| size(0) / ELEMENT_BYTES * size(1) / ELEMENT_BYTES)
        }
        "string_to_array" => |sizes| Ok(ELEMENT_BYTES * sizes.total()?),
        "concat_ws" => |sizes| {
            let between = sizes.args.len() as f64;
            Ok(sizes.total()? + sizes.sum(|size| size(0) * between)?)
        },
        "||" | "concat" | "overlay" | "translate" | "make_array" | "struct" | "named_struct"
        | "map" => |sizes| sizes.total(),
        "array_append" | "array_prepend" | "array_concat" | "array_union" | "arrays_zip" => {
            |sizes| sizes.total()
        }
        "array_replace" => |sizes| sizes.total(),
        // Each element may be replaced by the new one.
        "array_replace_n" | "array_replace_all" => |sizes| {
            let element = sizes.largest(2)?;
            sizes.sum(|size| size(0) + size(0) / ELEMENT_BYTES * element)
        },
        _ => return None,
    })
}

impl Sizes<'_> {
    /// The sum over all rows of `bytes`, which is given the sizes of a row's arguments.
    fn sum(&self, bytes: impl Fn(&dyn Fn(usize) -> f64) -> f64) -> Result<f64> {
        let args = self.args.iter().map(|arg| self.each(arg)).collect::<Result<Vec<_>>>()?;
        let of_row = |row: usize| {
            bytes(&|arg| {
                args.get(arg).map_or(0.0, |sizes: &Vec<f64>| sizes[row.min(sizes.len() - 1)])
            })
        };
        Ok((0..self.rows).map(of_row).sum())
    }

    /// An argument in each row: the number that it is, or the bytes of its text or list. There is one for all rows if it is a scalar.
    fn each(&self, arg: &ColumnarValue) -> Result<Vec<f64>> {
        let array = match arg {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(scalar) => scalar.to_array()?,
        };
        if array.is_empty() {
            return Ok(vec![0.0]);
        }
        let each = match array.data_type() {
            data_type if data_type.is_numeric() => cast(&array, &DataType::Float64)?,
            data_type if data_type.is_nested() => {
                let bytes = bytes_of(&array)? / array.len() as f64;
                let elements =
                    length(&array).ok().map(|lengths| cast(&lengths, &DataType::Float64));
                let Some(elements) = elements.transpose()? else {
                    return Ok(vec![bytes; array.len()]);
                };
                let elements = elements.as_primitive::<Float64Type>().iter();
                return Ok(elements
                    .map(|count| bytes.max(ELEMENT_BYTES * count.unwrap_or(0.0)))
                    .collect());
            }
            data_type if data_type.is_primitive() || *data_type == DataType::Boolean => {
                return Ok(vec![8.0; array.len()]);
            }
            DataType::Null => return Ok(vec![0.0; array.len()]),
            _ => cast(&length(&array)?, &DataType::Float64)?,
        };
        Ok(each
            .as_primitive::<Float64Type>()
            .iter()
            .map(|size| size.unwrap_or(0.0).max(0.0))
            .collect())
    }

    /// The bytes of an argument in the row where it has most.
    fn largest(&self, arg: usize) -> Result<f64> {
        match self.args.get(arg) {
            Some(arg) if arg.data_type().is_numeric() => Ok(8.0),
            Some(arg) => Ok(self.each(arg)?.into_iter().fold(0.0, f64::max)),
            None => Ok(0.0),
        }
    }

    /// The bytes of all arguments.
    fn total(&self) -> Result<f64> {
        let of_arg = |arg: &ColumnarValue| match arg {
            ColumnarValue::Array(array) => bytes_of(array),
            ColumnarValue::Scalar(scalar) => Ok(self.rows as f64 * bytes_of(&scalar.to_array()?)?),
        };
        self.args.iter().map(of_arg).sum()
    }

    /// The bytes of a series of numbers or times from a first to a last one.
    fn of_series(&self) -> Result<f64> {
        let args = self.args.iter().map(numbers).collect::<Result<Vec<_>>>()?;
        let of_row = |row: usize| {
            let arg = |i: usize| args.get(i).map(|numbers| numbers[row.min(numbers.len() - 1)]);
            let (first, last) = match (arg(0), arg(1)) {
                (Some(first), Some(last)) => (first, last),
                (first, _) => (0.0, first.unwrap_or(0.0)),
            };
            let step = arg(2).unwrap_or(1.0).abs().max(f64::MIN_POSITIVE);
            8.0 * ((last - first).abs() / step + 1.0)
        };
        let sum: f64 = (0..self.rows).map(of_row).filter(|bytes| !bytes.is_nan()).sum();
        Ok(sum)
    }
}

/// The bytes of the values of an array, without others in its buffers.
fn bytes_of(array: &ArrayRef) -> Result<f64> {
    Ok(array.to_data().get_slice_memory_size()? as f64)
}

/// An argument of a series: a number, a time in nanoseconds, or the shortest that an interval is, in nanoseconds.
fn numbers(arg: &ColumnarValue) -> Result<Vec<f64>> {
    let array = match arg {
        ColumnarValue::Array(array) => array.clone(),
        ColumnarValue::Scalar(scalar) => scalar.to_array()?,
    };
    if array.is_empty() {
        return Ok(vec![f64::NAN]);
    }
    let floats = |array: &ArrayRef| -> Result<Vec<f64>> {
        let floats = cast(array, &DataType::Float64)?;
        Ok(floats
            .as_primitive::<Float64Type>()
            .iter()
            .map(|number| number.unwrap_or(f64::NAN))
            .collect())
    };
    match array.data_type() {
        DataType::Interval(_) => (0..array.len()).map(|row| interval_ns(&array, row)).collect(),
        DataType::Date32 => {
            let days = floats(&cast(&array, &DataType::Int32)?)?;
            Ok(days.into_iter().map(|days| days * NS_PER_DAY).collect())
        }
        DataType::Timestamp(_, zone) => {
            let in_ns = cast(&array, &DataType::Timestamp(TimeUnit::Nanosecond, zone.clone()))?;
            floats(&cast(&in_ns, &DataType::Int64)?)
        }
        _ => floats(&array),
    }
}

fn interval_ns(array: &ArrayRef, row: usize) -> Result<f64> {
    let ns = |months: i32, days: i32, ns: f64| {
        f64::from(months) * 28.0 * NS_PER_DAY + f64::from(days) * NS_PER_DAY + ns
    };
    Ok(match ScalarValue::try_from_array(array, row)? {
        ScalarValue::IntervalYearMonth(Some(months)) => ns(months, 0, 0.0),
        ScalarValue::IntervalDayTime(Some(time)) => {
            ns(0, time.days, f64::from(time.milliseconds) * 1e6)
        }
        ScalarValue::IntervalMonthDayNano(Some(time)) => {
            ns(time.months, time.days, time.nanoseconds as f64)
        }
        _ => f64::NAN,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};

    use super::*;

    fn made(name: &str, args: Vec<ColumnarValue>, rows: usize) -> f64 {
        bytes_made(name).unwrap()(&Sizes { args: &args, rows }).unwrap()
    }

    fn number(number: i64) -> ColumnarValue {
        ColumnarValue::Scalar(number.into())
    }

    #[test]
    fn what_would_be_made_is_known_before() {
        let texts =
            ColumnarValue::Array(Arc::new(StringArray::from(vec![Some("abc"), None, Some("é")])));
        let counts = ColumnarValue::Array(Arc::new(Int64Array::from(vec![Some(2), Some(9), None])));
        assert_eq!(made("repeat", vec![texts.clone(), number(10)], 3), 50.0);
        assert_eq!(made("repeat", vec![texts.clone(), counts], 3), 6.0);
        assert!(made("repeat", vec![texts.clone(), number(i64::MAX)], 3) > 1e19);
        assert_eq!(made("generate_series", vec![number(1), number(1_000)], 2), 16_000.0);
        assert_eq!(
            made("range", vec![number(i64::MIN), number(i64::MAX), number(-1)], 1),
            8.0 * 2_f64.powi(64)
        );
        assert!(made("concat", vec![texts.clone(), texts.clone()], 3) >= 10.0);
        assert!(made("array_repeat", vec![number(1_000_000), number(10)], 1) < 1_000.0);
        let comma = ColumnarValue::Scalar(", ".repeat(500).into());
        assert!(
            made("concat_ws", vec![comma, texts.clone(), texts.clone(), texts.clone()], 3)
                >= 6_000.0
        );
        assert!(
            made("regexp_match", vec![texts.clone(), ColumnarValue::Scalar("((a))".into())], 3)
                >= 15.0
        );
        let list = ScalarValue::new_list_nullable(&vec![1_i64.into(); 10_000], &DataType::Int64);
        let list = ColumnarValue::Scalar(ScalarValue::List(list));
        assert!(made("array_has_any", vec![list.clone(), list.clone()], 1) >= 1e8);
        assert!(made("array_has_all", vec![list.clone(), list], 2) >= 2e8);
        let words = ScalarValue::new_list_nullable(&vec!["a".into(); 1_000], &DataType::Utf8);
        let words = ColumnarValue::Scalar(ScalarValue::List(words));
        let (from, to) =
            (ColumnarValue::Scalar("a".into()), ColumnarValue::Scalar("b".repeat(1_000).into()));
        assert!(made("array_replace_all", vec![words, from, to], 1) >= 1e6);
        let day = ScalarValue::new_interval_mdn(0, 1, 0);
        let (first, last) = (ScalarValue::Date32(Some(0)), ScalarValue::Date32(Some(99)));
        let args = [first, last, day].map(ColumnarValue::Scalar).to_vec();
        assert_eq!(made("generate_series", args, 1), 800.0);
        assert!(bytes_made("abs").is_none());
    }
}
