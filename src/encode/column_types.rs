//! The column types that all formats hold: `Boolean`, `Int32`, `Int64`, `Float32`, `Float64`, `Utf8`. Our own tables have no others.
//! Parquet that others wrote does: here and nowhere else, each of its types becomes the one of the six that holds all its values, or its
//! column is refused by name. Rows of a SQL statement have any type; what a format does not hold becomes text.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use super::Format;
use crate::error::{Error, Kind, Result};

/// The columns of one answer.
pub(super) struct EncodedColumns {
    schema: SchemaRef,
}

impl EncodedColumns {
    /// The columns of rows whose types all formats hold. Errors: `Input` with the name of a column whose type no format can hold. Names,
    /// nullability and metadata are kept.
    pub(crate) fn new(rows: &Schema) -> Result<Self> {
        let encoded = |field: &FieldRef| match encoded_type(field.data_type()) {
            Some(encoded) => Ok(with_type(field, encoded)),
            None => Err(refusal(field)),
        };
        let fields = rows.fields().iter().map(encoded).collect::<Result<Vec<_>>>()?;
        let schema = Schema::new(fields).with_metadata(rows.metadata().clone());
        Ok(Self { schema: Arc::new(schema) })
    }

    /// The columns of rows of any types. What no format can hold becomes text.
    pub(crate) fn from_any_types(rows: &Schema, format: Format) -> Self {
        let encoded = |field: &FieldRef| with_type(field, any_type(field.data_type(), format));
        Self {
            schema: Arc::new(Schema::new(rows.fields().iter().map(encoded).collect::<Vec<_>>())),
        }
    }

    /// The fields in the types in which they are encoded.
    pub(crate) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The same rows in the types of [`EncodedColumns::schema`].
    pub(crate) fn convert(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let pairs = batch.columns().iter().zip(self.schema.fields());
        let columns = pairs.map(|(column, field)| converted(column, field));
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}

fn with_type(field: &FieldRef, data_type: DataType) -> FieldRef {
    if *field.data_type() == data_type {
        return field.clone();
    }
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn refusal(field: &Field) -> Error {
    Error::input(format!(
        "column {:?} is of type {}, which no output format holds; it can be a boolean, an integer, \
         a float, a string, a date or a time",
        field.name(),
        field.data_type(),
    ))
}

/// The type among the six that holds all values of a type, if there is one. Times become ISO 8601 text, which alone says what they mean in
/// all formats.
fn encoded_type(data_type: &DataType) -> Option<DataType> {
    use DataType as D;
    match data_type {
        D::Boolean => Some(D::Boolean),
        D::Int8 | D::Int16 | D::Int32 | D::UInt8 | D::UInt16 => Some(D::Int32),
        D::Int64 | D::UInt32 | D::UInt64 => Some(D::Int64),
        D::Float16 | D::Float32 => Some(D::Float32),
        D::Float64 => Some(D::Float64),
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null => Some(D::Utf8),
        D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => Some(D::Utf8),
        D::Dictionary(_, values) => encoded_type(values),
        _ => None,
    }
}

/// The type of a column in a format that need not hold its own. Parquet has no interval of months, days and
/// nanoseconds.
fn any_type(data_type: &DataType, format: Format) -> DataType {
    match (format, data_type) {
        (Format::Parquet, DataType::Interval(_)) => DataType::Utf8,
        (Format::Parquet | Format::Arrow, same) => same.clone(),
        (Format::Json | Format::Csv | Format::Votable, foreign) => {
            encoded_type(foreign).unwrap_or(DataType::Utf8)
        }
    }
}

fn converted(column: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if column.data_type() == field.data_type() {
        return Ok(column.clone());
    }
    if encoded_type(column.data_type()).is_none() {
        return text(column);
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(column, field.data_type(), &exact).map_err(|error| {
        Error::from(error).with_kind(Kind::Input).context(format!("column {:?}", field.name()))
    })
}

/// `[1, 2]` of a list, `0.10` of a decimal, `{a: 1}` of a struct, hexadecimal digits of bytes.
fn text(column: &ArrayRef) -> Result<ArrayRef> {
    let options = FormatOptions::new();
    let values = ArrayFormatter::try_new(column, &options)?;
    let text = (0..column.len())
        .map(|row| column.is_valid(row).then(|| values.value(row).try_to_string()).transpose());
    Ok(Arc::new(text.collect::<Result<StringArray, _>>()?))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use arrow::array::*;
    use arrow::datatypes::{Int8Type, Int32Type, TimeUnit};

    use super::super::tests::column;
    use super::*;

    fn convert(values: ArrayRef) -> Result<ArrayRef> {
        let batch = column("x", values, &[("unit", "d")]);
        let columns = EncodedColumns::new(&batch.schema())?;
        assert_eq!(columns.schema().field(0).metadata(), batch.schema().field(0).metadata());
        Ok(columns.convert(&batch)?.column(0).clone())
    }

    #[test]
    fn foreign_types_become_one_of_the_six() {
        let words = || vec![Some("g"), None];
        let strings: ArrayRef = Arc::new(StringArray::from(words()));
        let foreign: [ArrayRef; 4] = [
            Arc::new(LargeStringArray::from(words())),
            Arc::new(StringViewArray::from(words())),
            Arc::new(DictionaryArray::<Int8Type>::from_iter(words())),
            strings.clone(),
        ];
        for values in foreign {
            assert_eq!(&convert(values).unwrap(), &strings);
        }
        let ints: ArrayRef = Arc::new(Int32Array::from(vec![Some(7), None]));
        assert_eq!(&convert(Arc::new(Int16Array::from(vec![Some(7), None]))).unwrap(), &ints);
        let nulls: ArrayRef = Arc::new(StringArray::new_null(2));
        assert_eq!(&convert(Arc::new(NullArray::new(2))).unwrap(), &nulls);
        let time = TimestampMicrosecondArray::from(vec![1_767_225_600_000_500]);
        let iso: ArrayRef = Arc::new(StringArray::from(vec!["2026-01-01T00:00:00.000500Z"]));
        assert_eq!(&convert(Arc::new(time.with_timezone("UTC"))).unwrap(), &iso);
    }

    #[test]
    fn what_no_format_holds_is_refused_by_name() {
        let binary: ArrayRef = Arc::new(BinaryArray::from(vec![b"x".as_slice()]));
        let error = convert(binary).unwrap_err();
        assert!(error.to_string().contains("\"x\" is of type Binary"), "{error}");
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        let error = convert(huge).unwrap_err();
        assert!(error.to_string().starts_with("column \"x\""), "{error}");
        let duration = DataType::Duration(TimeUnit::Second);
        assert!(convert(new_null_array(&duration, 1)).is_err());
    }

    #[test]
    fn any_type_stays_or_becomes_its_text() {
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None, Some(-3)]),
            None,
        ]);
        let price = Decimal128Array::from(vec![Some(150), None]);
        let odd: [(ArrayRef, &str); 3] = [
            (Arc::new(list), "[1, , -3]"),
            (Arc::new(price.with_precision_and_scale(5, 2).unwrap()), "1.50"),
            (Arc::new(BinaryArray::from(vec![Some([1, 255].as_slice()), None])), "01ff"),
        ];
        for (values, text) in odd {
            let batch = column("x", values, &[("unit", "d")]);
            let columns = EncodedColumns::from_any_types(&batch.schema(), Format::Csv);
            let expected: ArrayRef = Arc::new(StringArray::from(vec![Some(text), None]));
            assert_eq!(columns.convert(&batch).unwrap().column(0), &expected);
            assert_eq!(columns.schema().field(0).metadata()["unit"], "d");
            for format in [Format::Parquet, Format::Arrow] {
                let columns = EncodedColumns::from_any_types(&batch.schema(), format);
                assert_eq!(columns.convert(&batch).unwrap(), batch);
            }
        }
    }

    #[test]
    fn what_an_answer_says_of_itself_is_kept() {
        let metadata = HashMap::from([("snapshot".to_string(), "12; fp=7".to_string())]);
        let schema = Schema::new(vec![Field::new("x", DataType::Int32, false)])
            .with_metadata(metadata.clone());
        let columns = EncodedColumns::new(&schema).unwrap();
        assert_eq!(columns.schema().metadata(), &metadata);
        assert!(!columns.schema().field(0).is_nullable());
    }
}
