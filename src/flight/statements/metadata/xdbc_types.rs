//! The types of SQL as XDBC describes them: a row for the type that is asked for, or for every type.

use arrow::array::RecordBatch;
use arrow_flight::error::Result as FlightResult;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{
    CommandGetXdbcTypeInfo, Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode,
};

use crate::error::{Error, Result};

/// The rows for a command.
pub(crate) fn types(asked: CommandGetXdbcTypeInfo) -> Result<RecordBatch> {
    let rows = all().and_then(|all| asked.into_builder(&all).build());
    rows.map_err(|error| Error::internal(error.to_string()))
}

fn all() -> FlightResult<XdbcTypeInfoData> {
    use XdbcDataType::*;
    use XdbcDatetimeSubcode::*;
    let mut types = XdbcTypeInfoDataBuilder::new();
    for described in [
        any("BOOLEAN", XdbcBit),
        number("TINYINT", XdbcTinyint, 3, 10),
        number("SMALLINT", XdbcSmallint, 5, 10),
        number("INTEGER", XdbcInteger, 10, 10),
        number("BIGINT", XdbcBigint, 19, 10),
        number("REAL", XdbcReal, 24, 2),
        number("DOUBLE", XdbcDouble, 53, 2),
        decimal(),
        quoted("VARCHAR", XdbcVarchar, "'"),
        quoted("BYTEA", XdbcVarbinary, "X'"),
        moment("DATE", XdbcDate, XdbcSubcodeYear, 10, "DATE '"),
        moment("TIMESTAMP", XdbcTimestamp, XdbcSubcodeTimestamp, 29, "TIMESTAMP '"),
    ] {
        types.append(described);
    }
    types.build()
}

fn any(name: &str, data_type: XdbcDataType) -> XdbcTypeInfo {
    XdbcTypeInfo {
        type_name: name.into(),
        local_type_name: Some(name.into()),
        data_type,
        sql_data_type: data_type,
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Full,
        ..XdbcTypeInfo::default()
    }
}

/// `size` counts digits of the radix.
fn number(name: &str, data_type: XdbcDataType, size: i32, radix: i32) -> XdbcTypeInfo {
    XdbcTypeInfo {
        column_size: Some(size),
        num_prec_radix: Some(radix),
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        ..any(name, data_type)
    }
}

fn decimal() -> XdbcTypeInfo {
    XdbcTypeInfo {
        create_params: Some(vec!["precision".into(), "scale".into()]),
        minimum_scale: Some(0),
        maximum_scale: Some(76),
        ..number("DECIMAL", XdbcDataType::XdbcDecimal, 76, 10)
    }
}

fn quoted(name: &str, data_type: XdbcDataType, prefix: &str) -> XdbcTypeInfo {
    XdbcTypeInfo {
        literal_prefix: Some(prefix.into()),
        literal_suffix: Some("'".into()),
        case_sensitive: true,
        ..any(name, data_type)
    }
}

/// `size` counts characters of the longest literal.
fn moment(
    name: &str,
    data_type: XdbcDataType,
    code: XdbcDatetimeSubcode,
    size: i32,
    prefix: &str,
) -> XdbcTypeInfo {
    XdbcTypeInfo {
        column_size: Some(size),
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(code),
        case_sensitive: false,
        ..quoted(name, data_type, prefix)
    }
}
