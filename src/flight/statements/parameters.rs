//! The parameters of statements. In: batches that a client binds, one row for each run. Out: their bytes for a handle,
//! and from those the values, of the types the plan asks for.

use std::io::Cursor;

use arrow::array::{Array, ArrayRef};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow_flight::decode::FlightRecordBatchStream;
use arrow_flight::error::FlightError;
use bytes::Bytes;
use datafusion::common::ScalarValue;
use futures::TryStreamExt;

use super::handle::check_size;
use crate::error::{Error, Result};
use crate::sql::Parameter;

/// What to bind: a nullable field for each parameter, of type Null where the plan cannot tell.
pub fn schema(parameters: &[Parameter]) -> Schema {
    let fields = parameters.iter().map(|parameter| {
        let data_type = parameter.data_type.clone().unwrap_or(DataType::Null);
        Field::new(&parameter.name, data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// What a client sends, as an Arrow IPC stream. `TooLarge` where no handle could hold it.
pub async fn received(mut batches: FlightRecordBatchStream) -> Result<Bytes> {
    let unreadable = |error: FlightError| Error::argument(format!("the parameters: {error}"));
    let mut next = batches.try_next().await.map_err(unreadable)?;
    let Some(schema) = batches.schema() else {
        return Err(Error::argument("the parameters: neither a schema nor rows came"));
    };
    let mut writer = StreamWriter::try_new(Vec::new(), schema)?;
    while let Some(batch) = next {
        writer.write(&batch)?;
        check_size(writer.get_ref().len())?;
        next = batches.try_next().await.map_err(unreadable)?;
    }
    Ok(writer.into_inner()?.into())
}

/// The values of each run, one for each parameter: none where `bound` is empty. `Argument` where a statement lacks
/// values or has too many, or one is none of its parameter's type.
pub fn values(bound: Bytes, parameters: &[Parameter]) -> Result<Vec<Vec<ScalarValue>>> {
    if bound.is_empty() {
        check_count(0, parameters)?;
        return Ok(vec![Vec::new()]);
    }
    let unreadable = |error: ArrowError| Error::argument(format!("the parameters: {error}"));
    let mut runs = Vec::new();
    for batch in StreamReader::try_new(Cursor::new(bound), None).map_err(unreadable)? {
        let batch = batch.map_err(unreadable)?;
        check_count(batch.num_columns(), parameters)?;
        let columns =
            batch.columns().iter().zip(parameters).map(typed).collect::<Result<Vec<_>>>()?;
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| ScalarValue::try_from_array(column, row));
            runs.push(values.collect::<Result<_, _>>()?);
        }
    }
    Ok(runs)
}

fn check_count(bound: usize, parameters: &[Parameter]) -> Result<()> {
    match parameters.len() {
        count if count == bound => Ok(()),
        count => Err(Error::argument(format!(
            "the statement has {count} parameters, and {bound} values are bound to it"
        ))),
    }
}

/// The column as the type of its parameter. A number is not cut to fit: 1.5 is no integer.
fn typed((column, parameter): (&ArrayRef, &Parameter)) -> Result<ArrayRef> {
    let (name, from) = (&parameter.name, column.data_type());
    let Some(to) = &parameter.data_type else { return Ok(column.clone()) };
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let cast_to = cast_with_options(column, to, &strict);
    let typed = cast_to.map_err(|error| Error::argument(format!("parameter {name}: {error}")))?;
    let may_have_fractions = from.is_floating() || from.is_decimal();
    if to.is_integer()
        && may_have_fractions
        && distinct(&cast(&typed, from)?, column)?.true_count() > 0
    {
        return Err(Error::argument(format!(
            "parameter {name}: its values are to be whole numbers"
        )));
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, NullArray, RecordBatch, StringArray};
    use arrow::datatypes::DataType::{Float32, Float64, Int64, Utf8};

    use super::*;

    fn parameters(types: &[Option<DataType>]) -> Vec<Parameter> {
        let named = |(i, data_type): (usize, &Option<DataType>)| Parameter {
            name: format!("${}", i + 1),
            data_type: data_type.clone(),
        };
        types.iter().enumerate().map(named).collect()
    }

    fn bound(columns: Vec<ArrayRef>) -> Bytes {
        let columns =
            columns.into_iter().enumerate().map(|(i, column)| (i.to_string(), column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.into_inner().unwrap().into()
    }

    #[test]
    fn each_row_is_a_run_with_values_of_the_types_asked_for() {
        let rows = bound(vec![
            Arc::new(Int64Array::from(vec![Some(1), None])),
            Arc::new(StringArray::from(vec!["2", "it's"])),
            Arc::new(NullArray::new(2)),
            Arc::new(Float64Array::from(vec![3.0, 4.0])),
        ]);
        let asked = parameters(&[Some(Float32), None, Some(Utf8), Some(Int64)]);
        let null = ScalarValue::Utf8(None);
        let expected = vec![
            vec![ScalarValue::Float32(Some(1.0)), "2".into(), null.clone(), 3_i64.into()],
            vec![ScalarValue::Float32(None), "it's".into(), null, 4_i64.into()],
        ];
        assert_eq!(values(rows, &asked).unwrap(), expected);
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.5]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["abc"]));
        for (column, asked, says) in [(floats, Int64, "whole"), (text, Float64, "abc")] {
            let error = values(bound(vec![column]), &parameters(&[Some(asked)])).unwrap_err();
            assert!(
                error.to_string().contains("$1") && error.to_string().contains(says),
                "{error}"
            );
        }
    }

    #[test]
    fn there_are_as_many_values_as_parameters() {
        assert_eq!(values(Bytes::new(), &[]).unwrap(), [vec![]]);
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        for (rows, count) in
            [(Bytes::new(), 1), (bound(vec![one.clone()]), 0), (bound(vec![one]), 2)]
        {
            assert!(values(rows, &parameters(&vec![None; count])).is_err(), "{count}");
        }
    }

    #[test]
    fn an_unknown_type_is_null_in_the_schema() {
        let schema = schema(&parameters(&[Some(Int64), None]));
        assert_eq!(schema.field(0), &Field::new("$1", Int64, true));
        assert_eq!(schema.field(1), &Field::new("$2", DataType::Null, true));
    }
}
