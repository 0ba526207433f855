//! Converts packets to the types of their columns, by the nested schema that their [`Mapping`](super::mapping::Mapping) asks for. A value
//! that its column cannot hold exactly is an `Input` error that names field, record and value: a value is never rounded, and a file is
//! never taken in part.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ListArray, RecordBatch, StructArray, new_null_array};
use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::columns::{Entries, MappedColumns};
use super::scalar::{Unfit, exact, not_exact};
use crate::error::{Error, Result};

/// The schema of the packets, in which each field that becomes a column has the column's type.
pub(crate) fn schema(
    packet: &Schema,
    records: [&MappedColumns; 2],
    lists: [&Option<Entries>; 2],
) -> SchemaRef {
    let mut root: Vec<_> = packet.fields().iter().map(|field| field.as_ref().clone()).collect();
    for (path, column) in records.into_iter().flat_map(MappedColumns::typed_paths) {
        set_type(&mut root, path, column);
    }
    for entries in lists.into_iter().flatten() {
        let list = &mut root[entries.list];
        let DataType::List(item) = list.data_type() else { continue };
        let mut item = item.as_ref().clone();
        for (path, column) in entries.columns.typed_paths() {
            set_type(std::slice::from_mut(&mut item), &[&[0], path.as_slice()].concat(), column);
        }
        list.set_data_type(DataType::List(item.into()));
    }
    Arc::new(Schema::new(root))
}

/// Gives the field at a path the type of its column.
fn set_type(fields: &mut [Field], path: &[usize], column: &Field) {
    let [at, below @ ..] = path else { return };
    let field = &mut fields[*at];
    match field.data_type() {
        DataType::Struct(inner) if !below.is_empty() => {
            let mut inner: Vec<_> = inner.iter().map(|field| field.as_ref().clone()).collect();
            set_type(&mut inner, below, column);
            field.set_data_type(DataType::Struct(inner.into()));
        }
        found if found != column.data_type() => {
            field.set_data_type(column.data_type().clone());
            field.set_nullable(true);
        }
        _ => {}
    }
}

/// Converts a batch, whose first packet is the record `first_record` of its file.
pub(crate) fn typed(
    packets: &RecordBatch,
    schema: &SchemaRef,
    first_record: u64,
) -> Result<RecordBatch> {
    let columns = packets.columns().iter().zip(schema.fields());
    let columns = columns.map(|(array, field)| convert(array, field.data_type(), field.name()));
    let columns = columns.collect::<Result<_, _>>().map_err(|misfit| match misfit {
        Misfit::Value { at, place, error } => {
            let record = first_record + at as u64;
            let value = Error::input(format!("{place} is {error}"));
            value.context(format!("record {record} (the first is 0)"))
        }
        Misfit::Other(error) => error,
    })?;
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// Why an array cannot have a type: one value, in the row `at`, or something else.
enum Misfit {
    Value { at: usize, place: String, error: Error },
    Other(Error),
}

impl From<arrow::error::ArrowError> for Misfit {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Other(error.into())
    }
}

fn convert(array: &ArrayRef, to: &DataType, name: &str) -> Result<ArrayRef, Misfit> {
    if array.data_type() == to {
        return Ok(array.clone());
    }
    match to {
        _ if array.data_type() == &DataType::Null => Ok(new_null_array(to, array.len())),
        DataType::Struct(fields) => record(array, fields, name),
        DataType::List(item) => list(array, item, name),
        _ => exact(array, to).map_err(|unfit| match unfit {
            Unfit::Value(at, value) => {
                Misfit::Value { at, place: name.to_string(), error: not_exact(&value, to) }
            }
            Unfit::Other(error) => Misfit::Other(error.context(name)),
        }),
    }
}

fn record(array: &ArrayRef, fields: &Fields, name: &str) -> Result<ArrayRef, Misfit> {
    let Some(record) = array.as_struct_opt() else { return Err(no_way(array, name)) };
    let columns = record.columns().iter().zip(fields);
    let columns = columns.map(|(array, field)| {
        convert(array, field.data_type(), &format!("{name}.{}", field.name()))
    });
    let columns = columns.collect::<Result<_, _>>()?;
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, record.nulls().cloned())?))
}

fn list(array: &ArrayRef, item: &Arc<Field>, name: &str) -> Result<ArrayRef, Misfit> {
    let Some(list) = array.as_list_opt::<i32>() else { return Err(no_way(array, name)) };
    let offsets = list.offsets();
    let values = convert(list.values(), item.data_type(), "").map_err(|misfit| match misfit {
        Misfit::Value { at, place, error } => {
            let row = offsets.partition_point(|offset| *offset as usize <= at).saturating_sub(1);
            let entry = at.saturating_sub(offsets[row] as usize);
            Misfit::Value { at: row, place: format!("{name}[{entry}]{place}"), error }
        }
        other => other,
    })?;
    Ok(Arc::new(ListArray::try_new(item.clone(), offsets.clone(), values, list.nulls().cloned())?))
}

fn no_way(array: &ArrayRef, name: &str) -> Misfit {
    Misfit::Other(Error::internal(format!("{name}: no conversion from {}", array.data_type())))
}
