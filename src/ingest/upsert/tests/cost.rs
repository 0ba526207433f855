//! What a merge reads of the table: the pages of the objects that it touches, and nothing where ids cannot meet.

use super::*;
use crate::ingest::precedence::ranked_by;
use crate::ingest::stored_copies::{FoundCopies, stored_copies};

/// Rows of each object: a row group has 163 objects.
const PER_OBJECT: i64 = 100;

/// The rows of some objects, every so many ids.
fn rows_of(objects: impl Iterator<Item = i64>) -> Vec<Row> {
    let of = |object| (0..PER_OBJECT).map(move |k| row(object, object * 1000 + k, OLD));
    objects.flat_map(of).collect()
}

async fn table_of(table: Table, objects: i64) -> Warehouse {
    let warehouse = empty_warehouse();
    ingest(&warehouse, table, &[batch(table, &rows_of(1..=objects))]).await.unwrap();
    warehouse
}

async fn found(warehouse: &Warehouse, table: Table, rows: &[Row]) -> FoundCopies {
    let (dir, staged) = staged(&[(table, batch(table, rows))]).finish().unwrap();
    let (staged, sorter) = (&staged[&table], Sorter::new(32 << 20, dir.path()).unwrap());
    let base = warehouse.snapshot(table, None).await.unwrap().unwrap();
    let columns = ranked_by(table, &base.schema);
    stored_copies(&base, columns, staged, &sorter, dir.path()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_size_of_the_table_does_not_matter() {
    let table = Table::Sources;
    let (small, large) = (table_of(table, 300).await, table_of(table, 3000).await);
    let touched = rows_of([7, 80, 150, 220, 290].into_iter());
    let (small, large) =
        (found(&small, table, &touched).await, found(&large, table, &touched).await);
    for found in [&small, &large] {
        let all = 5 * PER_OBJECT as usize;
        assert_eq!((found.count, found.present.count_set_bits()), (all, all));
        // They say the same: nothing is left to be decided.
        assert_eq!((found.copies.rows, found.strangers), (0, 0));
        assert!(found.read.pages.value() > 0);
    }
    let (small, large) = (small.read.bytes.value(), large.read.bytes.value());
    assert!(large * 10 < small * 13, "{large} bytes beside {small}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_for_ids_that_no_file_may_have() {
    let warehouse = table_of(Table::Sources, 300).await;
    let tonight: Vec<_> = (1..=300).map(|object| row(object, 1_000_000 + object, NEW)).collect();
    let FoundCopies { copies, read, strangers, .. } =
        found(&warehouse, Table::Sources, &tonight).await;
    assert_eq!((copies.rows, strangers, read.pages.value()), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_under_another_object_is_found() {
    let warehouse = table_of(Table::Sources, 300).await;
    let moved = Row { object: 9, ..row(150, 150_050, NEW) };
    let unknown = row(9, 9_999, NEW);
    let FoundCopies { copies, strangers, .. } =
        found(&warehouse, Table::Sources, &[moved, unknown]).await;
    assert_eq!((copies.rows, strangers), (1, 2));
}

/// A forced measurement comes with the next alert of its object, when later ones of other objects are in the table.
#[tokio::test(flavor = "multi_thread")]
async fn forced_photometry_is_looked_for_in_its_object_alone() {
    let warehouse = table_of(Table::Fp, 300).await;
    let late = row(9, 150_999, NEW);
    let FoundCopies { copies, strangers, .. } = found(&warehouse, Table::Fp, &[late]).await;
    assert_eq!((copies.rows, strangers), (0, 0));
    let known_id = batch(Table::Fp, &[row(9, 150_050, NEW)]);
    let counts = ingest(&warehouse, Table::Fp, &[known_id]).await.unwrap();
    assert_eq!(counts, merged(1, 0, 0));
    let all = rows(&warehouse, Table::Fp).await;
    assert_eq!(all.iter().filter(|row| row.id == 150_050).count(), 2);
}
