//! The tags of files, whatever happens to the table, and merges by them.

use diaflight::ingest::{IngestOptions, ingest as ingest_files};
use diaflight::warehouse::{Doomed, FileTag, Level, MergePolicy, RangeSize};

use super::*;
use crate::alerts::{Alert, packets};
use crate::nights;

fn tag(level: Level, range: Option<i64>) -> FileTag {
    FileTag { level: Some(level), range, ..FileTag::default() }
}

/// Commits sources as a file with a tag, and returns the version.
async fn tagged(warehouse: &Warehouse, batch: &RecordBatch, tag: FileTag) -> u64 {
    let base = newest(warehouse).await;
    let files = write_files(warehouse, batch, usize::MAX).await;
    let add = files.into_iter().map(|file| DataFile { tag: tag.clone(), ..file }).collect();
    let change = ingest(batch.schema(), add);
    warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap()
}

async fn tags(warehouse: &Warehouse) -> Vec<(i64, FileTag)> {
    let files = newest(warehouse).await.unwrap().files;
    // Where the key index is differs from file to file.
    let of = |DataFile { keys, tag: FileTag { level, range, .. }, .. }: DataFile| {
        (*keys.start(), FileTag { level, range, ..FileTag::default() })
    };
    files.into_iter().map(of).collect()
}

#[tokio::test]
async fn a_tag_survives_checkpoints() {
    let (folder, warehouse) = on_disk();
    tagged(&warehouse, &sources(1, 5, 1), tag(Level::Base, Some(i64::MIN))).await;
    set_checkpoint_interval(&warehouse, 10);
    for n in 1..24 {
        append(&warehouse, &sources(n * 10, 5, 1)).await;
    }
    let log = walkdir::WalkDir::new(folder.path()).into_iter().map(|entry| entry.unwrap());
    let names = log.map(|entry| entry.file_name().to_str().unwrap().to_string());
    assert!(names.filter(|name| name.ends_with(".checkpoint.parquet")).count() > 0);
    let again = Warehouse::open(folder.path().join("ware house").to_str().unwrap()).unwrap();
    let tags = tags(&again).await;
    assert_eq!(tags[0], (1, tag(Level::Base, Some(i64::MIN))));
    assert!(tags[1..].iter().all(|(_, of)| *of == tag(Level::L0, None)), "{tags:?}");
}

#[tokio::test]
async fn a_file_that_loses_rows_and_one_that_comes_back_keep_their_tags() {
    let warehouse = memory();
    let mature = tag(Level::Mature, Some(1));
    let first = tagged(&warehouse, &sources(1, 5, 1), mature.clone()).await;
    warehouse.delete(&Doomed::Object(1), false).await.unwrap();
    assert_eq!(tags(&warehouse).await, [(2, mature.clone())]);
    let deletion = newest(&warehouse).await.unwrap().version;
    let second = tagged(&warehouse, &sources(20, 5, 1), tag(Level::Base, Some(20))).await;
    warehouse.undo(Table::Sources, deletion, false).await.unwrap();
    let both = [(1, mature.clone()), (20, tag(Level::Base, Some(20)))];
    assert_eq!(tags(&warehouse).await, both);
    for (version, there) in [(first, &both[..1]), (second + 1, &both[..])] {
        warehouse.restore(&[Table::Sources], &AsOf::Version(version), false).await.unwrap();
        assert_eq!(tags(&warehouse).await, there);
    }
}

#[tokio::test]
async fn an_ingest_that_replaces_rows_leaves_the_others_where_they_are() {
    let (folder, warehouse) = (tempfile::tempdir().unwrap(), memory());
    let options = IngestOptions { memory_bytes: 64 << 20, ..IngestOptions::default() };
    for (night, objects) in [(0, vec![1, 2]), (1, vec![3, 4]), (2, vec![2, 5])] {
        let alert = |object| Alert::new(object, object * 10 + night, 61000.5 + night as f64);
        let alerts: Vec<_> = objects.into_iter().map(alert).collect();
        let packets =
            nights::write_packets(folder.path(), &format!("{night}.avro"), &packets(&alerts));
        if night == 2 {
            let compacted = warehouse.compact(Table::Objects, &MergePolicy::DEFAULT).await.unwrap();
            assert_eq!((compacted.files_removed, compacted.files_added), (2, 1));
        }
        ingest_files(&warehouse, &[packets], &options, &|_| ()).await.unwrap();
    }
    let objects = warehouse.snapshot(Table::Objects, None).await.unwrap().unwrap();
    let mut levels: Vec<_> = objects.files.iter().map(|file| file.tag.level.unwrap()).collect();
    levels.sort();
    assert_eq!(levels, [Level::L0, Level::Base]);
}

/// Three files of a hundred rows a level, ranges of two files.
fn tiny() -> MergePolicy {
    let file_size = FileSize { rows: 100, bytes: usize::MAX };
    MergePolicy {
        file_size,
        young_runs: [3, 3, 3],
        mature_runs: 4,
        young_bytes: 150_000,
        range_size: RangeSize { least_bytes: 20_000, most_bytes: 100_000 },
        daily_bytes: u64::MAX,
        ..MergePolicy::DEFAULT
    }
}

#[tokio::test]
async fn merges_bring_rows_to_the_base_range_by_range() {
    let warehouse = memory();
    let mut levels_seen = std::collections::BTreeSet::new();
    for night in 0..60 {
        let before =
            append(&warehouse, &compact::of_night(night, &sources(night % 7, 150, 1))).await;
        while let Some((merge, done)) =
            warehouse.merge_due(Table::Sources, &tiny(), &[], &|_| ()).await.unwrap()
        {
            let done = done.unwrap();
            assert_eq!(done.files_removed, merge.files.len());
            assert!(merge.bytes() <= 300_000, "{}", merge.bytes());
            levels_seen.insert((merge.from, merge.to));
        }
        assert!(warehouse.due_merges(Table::Sources, &tiny()).await.unwrap().is_empty());
        if night % 10 == 9 {
            let after = newest(&warehouse).await.unwrap();
            assert_eq!(rows(&after).await, rows(&before).await);
        }
    }
    assert_eq!(levels_seen.len(), 4, "{levels_seen:?}");
    let table = newest(&warehouse).await.unwrap();
    let of = |level| table.files.iter().filter(move |file| file.tag.level == Some(level));
    let starts: std::collections::BTreeSet<_> =
        of(Level::Base).map(|file| file.tag.range.unwrap()).collect();
    assert!(starts.len() > 1, "{starts:?}");
    for file in of(Level::Base).chain(of(Level::Mature)) {
        let lies_across = |start: &&i64| file.keys.start() < *start && *start <= file.keys.end();
        let across = starts.iter().find(lies_across);
        assert_eq!(across, None, "{file:?}");
    }
}

/// A table that is larger than a commit may be is compacted range by range.
#[tokio::test]
async fn a_large_table_is_compacted_in_many_commits() {
    let warehouse = memory();
    let policy = MergePolicy { young_bytes: 30_000, ..tiny() };
    let mut before = None;
    for night in 0..12 {
        before =
            Some(append(&warehouse, &compact::of_night(night, &sources(night % 7, 400, 1))).await);
    }
    let before = before.unwrap();
    let done = warehouse.compact(Table::Sources, &policy).await.unwrap();
    let after = newest(&warehouse).await.unwrap();
    assert!(after.version > before.version + 3, "{}", after.version);
    assert!(done.rows > 12 * 400, "{done:?}");
    assert_eq!(rows(&after).await, rows(&before).await);
    for pair in after.files.windows(2) {
        assert!(pair[0].keys.end() < pair[1].keys.start(), "{pair:?}");
    }
    assert!(after.files.iter().all(|file| file.tag.level == Some(Level::Base)));
    let nothing = warehouse.compact(Table::Sources, &policy).await.unwrap();
    assert_eq!(nothing.files_removed, 0);
}

#[tokio::test]
async fn a_merge_tells_how_far_it_is() {
    let warehouse = memory();
    for night in 0..3 {
        append(&warehouse, &compact::of_night(night, &sources(1, 2000, 1))).await;
    }
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress| told.lock().unwrap().push(progress);
    let (merge, _) =
        warehouse.merge_due(Table::Sources, &tiny(), &[], &tell).await.unwrap().unwrap();
    let told = told.into_inner().unwrap();
    assert!(told.len() > 3 && told.is_sorted_by_key(|one| one.bytes), "{told:?}");
    assert!(told.iter().all(|one| one.bytes_total == merge.bytes()));
    assert_eq!(told.last().unwrap().bytes, merge.bytes());
}

/// Makes the pages of a file unreadable. Its footer stays as it is.
fn damage(file: &DataFile) {
    let path = std::path::Path::new("/").join(file.path.as_ref());
    let mut bytes = std::fs::read(&path).unwrap();
    let pages = 4..bytes.len() / 4;
    bytes[pages].fill(0xff);
    std::fs::write(path, bytes).unwrap();
}

fn names_in(folder: &tempfile::TempDir) -> Vec<std::path::PathBuf> {
    let entries = walkdir::WalkDir::new(folder.path()).sort_by_file_name().into_iter();
    entries.map(|entry| entry.unwrap().into_path()).collect()
}

/// Its output is there in part when the damaged file is reached. Other merges of the table are done all the same.
#[tokio::test]
async fn a_merge_that_fails_leaves_no_file_and_stops_no_other_merge() {
    let (folder, warehouse) = on_disk();
    for night in 0..3 {
        append(&warehouse, &compact::of_night(night, &sources(1, 300, 1))).await;
    }
    let damaged = append(&warehouse, &compact::of_night(3, &sources(1000, 300, 1))).await;
    damage(damaged.files.iter().find(|file| *file.keys.start() == 1000).unwrap());
    for night in 4..7 {
        let rows = compact::of_night(night, &sources(1, 150, 1));
        tagged(&warehouse, &rows, tag(Level::L1, None)).await;
    }
    let before = names_in(&folder);
    let mut failed = Vec::new();
    for _ in 0..5 {
        let (merge, done) = warehouse
            .merge_due(Table::Sources, &tiny(), &[], &|_| ())
            .await
            .unwrap()
            .expect("one is due");
        let error = done.unwrap_err();
        assert_eq!((error.kind(), merge.files.len()), (Kind::Storage, 4), "{error}");
        assert!(error.to_string().contains(".parquet"), "{error}");
        assert_eq!(names_in(&folder), before);
        failed = vec![merge];
    }
    let next = warehouse.merge_due(Table::Sources, &tiny(), &failed, &|_| ()).await.unwrap();
    let (merge, done) = next.unwrap();
    assert_eq!((merge.from, merge.to, done.unwrap().rows), (Level::L1, Level::L2, 450));
    let none = warehouse.merge_due(Table::Sources, &tiny(), &failed, &|_| ()).await.unwrap();
    assert!(none.is_none());
}

/// Others remove a file at work whenever a merge is at its end: how often was it done?
async fn tries(warehouse: &Warehouse) -> usize {
    let tries = std::sync::atomic::AtomicUsize::new(0);
    let delete_one = |progress: diaflight::warehouse::MergeProgress| {
        if progress.bytes < progress.bytes_total {
            return;
        }
        let object = tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as i64;
        let deleted = std::thread::scope(|scope| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let deletion = Doomed::Object(object);
            scope
                .spawn(move || runtime.unwrap().block_on(warehouse.delete(&deletion, false)))
                .join()
        });
        deleted.unwrap().unwrap();
    };
    let merged = warehouse.merge_due(Table::Sources, &tiny(), &[], &delete_one).await.unwrap();
    assert_eq!(merged.unwrap().1.unwrap_err().kind(), Kind::Conflict);
    tries.into_inner()
}

#[tokio::test]
async fn a_merge_with_the_base_is_not_repeated_at_once() {
    for (level, expected) in [(Level::L0, 10), (Level::Mature, 1)] {
        let (_folder, warehouse) = on_disk();
        for night in 0..4 {
            let rows = compact::of_night(night, &sources(0, 100, 1));
            let range = (level == Level::Mature).then_some(0);
            tagged(&warehouse, &rows, tag(level, range)).await;
        }
        assert_eq!(tries(&warehouse).await, expected, "{level:?}");
    }
}

#[tokio::test]
async fn a_compaction_ends_while_ingests_go_on() {
    let warehouse = memory();
    let policy = MergePolicy { young_bytes: 30_000, ..tiny() };
    for night in 0..6 {
        append(&warehouse, &compact::of_night(night, &sources(night % 7, 400, 1))).await;
    }
    let ended = std::cell::Cell::new(false);
    let ingests = async {
        for night in 6..1000 {
            if ended.get() {
                return night;
            }
            let batch = compact::of_night(night, &sources(night % 7, 400, 1));
            let base = newest(&warehouse).await;
            let change = ingest(schema(), write_files(&warehouse, &batch, usize::MAX).await);
            warehouse.commit(Table::Sources, base.as_ref(), change).await.unwrap();
        }
        1000
    };
    let compaction = async {
        let done = warehouse.compact(Table::Sources, &policy).await;
        ended.set(true);
        done.unwrap()
    };
    let both = async { tokio::join!(compaction, ingests) };
    let (_, nights) =
        tokio::time::timeout(std::time::Duration::from_secs(120), both).await.expect("it ends");
    assert!(nights < 1000, "it ended only when the ingests did");
    let after = newest(&warehouse).await.unwrap();
    assert_eq!(rows(&after).await.len() as i64, nights * 400);
}
