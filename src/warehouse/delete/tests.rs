//! Deletions of a night whose objects are given sources by another writer meanwhile.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::{Int64Type, Schema};
use futures::TryStreamExt;
use uuid::Uuid;

use super::*;
use crate::schema::{Family, KEY, TIME, stored_field};
use crate::warehouse::{BATCH_ROWS, Change, Operation, SortedWriter, read};

const NIGHT: Doomed = Doomed::Night { from_mjd: 61000.0, to_mjd: 61001.0 };

/// Adds sources to a table, or the objects of them: objects, ids, times.
async fn add(warehouse: &Warehouse, table: Table, rows: &[(i64, i64, f64)]) {
    let long = |of: fn(&(i64, i64, f64)) -> i64| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<Int64Array>())
    };
    let mut columns = vec![(KEY, long(|row| row.0))];
    if table != Table::Objects {
        columns.push((TIME, Arc::new(rows.iter().map(|row| row.2).collect::<Float64Array>())));
        columns.push((table.id_column(), long(|row| row.1)));
    }
    let fields = columns
        .iter()
        .map(|(name, column)| stored_field(Family::Rubin, name, column.data_type().clone()));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    let batch = RecordBatch::try_new(schema.clone(), columns).unwrap();
    let mut writer = SortedWriter::new(warehouse, table, schema.clone());
    writer.write(&batch).await.unwrap();
    let add = writer.finish().await.unwrap();
    let base = warehouse.snapshot(table, None).await.unwrap();
    let change = Change { operation: Operation::Ingest, schema, add, remove: Vec::new() };
    warehouse.commit(table, base.as_ref(), change).await.unwrap();
}

async fn ids(warehouse: &Warehouse, table: Table) -> Vec<i64> {
    let snapshot = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let mut ids = Vec::new();
    for file in &snapshot.files {
        let column = [table.id_column()];
        let rows = read(snapshot.store.clone(), file, Some(&column), BATCH_ROWS);
        for batch in rows.try_collect::<Vec<_>>().await.unwrap() {
            ids.extend(batch[column[0]].as_primitive::<Int64Type>().values());
        }
    }
    ids.sort_unstable();
    ids
}

/// Objects 1 and 2 have one source each, both of the night.
async fn warehouse() -> Warehouse {
    let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
    let rows = [(1, 11, 61000.5), (2, 21, 61000.5)];
    for table in [Table::Sources, Table::Objects] {
        add(&warehouse, table, &rows).await;
    }
    warehouse
}

/// What the night loses, as long as nobody else writes.
async fn deletions(warehouse: &Warehouse) -> Vec<Deletion> {
    let plan = warehouse.plan(&NIGHT).await.unwrap();
    let deletions = warehouse.deletions(&plan, false).await.unwrap();
    assert_eq!(deletions.iter().map(|one| one.rows).collect::<Vec<_>>(), [2, 2]);
    deletions
}

async fn completes(warehouse: &Warehouse, mut progress: Progress) -> Deleted {
    warehouse.delete_once(&NIGHT, false, &mut progress).await.unwrap();
    assert_eq!(ids(warehouse, Table::Objects).await, [1]);
    assert_eq!(ids(warehouse, Table::Sources).await, [12]);
    progress.deleted
}

#[tokio::test]
async fn an_object_with_a_new_source_stays() {
    let warehouse = warehouse().await;
    let planned = deletions(&warehouse).await;
    add(&warehouse, Table::Sources, &[(1, 12, 61002.5)]).await;
    let mut progress = Progress::default();
    let lost = warehouse.carry_out(planned, &mut progress).await.unwrap_err();
    assert_eq!(lost.kind(), Kind::Conflict);
    assert_eq!(ids(&warehouse, Table::Objects).await, [1, 2]);
    assert_eq!(completes(&warehouse, progress).await.objects_kept, 1);
}

/// The source comes once the objects are deleted already. Its writer may add the object again, or not, where it had seen it before.
#[tokio::test]
async fn an_object_that_was_deleted_comes_back_once() {
    for is_added_again in [false, true] {
        let warehouse = warehouse().await;
        let mut of_objects = deletions(&warehouse).await;
        let of_sources = of_objects.split_off(1);
        let mut progress = Progress::default();
        warehouse.carry_out(of_objects, &mut progress).await.unwrap();
        assert_eq!(ids(&warehouse, Table::Objects).await, [0; 0]);
        add(&warehouse, Table::Sources, &[(1, 12, 61002.5)]).await;
        if is_added_again {
            add(&warehouse, Table::Objects, &[(1, 0, 0.0)]).await;
        }
        let lost = warehouse.carry_out(of_sources, &mut progress).await.unwrap_err();
        assert_eq!(lost.kind(), Kind::Conflict);
        let deleted = completes(&warehouse, progress).await;
        assert_eq!(deleted.tables[0].rows, if is_added_again { 2 } else { 1 });
        assert_eq!(deleted.tables[1].rows, 2);
    }
}
