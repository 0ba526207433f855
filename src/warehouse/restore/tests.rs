//! Times between the commits of one command, where merges come between them.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use arrow::datatypes::Schema;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::*;
use crate::schema::{Family, KEY, TIME, stored_field};
use crate::warehouse::{MergePolicy, SortedWriter};

/// Adds one object to `objects`, or a source of it.
async fn add(warehouse: &Warehouse, table: Table, id: i64) {
    let long = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let mut columns = vec![(KEY, long(id))];
    if table != Table::Objects {
        columns.push((TIME, Arc::new(Float64Array::from(vec![61000.5]))));
        columns.push((table.id_column(), long(id * 10)));
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

/// A time that is between two commits.
async fn between() -> DateTime<Utc> {
    let pause = || tokio::time::sleep(Duration::from_millis(5));
    pause().await;
    let time = Utc::now();
    pause().await;
    time
}

#[tokio::test]
async fn a_merge_does_not_hide_that_a_time_tears_an_ingest_apart() {
    // The sources are merged before that time, or the objects after it, or neither, or both.
    for (before, after) in [(false, false), (true, false), (false, true), (true, true)] {
        let warehouse = Warehouse::open(&format!("memory://{}", Uuid::new_v4())).unwrap();
        let merge = async |table| {
            let run = warehouse.for_one_run();
            let merged = run.compact(table, &MergePolicy::DEFAULT).await.unwrap();
            assert_ne!(merged.files_removed, 0);
        };
        for id in [1, 2] {
            let run = warehouse.for_one_run();
            for table in [Table::Sources, Table::Objects] {
                add(&run, table, id).await;
            }
        }
        let whole = between().await;
        let ingest = warehouse.for_one_run();
        add(&ingest, Table::Sources, 3).await;
        if before {
            merge(Table::Sources).await;
        }
        let torn = between().await;
        if after {
            merge(Table::Objects).await;
        }
        add(&ingest, Table::Objects, 3).await;
        merge(Table::Objects).await;
        let all = between().await;

        let tables = [Table::Sources, Table::Objects];
        let restore = async |time| warehouse.restore(&tables, &AsOf::Time(time), true).await;
        let refused = restore(torn).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Argument, "{refused}");
        assert!(refused.to_string().contains("between two commits of one command"), "{refused}");
        for time in [whole, all] {
            restore(time).await.unwrap();
        }
    }
}
