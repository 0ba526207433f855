//! Columns that come, widen or are refused.

use super::*;

#[tokio::test]
async fn a_new_column_is_null_in_older_rows() {
    let warehouse = empty_warehouse();
    let old = [row(1, 0, OLD), row(2, 0, OLD)];
    ingest(&warehouse, Table::Objects, &[batch(Table::Objects, &old)]).await.unwrap();
    let added: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let wider = batch_with(Table::Objects, &[row(1, 0, NEW)], &[("nBand", added)]);
    ingest(&warehouse, Table::Objects, &[wider]).await.unwrap();
    let narrow = batch(Table::Objects, &[row(3, 0, NEW)]);
    ingest(&warehouse, Table::Objects, &[narrow]).await.unwrap();

    let snapshot = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let names: Vec<_> =
        snapshot.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names[..3], ["value", KEY, "nBand"]);
    assert_eq!(names.len(), 3 + provenance::fields(Table::Objects).len());
    assert_eq!(crate::schema::family(snapshot.schema.field(2)), Some(Family::Rubin));
    for batch in stored(&warehouse, Table::Objects).await {
        for (i, key) in batch[KEY].as_primitive::<Int64Type>().values().iter().enumerate() {
            assert_eq!(batch["nBand"].is_null(i), *key != 1, "object {key}");
        }
    }
    let expected = [row(1, 0, NEW), row(2, 0, OLD), row(3, 0, NEW)];
    assert_eq!(rows(&warehouse, Table::Objects).await, expected);
}

#[tokio::test]
async fn a_new_column_stays_known_if_its_rows_lose() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[row(1, 5, NEW)])]).await.unwrap();
    let added: ArrayRef = Arc::new(Int32Array::from(vec![7]));
    let loses = batch_with(Table::Fp, &[row(1, 5, OLD)], &[("detector", added)]);
    assert_eq!(ingest(&warehouse, Table::Fp, &[loses]).await.unwrap(), merged(0, 0, 1));
    let snapshot = warehouse.snapshot(Table::Fp, None).await.unwrap().unwrap();
    assert!(snapshot.schema.field_with_name("detector").is_ok());
    assert_eq!(snapshot.files.len(), 1);
}

fn counted(id: i64, count: ArrayRef) -> RecordBatch {
    batch_with(Table::Fp, &[row(1, id, OLD)], &[("count", count)])
}

fn int(id: i64) -> RecordBatch {
    counted(id, Arc::new(Int32Array::from(vec![id as i32])))
}

fn long(id: i64) -> RecordBatch {
    counted(id, Arc::new(Int64Array::from(vec![id])))
}

#[tokio::test]
async fn a_type_the_table_cannot_hold_is_refused_and_nothing_is_left() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Fp, &[int(1)]).await.unwrap();
    let sources = (Table::Sources, batch(Table::Sources, &[row(1, 5, OLD)]));
    let staging = staged(&[sources, (Table::Fp, long(2))]);
    let refused = upsert(&warehouse, staging, &options(), &Positions::default()).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Input);
    for part in ["table fp", "column count", "is int", "have long"] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    assert_eq!(version(&warehouse, Table::Sources).await, None);
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
    warehouse.discard_uncommitted().await;
    assert_eq!(file_count(&warehouse).await, 1);
}

#[test]
fn types_that_do_not_meet_are_refused_when_staged() {
    let mut staging = Staging::create(&options()).unwrap();
    staging.push(Table::Fp, &long(1)).unwrap();
    let double = counted(2, Arc::new(Float64Array::from(vec![0.5])));
    let refused = staging.push(Table::Fp, &double).unwrap_err();
    assert_eq!(refused.kind(), Kind::Input);
    assert!(refused.to_string().contains("column count: is long"), "{refused}");
}
