//! The OpenAPI schema of a row of a table: its columns with types, units and descriptions.

use arrow::datatypes::{DataType, Field};
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use crate::schema::{
    self, ComputedColumn, DESCRIPTION, OF_A_CIRCLE, OF_A_LIGHT_CURVE, OF_A_MEASUREMENT, OF_A_PLACE,
    Table, UNIT,
};

/// The name of the schema among the components: a row of `sources` is a `diaSource`.
pub(crate) fn name(table: Table) -> &'static str {
    match table {
        Table::Sources => "diaSource",
        Table::Objects | Table::Places => "diaObject",
        Table::Fp => "diaForcedSource",
    }
}

/// The name of the schema of a source with what its object and the search say besides.
pub(crate) const FOUND: &str = "foundObject";

/// The schema of these rows.
pub(crate) fn found() -> Schema {
    let mut columns = stored(Table::Sources);
    let of_source: Vec<_> = columns.iter().map(|field| field.name().clone()).collect();
    let of_object = stored(Table::Objects).into_iter();
    columns.extend(of_object.filter(|field| !of_source.contains(field.name())));
    let computed = OF_A_PLACE.iter().chain(&OF_A_CIRCLE).chain(&OF_A_MEASUREMENT);
    row(columns.into_iter().chain(computed.map(ComputedColumn::documented)))
}

pub(crate) fn schema(table: Table) -> Schema {
    let computed: Vec<&ComputedColumn> = match table {
        Table::Sources => OF_A_LIGHT_CURVE.iter().chain(&OF_A_MEASUREMENT).collect(),
        Table::Fp => OF_A_MEASUREMENT.iter().collect(),
        Table::Objects | Table::Places => Vec::new(),
    };
    let computed = computed.into_iter().map(ComputedColumn::documented);
    row(stored(table).into_iter().chain(computed))
}

/// The served columns of a new table.
fn stored(table: Table) -> Vec<Field> {
    let stored = schema::new_table_schema(table);
    stored.fields().iter().filter_map(|field| schema::describe(table, field)).collect()
}

fn row(columns: impl Iterator<Item = Field>) -> Schema {
    let row = columns.fold(ObjectBuilder::new(), |row, field| {
        row.property(field.name().clone(), column(&field))
    });
    Schema::Object(row.build())
}

/// Every column can be null.
fn column(field: &Field) -> ObjectBuilder {
    let of = match field.data_type() {
        DataType::Boolean => Type::Boolean,
        DataType::Int32 | DataType::Int64 => Type::Integer,
        DataType::Float32 | DataType::Float64 => Type::Number,
        _ => Type::String,
    };
    let told = |key: &str| field.metadata().get(key).map(String::as_str).unwrap_or_default();
    let about = match told(UNIT) {
        "" => told(DESCRIPTION).to_string(),
        unit => format!("{} Unit: {unit}.", told(DESCRIPTION)),
    };
    let of = SchemaType::from_iter([of, Type::Null]);
    ObjectBuilder::new().schema_type(of).description(Some(about))
}
