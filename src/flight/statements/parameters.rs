//! The parameters of prepared statements. A client binds batches with one row for each run of the statement; a handle holds them as they
//! were sent, and they become values of the types that the plan asks for.

use arrow::array::{Array, ArrayRef, UInt64Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{CastOptions, cast, cast_with_options, take};
use arrow::datatypes::{DataType, Field, Schema};
use arrow_flight::FlightData;
use datafusion::common::ScalarValue;
use futures::stream::{self, TryStreamExt};
use tonic::Status;

use super::handle::check_size;
use crate::error::{Error, Kind, Result};
use crate::flight::checked_batches;
use crate::flight::wire::Messages;
use crate::sql::StatementParameter;

const WHAT: &str = "the parameters";
/// Rows of one binding. For each of them the statement is run.
const MOST_RUNS: usize = 100_000;
/// Bytes of the values of one binding, in memory.
const MOST_VALUE_BYTES: usize = 32 << 20;

/// What to bind: a nullable field for each parameter, of type Null where the plan cannot tell.
pub(crate) fn schema(parameters: &[StatementParameter]) -> Schema {
    let fields = parameters.iter().map(|parameter| {
        let data_type = parameter.data_type.clone().unwrap_or(DataType::Null);
        Field::new(&parameter.name, data_type, true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// What a client sends, as far as it says values. `TooLarge` where no handle could hold it.
pub(crate) async fn received(mut messages: Messages) -> Result<Vec<FlightData>> {
    let unreadable = |status: Status| Error::argument(format!("{WHAT}: {}", status.message()));
    let (mut sent, mut bytes) = (Vec::new(), 0);
    while let Some(message) = messages.try_next().await.map_err(unreadable)? {
        let FlightData { data_header, data_body, .. } = message;
        bytes += data_header.len() + data_body.len();
        check_size(bytes)?;
        if !data_header.is_empty() {
            sent.push(FlightData { data_header, data_body, ..FlightData::default() });
        }
    }
    if sent.is_empty() {
        return Err(Error::argument(format!("{WHAT}: neither a schema nor rows were sent")));
    }
    // What cannot be decoded is refused now, not when the statement is executed.
    let mut batches =
        checked_batches::batches(WHAT, stream::iter(sent.clone().into_iter().map(Ok)));
    while batches.try_next().await?.is_some() {}
    Ok(sent)
}

/// The values of each run, one for each parameter: none where nothing is bound. `Argument` where a statement lacks
/// values or has too many, or one is none of its parameter's type; `TooLarge` where there are more than a statement should run with.
pub(crate) async fn values(
    bound: Vec<FlightData>,
    parameters: &[StatementParameter],
) -> Result<Vec<Vec<ScalarValue>>> {
    if bound.is_empty() {
        check_count(0, parameters)?;
        return Ok(vec![Vec::new()]);
    }
    let (mut runs, mut bytes) = (Vec::new(), 0);
    let mut batches = checked_batches::batches(WHAT, stream::iter(bound.into_iter().map(Ok)));
    while let Some(batch) = batches.try_next().await? {
        check_count(batch.num_columns(), parameters)?;
        for row in (0..).take(batch.num_rows()) {
            // Values may share their bytes, so that they are copied and cast one by one.
            let row = UInt64Array::from_value(row, 1);
            let values = batch.columns().iter().zip(parameters);
            let values = values.map(|(column, parameter)| value(column, &row, parameter));
            let values = values.collect::<Result<Vec<_>>>()?;
            bytes += values.iter().map(ScalarValue::size).sum::<usize>();
            runs.push(values);
            check_values(runs.len(), bytes)?;
        }
    }
    Ok(runs)
}

fn check_values(runs: usize, bytes: usize) -> Result<()> {
    match (runs > MOST_RUNS, bytes > MOST_VALUE_BYTES) {
        (true, _) => Err(Error::new(
            Kind::TooLarge,
            format!("{WHAT} have over {MOST_RUNS} rows, the limit; bind fewer at once"),
        )),
        (_, true) => Err(Error::new(
            Kind::TooLarge,
            format!(
                "{WHAT} take over {MOST_VALUE_BYTES} bytes, the limit; bind fewer rows at once"
            ),
        )),
        _ => Ok(()),
    }
}

fn check_count(bound: usize, parameters: &[StatementParameter]) -> Result<()> {
    match parameters.len() {
        count if count == bound => Ok(()),
        count => Err(Error::argument(format!(
            "the statement has {count} parameters, and {bound} values are bound to it"
        ))),
    }
}

/// The value of a row for a parameter.
fn value(
    column: &ArrayRef,
    row: &UInt64Array,
    parameter: &StatementParameter,
) -> Result<ScalarValue> {
    Ok(ScalarValue::try_from_array(&typed(&take(column, row, None)?, parameter)?, 0)?)
}

/// The column in the type of its parameter. A number that the type does not hold, such as 1.5 for an integer, is an error.
fn typed(column: &ArrayRef, parameter: &StatementParameter) -> Result<ArrayRef> {
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
        return Err(Error::argument(format!("parameter {name}: its values must be whole numbers")));
    }
    Ok(typed)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        Float64Array, Int64Array, NullArray, RecordBatch, StringArray, StringViewArray,
    };
    use arrow::datatypes::DataType::{Float32, Float64, Int64, Utf8};

    use arrow_flight::utils::batches_to_flight_data;

    use super::*;

    fn parameters(types: &[Option<DataType>]) -> Vec<StatementParameter> {
        let named = |(i, data_type): (usize, &Option<DataType>)| StatementParameter {
            name: format!("${}", i + 1),
            data_type: data_type.clone(),
        };
        types.iter().enumerate().map(named).collect()
    }

    fn bound(columns: Vec<ArrayRef>) -> Vec<FlightData> {
        let columns =
            columns.into_iter().enumerate().map(|(i, column)| (i.to_string(), column, true));
        let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
        batches_to_flight_data(&batch.schema(), vec![batch]).unwrap()
    }

    #[tokio::test]
    async fn each_row_is_a_run_with_values_of_the_types_asked_for() {
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
        assert_eq!(values(rows, &asked).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn values_that_do_not_fit_are_refused() {
        let floats: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.5]));
        let text: ArrayRef = Arc::new(StringArray::from(vec!["abc"]));
        for (column, asked, says) in [(floats, Int64, "whole"), (text, Float64, "abc")] {
            let error = values(bound(vec![column]), &parameters(&[Some(asked)])).await.unwrap_err();
            assert!(
                error.to_string().contains("$1") && error.to_string().contains(says),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn there_are_as_many_values_as_parameters() {
        assert_eq!(values(Vec::new(), &[]).await.unwrap(), [vec![]]);
        let one: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        for (rows, count) in [(Vec::new(), 1), (bound(vec![one.clone()]), 0), (bound(vec![one]), 2)]
        {
            assert!(values(rows, &parameters(&vec![None; count])).await.is_err(), "{count}");
        }
    }

    #[tokio::test]
    async fn values_that_share_their_bytes_and_rows_of_nothing_are_bounded() {
        let text = StringViewArray::from(vec!["x".repeat(500_000)]);
        let views = vec![text.views()[0]; 1_000].into();
        let shared: ArrayRef =
            Arc::new(StringViewArray::new(views, text.data_buffers().to_vec(), None));
        let rows = bound(vec![shared]);
        let error = values(rows, &parameters(&[Some(Utf8)])).await.unwrap_err();
        assert!(error.to_string().contains("33554432 bytes, the limit"), "{error}");
        let nothing = bound(vec![Arc::new(NullArray::new(1 << 40))]);
        let error = values(nothing, &parameters(&[Some(Int64)])).await.unwrap_err();
        assert!(error.to_string().contains("rows; the limit is"), "{error}");
    }

    #[test]
    fn an_unknown_type_is_null_in_the_schema() {
        let schema = schema(&parameters(&[Some(Int64), None]));
        assert_eq!(schema.field(0), &Field::new("$1", Int64, true));
        assert_eq!(schema.field(1), &Field::new("$2", DataType::Null, true));
    }
}
