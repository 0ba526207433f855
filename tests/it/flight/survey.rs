//! A warehouse with more rows than one part of a table holds, in files whose keys overlap.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use diaflight::schema::{Family, Table, provenance, stored_field};
use diaflight::warehouse::{Change, Operation, SortedWriter, Warehouse};

/// Objects 1000, 1003, 1006 and so on.
const OBJECTS: i64 = 100_000;
/// Sources of an object; the times of the second commit lie between those of the first.
const SOURCES: i64 = 14;
const SOURCES_AT_FIRST: i64 = 9;

/// Sources in two commits, one row for each object, and the forced photometry of a few.
pub async fn fill(warehouse: &Warehouse) {
    append(warehouse, Table::Objects, OBJECTS, 0..1).await;
    append(warehouse, Table::Fp, OBJECTS / 100, 0..3).await;
    append(warehouse, Table::Sources, OBJECTS, 0..SOURCES_AT_FIRST).await;
    append(warehouse, Table::Sources, OBJECTS, SOURCES_AT_FIRST..SOURCES).await;
}

async fn append(warehouse: &Warehouse, table: Table, objects: i64, rows: std::ops::Range<i64>) {
    let schema = schema(table);
    let base = warehouse.snapshot(table, None).await.unwrap();
    let mut writer = SortedWriter::new(warehouse, table, schema.clone());
    for first in (0..objects).step_by(1000) {
        writer.write(&batch(table, &schema, first..first + 1000, rows.clone())).await.unwrap();
    }
    let (add, remove) = (writer.finish().await.unwrap(), Vec::new());
    let change = Change { operation: Operation::Ingest, schema, add, remove };
    warehouse.commit(table, base.as_ref(), change).await.unwrap();
}

fn schema(table: Table) -> SchemaRef {
    let rubin = |name, data_type| stored_field(Family::Rubin, name, data_type);
    let mut fields = vec![rubin("diaObjectId", DataType::Int64)];
    if table != Table::Objects {
        fields.push(rubin(table.id_column(), DataType::Int64));
    }
    fields.push(rubin("midpointMjdTai", DataType::Float64));
    fields.push(rubin("psfFlux", DataType::Float32));
    fields.push(rubin("band", DataType::Utf8));
    fields.push(stored_field(Family::Fink, "main_label_classifier", DataType::Utf8));
    fields.extend(provenance::fields(table));
    Arc::new(Schema::new(fields))
}

/// Row `k` of object `i` has the id `100 i + k`; the times of an object's rows, by `k`, go up and down.
fn batch(
    table: Table,
    schema: &SchemaRef,
    objects: std::ops::Range<i64>,
    rows: std::ops::Range<i64>,
) -> RecordBatch {
    let time = |k: i64| 60_000.5 + (k * 5 % SOURCES) as f64;
    let mut of_object: Vec<i64> = rows.collect();
    of_object.sort_by(|a, b| time(*a).total_cmp(&time(*b)));
    let rows: Vec<(i64, i64)> =
        objects.flat_map(|i| of_object.iter().map(move |&k| (i, k))).collect();
    let longs = |of: fn(&(i64, i64)) -> i64| Int64Array::from_iter_values(rows.iter().map(of));
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match field.name().as_str() {
            "diaObjectId" => Arc::new(longs(|(i, _)| 1000 + 3 * i)),
            name if name == table.id_column() => Arc::new(longs(|(i, k)| 100 * i + k)),
            "midpointMjdTai" => {
                Arc::new(Float64Array::from_iter_values(rows.iter().map(|(_, k)| time(*k))))
            }
            "psfFlux" => Arc::new(Float32Array::from_iter(rows.iter().map(|(i, k)| {
                ((i + k) % 11 != 0).then_some((i * 37 % 1009) as f32 + *k as f32 / 10.0)
            }))),
            "band" => {
                let bands = rows.iter().map(|(i, k)| ["g", "r", "i"][((i + k) % 3) as usize]);
                Arc::new(StringArray::from_iter_values(bands))
            }
            _ => arrow::array::new_null_array(field.data_type(), rows.len()),
        }
    });
    RecordBatch::try_new(schema.clone(), columns.collect()).unwrap()
}
