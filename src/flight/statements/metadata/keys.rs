//! Primary and foreign keys: every table has the LSST id of its rows as its key, and rows of the other tables refer to an object. Nobody
//! enforces these keys; they are true of what `ingest` writes.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray, UInt8Array, new_null_array};
use arrow::datatypes::DataType::{Int32, UInt8, Utf8};
use arrow::datatypes::{Field, Schema};
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, UpdateDeleteRules,
};

use crate::error::Result;
use crate::schema::{KEY, Table};
use crate::sql::{CATALOG, SCHEMA};

/// The column with the id of each row.
pub(crate) fn primary(asked: &CommandGetPrimaryKeys) -> Result<RecordBatch> {
    let asked = asked_for(&asked.catalog, &asked.db_schema, &asked.table);
    let keys: Vec<_> = asked.into_iter().collect();
    let schema = Schema::new(vec![
        Field::new("catalog_name", Utf8, true),
        Field::new("db_schema_name", Utf8, true),
        Field::new("table_name", Utf8, false),
        Field::new("column_name", Utf8, false),
        Field::new("key_name", Utf8, true),
        Field::new("key_sequence", Int32, false),
    ]);
    let count = keys.len();
    let columns: Vec<ArrayRef> = vec![
        texts(keys.iter().map(|_| CATALOG)),
        texts(keys.iter().map(|_| SCHEMA)),
        texts(keys.iter().map(|table| table.name())),
        texts(keys.iter().map(|table| table.id_column())),
        new_null_array(&Utf8, count),
        Arc::new(Int32Array::from_value(1, count)),
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// The foreign keys of other tables that refer to this one.
pub(crate) fn exported(asked: &CommandGetExportedKeys) -> Result<RecordBatch> {
    let parent = asked_for(&asked.catalog, &asked.db_schema, &asked.table);
    foreign(|_| parent == Some(Table::Objects))
}

/// The foreign keys of this table.
pub(crate) fn imported(asked: &CommandGetImportedKeys) -> Result<RecordBatch> {
    let child = asked_for(&asked.catalog, &asked.db_schema, &asked.table);
    foreign(|table| child == Some(table))
}

/// The foreign keys of one table that refer to another.
pub(crate) fn between(asked: &CommandGetCrossReference) -> Result<RecordBatch> {
    let parent = asked_for(&asked.pk_catalog, &asked.pk_db_schema, &asked.pk_table);
    let child = asked_for(&asked.fk_catalog, &asked.fk_db_schema, &asked.fk_table);
    foreign(|table| parent == Some(Table::Objects) && child == Some(table))
}

/// The rows of the references from tables to `objects` that were asked for.
fn foreign(asked: impl Fn(Table) -> bool) -> Result<RecordBatch> {
    let children: Vec<_> =
        [Table::Fp, Table::Sources].into_iter().filter(|table| asked(*table)).collect();
    let schema = Schema::new(vec![
        Field::new("pk_catalog_name", Utf8, true),
        Field::new("pk_db_schema_name", Utf8, true),
        Field::new("pk_table_name", Utf8, false),
        Field::new("pk_column_name", Utf8, false),
        Field::new("fk_catalog_name", Utf8, true),
        Field::new("fk_db_schema_name", Utf8, true),
        Field::new("fk_table_name", Utf8, false),
        Field::new("fk_column_name", Utf8, false),
        Field::new("key_sequence", Int32, false),
        Field::new("fk_key_name", Utf8, true),
        Field::new("pk_key_name", Utf8, true),
        Field::new("update_rule", UInt8, false),
        Field::new("delete_rule", UInt8, false),
    ]);
    let count = children.len();
    let each = |text: &'static str| texts(std::iter::repeat_n(text, count));
    let rule: ArrayRef = Arc::new(UInt8Array::from_value(UpdateDeleteRules::NoAction as u8, count));
    let columns: Vec<ArrayRef> = vec![
        each(CATALOG),
        each(SCHEMA),
        each(Table::Objects.name()),
        each(Table::Objects.id_column()),
        each(CATALOG),
        each(SCHEMA),
        texts(children.iter().map(|table| table.name())),
        each(KEY),
        Arc::new(Int32Array::from_value(1, count)),
        new_null_array(&Utf8, count),
        new_null_array(&Utf8, count),
        rule.clone(),
        rule,
    ];
    Ok(RecordBatch::try_new(Arc::new(schema), columns)?)
}

/// The table of that name, where it is asked for in the one catalog and schema there is, or in any.
fn asked_for(catalog: &Option<String>, schema: &Option<String>, table: &str) -> Option<Table> {
    let fits = |asked: &Option<String>, name| asked.as_deref().is_none_or(|asked| asked == name);
    Table::from_name(table).filter(|_| fits(catalog, CATALOG) && fits(schema, SCHEMA))
}

fn texts(values: impl Iterator<Item = &'static str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}
