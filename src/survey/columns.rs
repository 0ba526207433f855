//! Rows to columns: one array per column of a table's schema, asked for by name.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, new_null_array,
};
use arrow::datatypes::{Field, SchemaRef};

use crate::error::{Error, Result};
use crate::schema::content_hash;
use crate::schema::provenance::CONTENT_HASH;

/// A batch with the columns of a schema, of which `column` makes the values. Those that it does not know are null, but for the hash of each
/// row's content: a column of the catalog need not be made up.
pub(crate) fn batch(
    schema: &SchemaRef,
    column: impl Fn(&Field) -> Result<Option<ArrayRef>>,
) -> Result<RecordBatch> {
    let mut columns: Vec<ArrayRef> = Vec::new();
    for field in schema.fields() {
        let values = match field.name().as_str() {
            CONTENT_HASH => Some(Arc::new(content_hash(schema, &columns)?) as ArrayRef),
            _ => column(field)?,
        };
        let nulls = || Some(new_null_array(field.data_type(), columns.first()?.len()));
        let first = || Error::internal("the first column of a survey has no values");
        columns.push(values.or_else(nulls).ok_or_else(first)?);
    }
    Ok(RecordBatch::try_new(schema.clone(), columns)?)
}

/// The rows of a batch. Each method makes a column of one type; a closure that gives an `Option` makes nulls.
pub(crate) struct ColumnMaker<'a, T>(pub &'a [T]);

impl<'a, T> ColumnMaker<'a, T> {
    pub(crate) fn booleans<V: Into<Option<bool>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        Arc::new(self.0.iter().map(|row| value(row).into()).collect::<BooleanArray>())
    }

    pub(crate) fn ints<V: Into<Option<i32>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        Arc::new(self.0.iter().map(|row| value(row).into()).collect::<Int32Array>())
    }

    pub(crate) fn longs<V: Into<Option<i64>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        Arc::new(self.0.iter().map(|row| value(row).into()).collect::<Int64Array>())
    }

    /// Single precision, from double.
    pub(crate) fn floats<V: Into<Option<f64>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        let values = self.0.iter().map(|row| value(row).into().map(|value| value as f32));
        Arc::new(values.collect::<Float32Array>())
    }

    pub(crate) fn doubles<V: Into<Option<f64>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        Arc::new(self.0.iter().map(|row| value(row).into()).collect::<Float64Array>())
    }

    pub(crate) fn strings<V: Into<Option<&'a str>>>(&self, value: impl Fn(&'a T) -> V) -> ArrayRef {
        Arc::new(self.0.iter().map(|row| value(row).into()).collect::<StringArray>())
    }

    pub(crate) fn constant_boolean(&self, value: bool) -> ArrayRef {
        Arc::new(BooleanArray::from(vec![value; self.0.len()]))
    }

    pub(crate) fn constant_int(&self, value: i32) -> ArrayRef {
        Arc::new(Int32Array::from_value(value, self.0.len()))
    }

    pub(crate) fn constant_long(&self, value: i64) -> ArrayRef {
        Arc::new(Int64Array::from_value(value, self.0.len()))
    }

    pub(crate) fn null_floats(&self) -> ArrayRef {
        Arc::new(Float32Array::new_null(self.0.len()))
    }

    pub(crate) fn null_doubles(&self) -> ArrayRef {
        Arc::new(Float64Array::new_null(self.0.len()))
    }
}
