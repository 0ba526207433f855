//! What is committed, what is written again, and what a conflict, a failure or a crash leaves.

use tokio::runtime::Handle;

use super::*;
use crate::warehouse::Doomed;

#[tokio::test]
async fn a_table_is_created_once_its_columns_are_known() {
    let warehouse = empty_warehouse();
    let counts = ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[])]).await.unwrap();
    assert_eq!(counts, merged(0, 0, 0));
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
    assert_eq!(rows(&warehouse, Table::Fp).await, []);
    assert_eq!(version(&warehouse, Table::Sources).await, None);
    ingest(&warehouse, Table::Fp, &[batch(Table::Fp, &[])]).await.unwrap();
    assert_eq!(version(&warehouse, Table::Fp).await, Some(0));
}

#[tokio::test]
async fn only_files_that_lose_rows_are_written_again() {
    let warehouse = empty_warehouse();
    for objects in [[1, 4], [2, 3]] {
        let rows = objects.map(|object| row(object, 0, OLD));
        ingest(&warehouse, Table::Objects, &[batch(Table::Objects, &rows)]).await.unwrap();
    }
    let before = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let newer = batch(Table::Objects, &[row(2, 0, NEW), row(5, 0, NEW)]);
    let counts = ingest(&warehouse, Table::Objects, &[newer]).await.unwrap();
    assert_eq!(counts, merged(1, 1, 0));
    let after = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let kept: Vec<_> = after.files.iter().filter(|file| before.files.contains(file)).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].keys, 1..=4);
    let expected = [(1, OLD), (2, NEW), (3, OLD), (4, OLD), (5, NEW)];
    let expected = expected.map(|(object, alert)| row(object, 0, alert));
    assert_eq!(rows(&warehouse, Table::Objects).await, expected);
}

/// Everything an alert gives: its source, a forced source and its object.
fn alert_rows(object: i64, alert: Alert) -> Vec<(Table, RecordBatch)> {
    vec![
        (Table::Sources, batch(Table::Sources, &[row(object, alert.id, alert)])),
        (Table::Fp, batch(Table::Fp, &[row(object, alert.id, alert)])),
        (Table::Objects, batch(Table::Objects, &[row(object, 0, alert)])),
    ]
}

#[tokio::test]
async fn a_table_changed_meanwhile_is_merged_again() {
    let warehouse = empty_warehouse();
    let staging = staged(&alert_rows(1, NEW));
    let (dir, staged_rows) = staging.finish().unwrap();
    let sorter = Sorter::new(32 << 20, dir.path()).unwrap();
    let ours = Upsert {
        warehouse: &warehouse,
        staged: staged_rows,
        sorter,
        dir,
        rewrite_bytes: 0,
        read: &Positions::default(),
    };
    let draft = ours.draft(Table::Objects).await.unwrap();
    assert_eq!(draft.merged, merged(1, 0, 0));

    let theirs = batch(Table::Objects, &[row(1, 0, OLD), row(2, 0, OLD)]);
    ingest(&warehouse, Table::Objects, &[theirs]).await.unwrap();
    assert_eq!(ours.commit(draft).await.unwrap().0, merged(0, 1, 0));
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW), row(2, 0, OLD)]);
    // Two of the newest version and the one it removed; none of the draft that lost.
    assert_eq!(file_count(&warehouse).await, 3);
}

/// A draft that found its rows there has nothing to commit; but they may be deleted before it says so.
#[tokio::test]
async fn rows_that_are_deleted_meanwhile_are_added() {
    let warehouse = empty_warehouse();
    let mut given = alert_rows(1, NEW);
    given.extend(alert_rows(2, OLD));
    upsert(&warehouse, staged(&given), &options(), &Positions::default()).await.unwrap();
    let (dir, staged_rows) = staged(&alert_rows(1, NEW)).finish().unwrap();
    let sorter = Sorter::new(32 << 20, dir.path()).unwrap();
    let ours = Upsert {
        warehouse: &warehouse,
        staged: staged_rows,
        sorter,
        dir,
        rewrite_bytes: 0,
        read: &Positions::default(),
    };
    let draft = ours.draft(Table::Objects).await.unwrap();
    assert_eq!(draft.merged, merged(0, 0, 1));

    warehouse.delete(&Doomed::Object(1), false).await.unwrap();
    assert_eq!(ours.commit(draft).await.unwrap().0, merged(1, 0, 0));
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW), row(2, 0, OLD)]);
}

#[tokio::test]
async fn an_ingest_that_stopped_between_commits_completes_when_run_again() {
    let warehouse = empty_warehouse();
    ingest(&warehouse, Table::Sources, &[batch(Table::Sources, &[row(9, 9, OLD)])]).await.unwrap();
    let (dir, staged_rows) = staged(&alert_rows(1, NEW)).finish().unwrap();
    let sorter = Sorter::new(32 << 20, dir.path()).unwrap();
    let stopped = Upsert {
        warehouse: &warehouse,
        staged: staged_rows,
        sorter,
        dir,
        rewrite_bytes: 0,
        read: &Positions::default(),
    };
    let draft = stopped.draft(Table::Sources).await.unwrap();
    stopped.draft(Table::Fp).await.unwrap();
    stopped.commit(draft).await.unwrap();
    assert_eq!(version(&warehouse, Table::Objects).await, None);

    let again = upsert(&warehouse, staged(&alert_rows(1, NEW)), &options(), &Positions::default())
        .await
        .unwrap();
    let expected = [merged(0, 0, 1), merged(1, 0, 0), merged(1, 0, 0)];
    assert_eq!(again.merged.map(|(_, counts)| counts), expected);
    let sources = rows(&warehouse, Table::Sources).await;
    assert_eq!(sources, [row(1, NEW.id, NEW), row(9, 9, OLD)]);
    assert_eq!(rows(&warehouse, Table::Fp).await, [row(1, NEW.id, NEW)]);
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW)]);
}

/// A file stands where the folder of the last table would be.
#[tokio::test]
async fn a_failure_before_the_first_commit_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(dir.path().to_str().unwrap()).unwrap();
    std::fs::write(dir.path().join("objects"), "in the way").unwrap();
    let failed = upsert(&warehouse, staged(&alert_rows(1, NEW)), &options(), &Positions::default())
        .await
        .unwrap_err();
    assert_eq!(failed.kind(), Kind::Storage, "{failed}");
    assert_eq!(version(&warehouse, Table::Sources).await, None);
    assert_eq!(version(&warehouse, Table::Fp).await, None);
    warehouse.discard_uncommitted().await;
    assert_eq!(file_count(&warehouse).await, 0);

    std::fs::remove_file(dir.path().join("objects")).unwrap();
    upsert(&warehouse, staged(&alert_rows(1, NEW)), &options(), &Positions::default())
        .await
        .unwrap();
    assert_eq!(rows(&warehouse, Table::Objects).await, [row(1, 0, NEW)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ingests_at_the_same_time_all_complete() {
    let warehouse = empty_warehouse();
    let nights = (0..4).map(|night| {
        let warehouse = warehouse.clone();
        let alert = Alert { mjd: 61000.0 + night as f64, id: 100 + night, enriched: false };
        let staging = staged(&[alert_rows(1, alert), alert_rows(10 + night, alert)].concat());
        let here = Handle::current();
        tokio::task::spawn_blocking(move || {
            here.block_on(async {
                upsert(&warehouse, staging, &options(), &Positions::default()).await.unwrap()
            })
        })
    });
    futures::future::try_join_all(nights).await.unwrap();
    let newest = Alert { mjd: 61003.0, id: 103, enriched: false };
    let objects = rows(&warehouse, Table::Objects).await;
    assert_eq!(objects.len(), 5);
    assert_eq!(objects[0], row(1, 0, newest));
    assert_eq!(rows(&warehouse, Table::Sources).await.len(), 4);
}
