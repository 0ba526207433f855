//! Which copy of a row stays, and that a repeated one changes nothing.

use super::*;

/// Asserts that two copies of one row leave `winner` in the table, in one ingest or two, in any order.
async fn assert_wins(table: Table, winner: Row, loser: Row) {
    for (first, second) in [(winner, loser), (loser, winner)] {
        let at_once = empty_warehouse();
        let counts = ingest(&at_once, table, &[batch(table, &[first, second])]).await.unwrap();
        assert_eq!(counts, merged(1, 0, 1));
        assert_eq!(rows(&at_once, table).await, [winner]);

        let in_turn = empty_warehouse();
        ingest(&in_turn, table, &[batch(table, &[first])]).await.unwrap();
        let counts = ingest(&in_turn, table, &[batch(table, &[second])]).await.unwrap();
        let replaces = second == winner;
        assert_eq!(counts, if replaces { merged(0, 1, 0) } else { merged(0, 0, 1) });
        assert_eq!(rows(&in_turn, table).await, [winner]);
    }
}

#[tokio::test]
async fn the_newer_alert_wins() {
    assert_wins(Table::Objects, row(1, 0, NEW), row(1, 0, OLD)).await;
    let same_visit = Alert { id: OLD.id + 1, ..OLD };
    assert_wins(Table::Objects, row(1, 0, same_visit), row(1, 0, OLD)).await;
}

#[tokio::test]
async fn an_own_source_wins_over_a_newer_history_entry() {
    assert_wins(Table::Sources, row(1, OLD.id, OLD), row(1, OLD.id, NEW)).await;
}

#[tokio::test]
async fn what_was_processed_last_wins() {
    assert_wins(Table::Fp, row(1, 7, NEW), row(1, 7, OLD)).await;
    assert_wins(Table::Sources, row(1, 7, NEW), row(1, 7, OLD)).await;
    let again = Alert { mjd: OLD.mjd + 0.5, ..OLD };
    assert_wins(Table::Sources, row(1, OLD.id, again), row(1, OLD.id, OLD)).await;
    // Seconds since 1970 are no time at all.
    let unix = Alert { mjd: 1480360995.0, id: 300, enriched: true };
    assert_wins(Table::Fp, row(1, 7, OLD), row(1, 7, unix)).await;
    assert_wins(Table::Objects, row(1, 0, OLD), row(1, 0, unix)).await;
}

/// Copies that differ in nothing else: which one it is matters less than that it is always the same.
#[tokio::test]
async fn of_different_contents_one_wins_always() {
    for table in Table::ALL {
        let [one, other] = [0.0, 0.25].map(|more| {
            let row = row(1, if table == Table::Objects { 0 } else { OLD.id }, OLD);
            Row { value: row.value + more, ..row }
        });
        let hash = |row| match batch(table, &[row]).column_by_name(CONTENT_HASH) {
            Some(hash) => hash.as_primitive::<Int64Type>().value(0),
            None => {
                let batch = batch(table, &[row]);
                content_hash(batch.schema_ref(), batch.columns()).unwrap().value(0)
            }
        };
        let (loser, winner) = if hash(one) < hash(other) { (one, other) } else { (other, one) };
        assert_wins(table, winner, loser).await;
    }
}

/// As tables were before rows had a hash, and forced measurements the provenance of their alert.
fn of_before(table: Table, rows: &[Row]) -> RecordBatch {
    let batch = batch(table, rows);
    let alert = [ALERT_TIME, ALERT_ID, ALERT_ENRICHED];
    let measured = batch.schema_ref().fields().iter().zip(batch.columns());
    let measured = measured.filter(|(field, _)| crate::schema::family(field).is_some());
    let measured = measured.map(|(field, column)| (field.as_ref().clone(), column.clone()));
    let provenance: [ArrayRef; 3] = [
        Arc::new(rows.iter().map(|row| row.alert.mjd).collect::<Float64Array>()),
        Arc::new(rows.iter().map(|row| row.alert.id).collect::<Int64Array>()),
        Arc::new(BooleanArray::from_iter(rows.iter().map(|row| Some(row.alert.enriched)))),
    ];
    let alert = alert.map(|name| provenance::field(name).unwrap());
    let (fields, columns): (Vec<_>, Vec<_>) =
        measured.chain(alert.into_iter().zip(provenance)).unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

#[tokio::test]
async fn tables_of_before_take_a_hash_once() {
    for table in Table::ALL {
        let warehouse = empty_warehouse();
        let old = of_before(table, &[row(1, OLD.id, OLD), row(2, OLD.id + 1, OLD)]);
        let mut writer = SortedWriter::new(&warehouse, table, old.schema());
        writer.write(&old).await.unwrap();
        let (add, schema) = (writer.finish().await.unwrap(), old.schema());
        let change = Change { operation: Operation::Ingest, schema, add, remove: vec![] };
        warehouse.commit(table, None, change).await.unwrap();

        let again = batch(table, &[row(1, OLD.id, OLD), row(3, OLD.id + 2, OLD)]);
        let counts = ingest(&warehouse, table, std::slice::from_ref(&again)).await.unwrap();
        // The content of forced measurements is compared itself.
        let replaced = if table == Table::Fp { 0 } else { 1 };
        assert_eq!(counts, merged(1, replaced, 1 - replaced), "{table:?}");
        let then = version(&warehouse, table).await;
        assert_eq!(
            ingest(&warehouse, table, &[again]).await.unwrap(),
            merged(0, 0, 2),
            "{table:?}"
        );
        assert_eq!(version(&warehouse, table).await, then);
        assert_eq!(rows(&warehouse, table).await.len(), 3);
    }
}

#[tokio::test]
async fn an_enriched_packet_wins_over_the_raw_one() {
    let enriched = Alert { enriched: true, ..OLD };
    assert_wins(Table::Sources, row(1, OLD.id, enriched), row(1, OLD.id, OLD)).await;
    assert_wins(Table::Objects, row(1, 0, enriched), row(1, 0, OLD)).await;
    assert_wins(Table::Objects, row(1, 0, NEW), row(1, 0, enriched)).await;
}

#[tokio::test]
async fn a_source_is_one_row_whatever_its_object() {
    assert_wins(Table::Sources, row(2, 7, NEW), row(1, 7, OLD)).await;
    assert_wins(Table::Sources, row(1, 7, NEW), row(2, 7, OLD)).await;
}

#[tokio::test]
async fn the_same_rows_again_change_nothing() {
    let warehouse = empty_warehouse();
    let rows_of_two = batch(Table::Sources, &[row(2, 5, OLD), row(1, 6, OLD)]);
    let twice = [rows_of_two.clone(), rows_of_two];
    let counts = ingest(&warehouse, Table::Sources, &twice).await.unwrap();
    assert_eq!(counts, merged(2, 0, 2));
    let before = version(&warehouse, Table::Sources).await;
    let counts = ingest(&warehouse, Table::Sources, &twice).await.unwrap();
    assert_eq!(counts, merged(0, 0, 4));
    assert_eq!(version(&warehouse, Table::Sources).await, before);
    assert_eq!(rows(&warehouse, Table::Sources).await, [row(1, 6, OLD), row(2, 5, OLD)]);
    assert_eq!(file_count(&warehouse).await, 1);
}

/// 400,000 staged rows of 56 bytes and more, 22 MB, through sorts of 4 MiB: that they end at all says that
/// they spilled (`sort` counts how often).
#[tokio::test]
async fn rows_beyond_memory_are_merged() {
    const IDS: i64 = 200_000;
    let warehouse = empty_warehouse();
    let options = IngestOptions { memory_bytes: 8 << 20, ..options() };
    let mut staging = Staging::create(&options).unwrap();
    for alert in [NEW, OLD] {
        // 70,001 has no factor in common with the number of ids: every id comes once.
        let ids: Vec<_> = (0..IDS).map(|i| i * 70_001 % IDS).collect();
        for ids in ids.chunks(3000) {
            let rows: Vec<_> = ids.iter().map(|&id| row(id % 1000, id + 1000, alert)).collect();
            staging.push(Table::Fp, &batch(Table::Fp, &rows)).unwrap();
        }
    }
    let counts =
        upsert(&warehouse, staging, &options, &Positions::default()).await.unwrap().merged[1].1;
    assert_eq!(counts, merged(IDS as u64, 0, IDS as u64));
    let mut last = (0, 0);
    for batch in stored(&warehouse, Table::Fp).await {
        let keys = batch[KEY].as_primitive::<Int64Type>().values();
        let ids = batch[Table::Fp.id_column()].as_primitive::<Int64Type>().values();
        let values = batch["value"].as_primitive::<Float64Type>().values();
        for ((&key, &id), &value) in keys.iter().zip(ids).zip(values) {
            assert!((key, id) > last, "object {key}, id {id} after {last:?}");
            assert_eq!((key, value), (id % 1000, NEW.id as f64));
            last = (key, id);
        }
    }
    let snapshot = warehouse.snapshot(Table::Fp, None).await.unwrap().unwrap();
    assert_eq!(snapshot.files.iter().filter_map(|file| file.rows).sum::<u64>(), IDS as u64);
}
