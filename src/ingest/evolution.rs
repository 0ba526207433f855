//! How columns change: packets of several schemas meet in one table. In: the columns known so far and
//! those of new rows. Out: the columns that hold both, and rows cast to them.
//!
//! A column that only some rows have is null in the others. Types widen where every value stays exact:
//! `int` to `long`, `int` to `double`, `float` to `double` (so `int` and `float` meet in `double`). A
//! column of an existing table never changes its type: its readers rely on it.

use arrow::array::{RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::error::{Error, Result};
use crate::schema::{Table, family, type_name};

/// The columns that hold rows with `known` columns and rows with `new` ones: the known ones, some
/// widened, then those added, then provenance. Types that do not meet are an `Input` error.
pub fn widen(table: Table, known: &Schema, new: &Schema) -> Result<Schema> {
    unite(table, known, new, wider)
}

/// The columns of an existing table once rows with `new` columns join it: its own as they are, then
/// those added, then provenance. A type that does not fit the table's is an `Input` error.
pub fn extend(table: Table, stored: &Schema, new: &Schema) -> Result<Schema> {
    unite(table, stored, new, |stored, new| wider(stored, new).filter(|wide| wide == stored))
}

/// The rows with exactly the columns of `schema`: cast, null where the batch has no such column.
pub fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(column.clone()),
        Some(column) => cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<_, _>>()?;
    let rows = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &rows)?)
}

fn unite(
    table: Table,
    known: &Schema,
    new: &Schema,
    meet: impl Fn(&DataType, &DataType) -> Option<DataType>,
) -> Result<Schema> {
    let mut fields: Vec<FieldRef> = known.fields().to_vec();
    for field in new.fields() {
        let Some(held) = fields.iter_mut().find(|held| held.name() == field.name()) else {
            fields.push(field.clone());
            continue;
        };
        let both = meet(held.data_type(), field.data_type());
        let Some(both) = both.filter(|_| family(held) == family(field)) else {
            return Err(mismatch(table, held, field));
        };
        *held = held.as_ref().clone().with_data_type(both).into();
    }
    // Columns without a family, which are provenance, come last.
    fields.sort_by_key(|field| family(field).is_none());
    Ok(Schema::new(fields))
}

/// The narrowest type that holds all values of both exactly.
fn wider(a: &DataType, b: &DataType) -> Option<DataType> {
    use DataType::{Float32, Float64, Int32, Int64};
    match (a, b) {
        _ if a == b => Some(a.clone()),
        (Int32, Int64) | (Int64, Int32) => Some(Int64),
        (Int32 | Float32, Int32 | Float32 | Float64) | (Float64, Int32 | Float32) => Some(Float64),
        _ => None,
    }
}

fn mismatch(table: Table, held: &Field, new: &Field) -> Error {
    let of = |field: &Field| match family(field) {
        Some(family) => format!("{} ({}:)", type_name(field.data_type()), family.prefix()),
        None => type_name(field.data_type()).to_string(),
    };
    Error::input(format!(
        "table {}, column {}: is {}, but these alerts have {}; a column keeps its type (int may become \
         long or double, and float double, within one ingest)",
        table.name(),
        held.name(),
        of(held),
        of(new),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, AsArray, Int32Array};
    use arrow::datatypes::Float64Type;

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
        assert_eq!(widen(Table::Fp, &known, &new).unwrap(), both);
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
    fn staged_types_meet_in_the_type_that_holds_both_in_any_order() {
        use DataType::{Boolean, Float32, Float64, Int32, Int64, Utf8};
        let met = |a: &DataType, b: &DataType| {
            let known = schema(&[("a", a.clone())]);
            let both = widen(Table::Fp, &known, &schema(&[("a", b.clone())]));
            both.map(|both| both.field(0).data_type().clone())
        };
        let pairs = [(Int32, Int64, Int64), (Int32, Float64, Float64), (Float32, Float64, Float64)];
        for (a, b, both) in pairs.into_iter().chain([(Int32, Float32, Float64)]) {
            assert_eq!(met(&a, &b).unwrap(), both);
            assert_eq!(met(&b, &a).unwrap(), both);
        }
        for (a, b) in [(Int64, Float64), (Int64, Float32), (Utf8, Int32), (Boolean, Int32)] {
            assert_eq!(met(&a, &b).unwrap_err().kind(), Kind::Input);
            assert_eq!(met(&b, &a).unwrap_err().kind(), Kind::Input);
        }
    }

    #[test]
    fn a_table_keeps_its_types() {
        let (int, long) = (schema(&[("n", DataType::Int32)]), schema(&[("n", DataType::Int64)]));
        assert_eq!(extend(Table::Fp, &long, &int).unwrap(), long);
        let refused = extend(Table::Fp, &int, &long).unwrap_err();
        assert_eq!(refused.kind(), Kind::Input);
        for part in ["table fp", "column n", "is int", "have long"] {
            assert!(refused.to_string().contains(part), "{refused}");
        }
    }

    #[test]
    fn a_name_belongs_to_one_family() {
        let fink = Schema::new(vec![stored_field(Family::Fink, "a", DataType::Int64)]);
        let refused = widen(Table::Fp, &schema(&[("a", DataType::Int64)]), &fink).unwrap_err();
        assert!(refused.to_string().contains("long (r:), but these alerts have long (f:)"));
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
