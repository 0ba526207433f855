//! The type in which a column of someone else's files is served, and whether that type holds each of its values exactly.

use std::ops::RangeInclusive;

use arrow::datatypes::{DataType, TimeUnit};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::basic::Type as PhysicalType;
use parquet::file::statistics::Statistics;

/// The range of integers that a column may have, some of which a type may not hold. Times are in nanoseconds.
pub(crate) type Numbers = RangeInclusive<i128>;

/// The range of a column without integers, or whose integers every wider type holds.
const NONE: Numbers = 0..=0;
/// From here on not every integer is a double.
const EXACT_IN_DOUBLE: i128 = 1 << f64::MANTISSA_DIGITS;

/// The type that a column is served in, or why there is none.
pub(crate) fn served_type(data_type: &DataType) -> Result<DataType, String> {
    use DataType as D;
    match data_type {
        D::Boolean | D::Int32 | D::Int64 | D::Float32 | D::Float64 | D::Utf8 | D::Null => {}
        D::Date32 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => {}
        D::Int8 | D::Int16 | D::UInt8 | D::UInt16 => return Ok(D::Int32),
        D::UInt32 | D::UInt64 => return Ok(D::Int64),
        D::Float16 => return Ok(D::Float32),
        other => return Err(format!("its type {other} is not supported in answers")),
    }
    Ok(data_type.clone())
}

/// The type that both widen to. [`holds`] tells whether it holds all their numbers.
pub(crate) fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as D;
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (D::Null, other) | (other, D::Null) => Some(other.clone()),
        (D::Int32, D::Int64) | (D::Int64, D::Int32) => Some(D::Int64),
        (D::Float32, D::Float64) | (D::Float64, D::Float32) => Some(D::Float64),
        (D::Int32 | D::Int64, D::Float32 | D::Float64)
        | (D::Float32 | D::Float64, D::Int32 | D::Int64) => Some(D::Float64),
        (D::Timestamp(a, zone), D::Timestamp(b, other)) if zone == other => {
            Some(D::Timestamp(*a.max(b), zone.clone()))
        }
        _ => None,
    }
}

/// Whether a type has an exact value for each of some numbers.
pub(crate) fn holds(data_type: &DataType, numbers: &Numbers) -> bool {
    let all = match data_type {
        DataType::Float64 => -EXACT_IN_DOUBLE..=EXACT_IN_DOUBLE,
        DataType::Int64 | DataType::Timestamp(..) => numbers_of_type(data_type),
        _ => return true,
    };
    all.contains(numbers.start()) && all.contains(numbers.end())
}

/// The range of both.
pub(crate) fn both(a: &Numbers, b: &Numbers) -> Numbers {
    *a.start().min(b.start())..=*a.end().max(b.end())
}

/// The range of a type.
pub(crate) fn numbers_of_type(data_type: &DataType) -> Numbers {
    match data_type {
        DataType::UInt64 => 0..=u64::MAX.into(),
        DataType::Int64 | DataType::Timestamp(..) => {
            let unit = unit(data_type);
            i128::from(i64::MIN) * unit..=i128::from(i64::MAX) * unit
        }
        _ => NONE,
    }
}

/// The range of a column by its statistics, or by its type without any.
pub(crate) fn numbers_of_column(
    footer: &ArrowReaderMetadata,
    root: usize,
    data_type: &DataType,
) -> Numbers {
    let all = numbers_of_type(data_type);
    let unit = unit(data_type);
    let told = told(footer, root).map(|told| told.start() * unit..=told.end() * unit);
    // Old writers compared unsigned numbers as signed ones, so the minimum can be above the maximum.
    let told = told.filter(|told| all.contains(told.start()) && all.contains(told.end()));
    told.unwrap_or(all)
}

/// Whether a file's column is the time that Spark and Impala write: Arrow reads it in nanoseconds, into which most years do not go, it
/// has no statistics, and readers let it overflow.
pub(crate) fn is_int96(footer: &ArrowReaderMetadata, root: usize) -> bool {
    let columns = footer.metadata().file_metadata().schema_descr();
    let mut leaves =
        (0..columns.num_columns()).filter(|leaf| columns.get_column_root_idx(*leaf) == root);
    leaves.any(|leaf| columns.column(leaf).physical_type() == PhysicalType::INT96)
}

fn told(footer: &ArrowReaderMetadata, root: usize) -> Option<Numbers> {
    let descriptor = footer.metadata().file_metadata().schema_descr();
    let mut leaves = 0..descriptor.num_columns();
    let leaf = leaves.find(|leaf| descriptor.get_column_root_idx(*leaf) == root)?;
    let groups = footer.metadata().row_groups().iter().filter(|group| group.num_rows() > 0);
    groups.into_iter().try_fold(NONE, |all, group| {
        let statistics = group.column(leaf).statistics()?;
        if statistics.null_count_opt() == u64::try_from(group.num_rows()).ok() {
            return Some(all);
        }
        let Statistics::Int64(values) = statistics else { return None };
        let (min, max) = (i128::from(*values.min_opt()?), i128::from(*values.max_opt()?));
        Some(both(&all, &(min.min(max)..=max.max(min))))
    })
}

/// The unit of a time in nanoseconds; 1 for any other type.
fn unit(data_type: &DataType) -> i128 {
    match data_type {
        DataType::Timestamp(TimeUnit::Second, _) => 1_000_000_000,
        DataType::Timestamp(TimeUnit::Millisecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_holds_a_number_or_it_does_not() {
        let time = |unit| DataType::Timestamp(unit, None);
        let year_3000 = 32_503_680_000_000_000_000;
        for (data_type, number, held) in [
            (DataType::Float64, 1 << 53, true),
            (DataType::Float64, (1 << 53) + 1, false),
            (DataType::Float64, -(1 << 53) - 1, false),
            (DataType::Int64, i64::MAX.into(), true),
            (DataType::Int64, 1 << 63, false),
            (time(TimeUnit::Microsecond), year_3000, true),
            (time(TimeUnit::Nanosecond), year_3000, false),
            (DataType::Utf8, 0, true),
        ] {
            assert_eq!(holds(&data_type, &(number..=number)), held, "{data_type} {number}");
        }
    }
}
