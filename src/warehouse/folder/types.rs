//! The types of other people's columns among ours. In: a type, or two. Out: the type that holds each of their values exactly, if there
//! is one.

use arrow::datatypes::DataType;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::file::statistics::Statistics;

/// The type that holds every value exactly, or why there is none.
pub fn served_type(data_type: &DataType, fits: impl FnOnce() -> bool) -> Result<DataType, String> {
    use DataType as D;
    match data_type {
        D::Boolean | D::Int32 | D::Int64 | D::Float32 | D::Float64 | D::Utf8 | D::Null => {}
        D::Date32 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => {}
        D::Int8 | D::Int16 | D::UInt8 | D::UInt16 => return Ok(D::Int32),
        D::UInt32 => return Ok(D::Int64),
        D::UInt64 if fits() => return Ok(D::Int64),
        D::UInt64 => return Err("UInt64 has values, or may have, that long does not hold".into()),
        D::Float16 => return Ok(D::Float32),
        other => return Err(format!("its type {other} has no place in an answer")),
    }
    Ok(data_type.clone())
}

/// The type that holds the values of both exactly.
pub fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType as D;
    match (a, b) {
        (a, b) if a == b => Some(a.clone()),
        (D::Null, other) | (other, D::Null) => Some(other.clone()),
        (D::Int32, D::Int64) | (D::Int64, D::Int32) => Some(D::Int64),
        (D::Float32, D::Float64) | (D::Float64, D::Float32) => Some(D::Float64),
        (D::Int32, D::Float32 | D::Float64) | (D::Float32 | D::Float64, D::Int32) => {
            Some(D::Float64)
        }
        (D::Timestamp(a, zone), D::Timestamp(b, other)) if zone == other => {
            Some(D::Timestamp(*a.max(b), zone.clone()))
        }
        _ => None,
    }
}

/// Whether the statistics of a column of unsigned integers tell that each is one of `long`.
pub fn all_fit(footer: &ArrowReaderMetadata, root: usize) -> bool {
    let descriptor = footer.metadata().file_metadata().schema_descr();
    let leaf =
        (0..descriptor.num_columns()).find(|leaf| descriptor.get_column_root_idx(*leaf) == root);
    let Some(leaf) = leaf else { return false };
    // Old writers took them for signed ones: then the largest are the least.
    let fits = |statistics: &Statistics| match statistics {
        Statistics::Int64(values) => [values.min_opt(), values.max_opt()]
            .into_iter()
            .all(|end| end.is_some_and(|end| *end >= 0)),
        _ => false,
    };
    let groups = footer.metadata().row_groups().iter().filter(|group| group.num_rows() > 0);
    groups.into_iter().all(|group| {
        let statistics = group.column(leaf).statistics();
        let all_null =
            |of: &Statistics| of.null_count_opt() == u64::try_from(group.num_rows()).ok();
        statistics.is_some_and(|statistics| fits(statistics) || all_null(statistics))
    })
}
