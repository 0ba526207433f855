//! Column types that every client understands: the rows of a statement without view types, dictionaries and run-end encoding, their values
//! as plain arrays.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion::common::{DFSchema, TableReference};

/// Every field is nullable, since clients get the schema before there are rows, and what the planner can prove of a column differs from
/// plan to plan.
use crate::schema::{self, Table};

/// The schema of the rows of a plan: plain types, and the unit, UCD and description of each column that is one of a table. Columns that are
/// computed have none.
pub(crate) fn answer_schema(plan: &DFSchema) -> Schema {
    plain_schema(&described(plan))
}

fn described(plan: &DFSchema) -> Schema {
    let fields = plan.iter().map(|(relation, field)| match relation.and_then(table) {
        Some(table) => schema::described(table, field),
        None => Field::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// `sources@12` is the table `sources`, too.
fn table(relation: &TableReference) -> Option<Table> {
    Table::from_name(relation.table().split('@').next()?)
}

/// The same fields with plain types.
pub(crate) fn plain_schema(schema: &Schema) -> Schema {
    let fields = schema.fields().iter().map(|field| {
        Field::clone(field).with_data_type(plain_type(field.data_type())).with_nullable(true)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// The same rows in the types of `schema`, which [`plain_schema`] made.
pub(crate) fn plain_batch(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let columns = batch.columns().iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| match column.data_type() == field.data_type() {
        true => Ok(column.clone()),
        false => cast(column, field.data_type()),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(schema.clone(), columns.collect::<Result<_, _>>()?, &options)
}

fn plain_type(data_type: &DataType) -> DataType {
    use DataType as D;
    let plain = |field: &FieldRef| {
        Arc::new(Field::clone(field).with_data_type(plain_type(field.data_type())))
    };
    match data_type {
        D::Utf8View => D::Utf8,
        D::BinaryView => D::Binary,
        D::Dictionary(_, values) => plain_type(values),
        D::RunEndEncoded(_, values) => plain_type(values.data_type()),
        D::List(item) | D::ListView(item) => D::List(plain(item)),
        D::LargeList(item) | D::LargeListView(item) => D::LargeList(plain(item)),
        D::FixedSizeList(item, length) => D::FixedSizeList(plain(item), *length),
        D::Struct(fields) => D::Struct(fields.iter().map(plain).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, AsArray, DictionaryArray, ListArray, StringViewArray};
    use arrow::buffer::OffsetBuffer;
    use arrow::datatypes::Int32Type;

    use super::*;

    #[test]
    fn values_stay_and_types_become_plain_at_any_depth() {
        let words: ArrayRef = Arc::new(StringViewArray::from(vec![Some("g"), None, Some("r")]));
        let coded: DictionaryArray<Int32Type> = [Some("g"), None].into_iter().collect();
        let item = Arc::new(Field::new("item", DataType::Utf8View, true));
        let lists = ListArray::new(item, OffsetBuffer::from_lengths([1, 2]), words, None);
        let batch = RecordBatch::try_from_iter([
            ("coded", Arc::new(coded) as ArrayRef),
            ("lists", Arc::new(lists) as ArrayRef),
        ]);
        let batch = batch.unwrap();
        let schema = Arc::new(plain_schema(&batch.schema()));
        let plain = plain_batch(&batch, &schema).unwrap();
        assert_eq!(plain.schema(), schema);
        assert_eq!(
            plain.column(0).as_string::<i32>().iter().collect::<Vec<_>>(),
            [Some("g"), None]
        );
        let last = plain.column(1).as_list::<i32>().value(1);
        assert_eq!(last.as_string::<i32>().iter().collect::<Vec<_>>(), [None, Some("r")]);
        assert!(schema.fields().iter().all(|field| field.is_nullable()));
    }
}
