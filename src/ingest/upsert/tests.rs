//! The rules of a merge, one test each, on rows made by hand. Here is what they are made with.

mod columns;
mod commits;
mod cost;
mod precedence;

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    new_null_array,
};
use arrow::datatypes::{Field, Float64Type, Int64Type, Schema};
use futures::TryStreamExt;
use object_store::ObjectStore;
use uuid::Uuid;

use super::*;
use crate::ingest::precedence::PROCESSED;
use crate::schema::provenance::{
    ALERT_ENRICHED, ALERT_ID, ALERT_PROCESSED, ALERT_TIME, CONTENT_HASH,
};
use crate::schema::{Family, KEY, TIME, content_hash, provenance, stored_field};

/// The alert a row is taken from, which was processed as soon as it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Alert {
    mjd: f64,
    id: i64,
    enriched: bool,
}

/// A row of any table; objects have neither `id` nor `mjd`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    object: i64,
    id: i64,
    mjd: f64,
    value: f64,
    alert: Alert,
}

const OLD: Alert = Alert { mjd: 61000.0, id: 100, enriched: false };
const NEW: Alert = Alert { mjd: 61001.0, id: 200, enriched: false };

/// A source measured at `61000 + id`, with a value that identifies its alert.
fn row(object: i64, id: i64, alert: Alert) -> Row {
    let value = alert.id as f64 + if alert.enriched { 0.5 } else { 0.0 };
    Row { object, id, mjd: 61000.0 + id as f64, value, alert }
}

fn batch_with(table: Table, rows: &[Row], extra: &[(&str, ArrayRef)]) -> RecordBatch {
    let long =
        |of: fn(&Row) -> i64| -> ArrayRef { Arc::new(rows.iter().map(of).collect::<Int64Array>()) };
    let double = |of: fn(&Row) -> f64| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Float64Array>())
    };
    let mut columns = vec![("value", double(|row| row.value)), (KEY, long(|row| row.object))];
    if table != Table::Objects {
        columns.push((TIME, double(|row| row.mjd)));
        columns.push((table.id_column(), long(|row| row.id)));
        columns.push((PROCESSED, double(|row| row.alert.mjd)));
    }
    columns.extend(extra.iter().cloned());
    let mut fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| stored_field(Family::Rubin, name, column.data_type().clone()))
        .collect();
    fields.extend(provenance::fields(table));
    let schema = Arc::new(Schema::new(fields));
    let mut arrays: Vec<_> = columns.into_iter().map(|(_, column)| column).collect();
    let content = content_hash(&schema, &arrays).unwrap();
    // Entries of a history have no alert.
    let alerts: Vec<_> = rows
        .iter()
        .map(|row| (table == Table::Objects || row.id == row.alert.id).then_some(row.alert))
        .collect();
    for field in provenance::fields(table) {
        let alerts = || alerts.iter().map(|alert| alert.as_ref());
        arrays.push(match field.name().as_str() {
            ALERT_TIME | ALERT_PROCESSED => {
                Arc::new(alerts().map(|alert| Some(alert?.mjd)).collect::<Float64Array>())
            }
            ALERT_ID => Arc::new(alerts().map(|alert| Some(alert?.id)).collect::<Int64Array>()),
            ALERT_ENRICHED => {
                Arc::new(alerts().map(|alert| Some(alert?.enriched)).collect::<BooleanArray>())
            }
            CONTENT_HASH => Arc::new(content.clone()),
            _ => new_null_array(field.data_type(), rows.len()),
        });
    }
    RecordBatch::try_new(schema, arrays).unwrap()
}

fn batch(table: Table, rows: &[Row]) -> RecordBatch {
    batch_with(table, rows, &[])
}

fn options() -> IngestOptions {
    IngestOptions { memory_bytes: 64 << 20, ..IngestOptions::default() }
}

fn empty_warehouse() -> Warehouse {
    Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap()
}

fn staged(batches: &[(Table, RecordBatch)]) -> Staging {
    let mut staging = Staging::create(&options()).unwrap();
    for (table, batch) in batches {
        staging.push(*table, batch).unwrap();
    }
    staging
}

/// One ingest; what became of the rows of `table`.
async fn ingest(warehouse: &Warehouse, table: Table, batches: &[RecordBatch]) -> Result<Merged> {
    let batches: Vec<_> = batches.iter().map(|batch| (table, batch.clone())).collect();
    let merged = upsert(warehouse, staged(&batches), &options(), &Positions::default()).await?;
    Ok(merged.merged.into_iter().find(|(of, _)| *of == table).unwrap().1)
}

fn merged(added: u64, replaced: u64, present: u64) -> Merged {
    Merged { added, replaced, present }
}

/// All rows of a table, with the columns of its newest schema.
async fn stored(warehouse: &Warehouse, table: Table) -> Vec<RecordBatch> {
    let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let mut batches = Vec::new();
    for file in &snapshot.files {
        let rows = read(snapshot.store.clone(), file.clone(), snapshot.schema.clone());
        batches.extend(rows.try_collect::<Vec<_>>().await.unwrap());
    }
    batches
}

/// All rows of a table, by object and id.
async fn rows(warehouse: &Warehouse, table: Table) -> Vec<Row> {
    let mut rows = Vec::new();
    for batch in stored(warehouse, table).await {
        let long = |name: &str, i| batch[name].as_primitive::<Int64Type>().value(i);
        let double = |name: &str, i| batch[name].as_primitive::<Float64Type>().value(i);
        let measured = table != Table::Objects;
        rows.extend((0..batch.num_rows()).map(|i| {
            let value = double("value", i);
            Row {
                object: long(KEY, i),
                id: if measured { long(table.id_column(), i) } else { 0 },
                mjd: if measured { double(TIME, i) } else { 61000.0 },
                value,
                alert: Alert {
                    mjd: double(if measured { PROCESSED } else { ALERT_TIME }, i),
                    id: value as i64,
                    enriched: value.fract() == 0.5,
                },
            }
        }));
    }
    rows.sort_by_key(|row| (row.object, row.id));
    rows
}

async fn version(warehouse: &Warehouse, table: Table) -> Option<u64> {
    warehouse.snapshot(table, None).await.unwrap().map(|snapshot| snapshot.version)
}

/// The Parquet files under a warehouse, whether a commit names them or not.
async fn file_count(warehouse: &Warehouse) -> usize {
    let location = warehouse.location();
    let objects = location.store.list(Some(&location.prefix));
    let objects: Vec<_> = objects.try_collect().await.unwrap();
    let data = objects.iter().filter(|object| object.location.as_ref().contains("/part-"));
    data.count()
}
