//! Joins packets of several schemas in one table: the columns that hold the known and the new rows, and rows in these columns.
//!
//! A column that only some rows have is null in the others. A column never changes its type, nor the case of its name: the
//! readers of its table rely on it, and to Delta names that differ in case alone are one.

use std::collections::BTreeMap;

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};

use super::scalar::to_stored;
use crate::error::{Error, Result};
use crate::schema::{Table, family, type_name};

/// The columns of each table so far; none for a table that does not exist yet.
pub(crate) type KnownColumns = BTreeMap<Table, Schema>;

/// The columns of a table after rows with `new` columns are added: its own columns, then the new ones, then provenance. A type or a name
/// that conflicts with the table's is an `Input` error.
pub(crate) fn extend(table: Table, held: &Schema, new: &Schema) -> Result<Schema> {
    let mut fields: Vec<FieldRef> = held.fields().to_vec();
    let lower = fields.iter().map(|field| field.name().to_lowercase());
    let mut names: BTreeMap<_, _> = lower.zip(0..).collect();
    for field in new.fields() {
        match names.get(&field.name().to_lowercase()) {
            None => {
                names.insert(field.name().to_lowercase(), fields.len());
                fields.push(field.clone());
            }
            Some(at) => meets(table, &fields[*at], field)?,
        }
    }
    // Columns without a family are provenance, and come last.
    fields.sort_by_key(|field| family(field).is_none());
    Ok(Schema::new(fields))
}

/// The rows with exactly the columns of `schema`. Columns that the batch does not have are null.
pub(crate) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) => to_stored(column, field.data_type())
            .map_err(|error| error.context(format!("column {}", field.name()))),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<_>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &rows)?)
}

/// Whether a field has the name of a column, ignoring case.
fn meets(table: Table, held: &Field, new: &Field) -> Result<()> {
    let table = table.name();
    let (name, other) = (held.name(), new.name());
    if name != other {
        return Err(Error::input(format!(
            "table {table}: these alerts have a column {other}, but there is a column {name}, and names may not differ in \
             case alone"
        )));
    }
    if (held.data_type(), family(held)) == (new.data_type(), family(new)) {
        return Ok(());
    }
    let of = |field: &Field| match family(field) {
        Some(family) => format!("{} ({}:)", type_name(field.data_type()), family.prefix()),
        None => type_name(field.data_type()).to_string(),
    };
    let (held, new) = (of(held), of(new));
    Err(Error::input(format!(
        "table {table}, column {name}: is {held}, but these alerts have {new}; a column keeps its type"
    )))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int32Array};
    use arrow::datatypes::{DataType, Float64Type};

    use super::*;
    use crate::error::Kind;
    use crate::schema::{Family, provenance, stored_field};

    fn schema(columns: &[(&str, DataType)]) -> Schema {
        let columns = columns.iter();
        let fields = columns.map(|(name, kind)| stored_field(Family::Rubin, name, kind.clone()));
        Schema::new(fields.chain(provenance::fields(Table::Sources)).collect::<Vec<_>>())
    }

    #[test]
    fn new_columns_go_before_provenance() {
        let known = schema(&[("a", DataType::Int64)]);
        let new = schema(&[("b", DataType::Utf8), ("a", DataType::Int64)]);
        let both = schema(&[("a", DataType::Int64), ("b", DataType::Utf8)]);
        assert_eq!(extend(Table::Fp, &known, &new).unwrap(), both);
    }

    /// Tables of before have other provenance: forced measurements had some, and others less.
    #[test]
    fn a_table_keeps_the_provenance_it_has() {
        let known = Schema::new(vec![
            stored_field(Family::Rubin, "a", DataType::Int64),
            provenance::field(provenance::ALERT_ID).unwrap(),
        ]);
        let measured = [("a", DataType::Int64), ("b", DataType::Utf8)];
        let fields =
            measured.iter().map(|(name, kind)| stored_field(Family::Rubin, name, kind.clone()));
        let new = Schema::new(fields.collect::<Vec<_>>());
        let names = |schema: &Schema| -> Vec<String> {
            schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        assert_eq!(
            names(&extend(Table::Fp, &known, &new).unwrap()),
            ["a", "b", "alertDiaSourceId"]
        );
        let all = names(&extend(Table::Sources, &known, &schema(&measured)).unwrap());
        assert_eq!(all[..3], ["a", "b", "alertDiaSourceId"]);
        assert_eq!(all.len(), 6);
    }

    #[test]
    fn a_table_keeps_its_types() {
        let (int, long) = (schema(&[("n", DataType::Int32)]), schema(&[("n", DataType::Int64)]));
        extend(Table::Fp, &long, &int).unwrap_err();
        let refused = extend(Table::Fp, &int, &long).unwrap_err();
        assert_eq!(refused.kind(), Kind::Input);
        for part in ["table fp", "column n", "is int", "have long"] {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn a_name_belongs_to_one_family() {
        let fink = Schema::new(vec![stored_field(Family::Fink, "a", DataType::Int64)]);
        let refused = extend(Table::Fp, &schema(&[("a", DataType::Int64)]), &fink).unwrap_err();
        assert!(refused.to_string().contains("long (r:), but these alerts have long (f:)"));
    }

    #[test]
    fn names_that_differ_in_case_alone_are_refused_by_both() {
        let (held, new) =
            (schema(&[("psfFlux", DataType::Int64)]), schema(&[("psffLux", DataType::Int64)]));
        let refused = extend(Table::Fp, &held, &new).unwrap_err();
        assert_eq!(refused.kind(), Kind::Input);
        for part in ["table fp", "psfFlux", "psffLux"] {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn rows_are_cast_and_filled_with_nulls() {
        let narrow = Arc::new(Schema::new(vec![Field::new("n", DataType::Int32, true)]));
        let batch =
            RecordBatch::try_new(narrow, vec![Arc::new(Int32Array::from(vec![7]))]).unwrap();
        let wide = Arc::new(schema(&[("s", DataType::Utf8), ("n", DataType::Float64)]));
        let rows = conform(&batch, &wide).unwrap();
        assert_eq!(rows.schema(), wide);
        assert!(rows["s"].is_null(0));
        assert_eq!(rows["n"].as_primitive::<Float64Type>().value(0), 7.0);
    }
}
