//! What a merge reads of the table: the pages of the objects that it touches, and nothing where ids cannot meet.

use super::*;
use crate::ingest::precedence::ranked_by;
use crate::ingest::stored_copies::{FoundCopies, StoredCopies};

/// Rows of each object: a row group has 163 objects.
const PER_OBJECT: i64 = 100;

/// The rows of some objects, every so many ids.
fn rows_of(objects: impl Iterator<Item = i64>) -> Vec<Row> {
    let of = |object| (0..PER_OBJECT).map(move |k| row(object, object * 1000 + k, OLD));
    objects.flat_map(of).collect()
}

async fn table_of(objects: i64) -> Warehouse {
    let warehouse = empty_warehouse();
    let rows = batch(Table::Sources, &rows_of(1..=objects));
    ingest(&warehouse, Table::Sources, &[rows]).await.unwrap();
    warehouse
}

async fn found(warehouse: &Warehouse, rows: &[Row]) -> FoundCopies {
    let (dir, staged) = staged(&[(Table::Sources, batch(Table::Sources, rows))]).finish().unwrap();
    let (staged, sorter) = (&staged[&Table::Sources], Sorter::new(32 << 20, dir.path()).unwrap());
    let base = warehouse.snapshot(Table::Sources, None).await.unwrap().unwrap();
    let columns = ranked_by(Table::Sources, &base.schema);
    let search = StoredCopies::new(&base, columns, dir.path()).await.unwrap();
    search.find(staged, &sorter).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_the_table_does_not_matter() {
    let (small, large) = (table_of(300).await, table_of(3000).await);
    let touched = rows_of([7, 80, 150, 220, 290].into_iter());
    let (small, large) = (found(&small, &touched).await, found(&large, &touched).await);
    for found in [&small, &large] {
        assert_eq!((found.copies.rows, found.strangers), (5 * PER_OBJECT as u64, 0));
        assert!(found.read.pages.value() > 0);
    }
    let (small, large) = (small.read.bytes.value(), large.read.bytes.value());
    assert!(large * 10 < small * 13, "{large} bytes beside {small}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_for_ids_that_no_file_may_have() {
    let warehouse = table_of(300).await;
    let tonight: Vec<_> = (1..=300).map(|object| row(object, 1_000_000 + object, NEW)).collect();
    let FoundCopies { copies, read, strangers, .. } = found(&warehouse, &tonight).await;
    assert_eq!((copies.rows, strangers, read.pages.value()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_under_another_object_is_found() {
    let warehouse = table_of(300).await;
    let moved = Row { object: 9, ..row(150, 150_050, NEW) };
    let unknown = row(9, 9_999, NEW);
    let FoundCopies { copies, strangers, .. } = found(&warehouse, &[moved, unknown]).await;
    assert_eq!((copies.rows, strangers), (1, 2));
}
