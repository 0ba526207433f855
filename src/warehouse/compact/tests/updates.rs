//! When updates are merged and folded, and that a fold comes to its end step by step.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::tagged;
use crate::warehouse::compact::plan::{Merge, MergeKind, MergePolicy};
use crate::warehouse::compact::updates::{due, folded};
use crate::warehouse::{DataFile, Level, Update};

fn policy() -> MergePolicy {
    MergePolicy {
        young_runs: [4, 4, 4],
        fold_after: Duration::from_secs(20 * 3600),
        fold_bytes: 2_000,
        ..MergePolicy::DEFAULT
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(100)
}

/// A file of updates of all keys, so many hours old.
fn update(number: u64, hours: i64, bytes: u64) -> DataFile {
    let since_ms = (now() - TimeDelta::hours(hours)).timestamp_millis();
    tagged(0..=99, bytes, Level::L0, None).updating(Update { number, since_ms })
}

/// A table of ten files.
fn table() -> Vec<DataFile> {
    (0..10).map(|n| tagged(n * 10..=n * 10 + 9, 1_000, Level::Base, Some(0))).collect()
}

fn told(files: &[DataFile]) -> Option<(MergeKind, usize)> {
    due(files, &policy(), now()).map(|merge| (merge.kind, merge.files.len()))
}

/// The table once a fold is done.
fn after(files: &[DataFile], merge: &Merge) -> Vec<DataFile> {
    assert_eq!(merge.kind, MergeKind::Fold);
    let newest = files.iter().map(DataFile::update_number).max().unwrap();
    let is_folded =
        |file: &DataFile| !file.is_update() && merge.files.iter().any(|one| one.path == file.path);
    let files = files.iter().cloned();
    let mut files: Vec<_> =
        files.map(|file| if is_folded(&file) { file.folded(newest) } else { file }).collect();
    let done = folded(&files);
    files.retain(|file| !done.contains(file));
    files
}

#[test]
fn updates_wait_until_they_are_old_or_worth_it() {
    assert_eq!(told(&table()), None);
    let with = |updates: &[DataFile]| [&table()[..], updates].concat();
    assert_eq!(told(&with(&[update(1, 19, 100), update(2, 1, 100)])), None);
    // Two thousand bytes of the table at once, and the updates.
    assert_eq!(told(&with(&[update(1, 21, 100), update(2, 1, 100)])), Some((MergeKind::Fold, 4)));
    // To write a table of 10,000 bytes for 5,000 of updates is three times what these have.
    assert_eq!(told(&with(&[update(1, 0, 4_999)])), None);
    assert_eq!(told(&with(&[update(1, 0, 5_000)])), Some((MergeKind::Fold, 3)));
    let young: Vec<_> = (1..=4).map(|number| update(number, 1, 100)).collect();
    assert_eq!(told(&with(&young[1..])), None);
    assert_eq!(told(&with(&young)), Some((MergeKind::Updates, 4)));
    // However small, too many of them take memory.
    let many = DataFile { rows: Some(9 << 20), ..update(1, 0, 10) };
    assert_eq!(told(&with(&[many])), Some((MergeKind::Fold, 3)));
}

#[test]
fn a_fold_goes_on_where_it_was() {
    let mut files = [&table()[..], &[update(3, 30, 100), update(5, 21, 100)]].concat();
    let mut steps = 0;
    while let Some(merge) = due(&files, &policy(), now()) {
        assert!(merge.files.iter().filter(|file| !file.is_update()).count() <= 2);
        files = after(&files, &merge);
        steps += 1;
        if steps == 2 {
            // Others commit meanwhile: an update, and a file of new objects that has all updates so far.
            files.push(update(9, 0, 100));
            files.push(tagged(100..=120, 10, Level::L0, None).folded(9));
        }
    }
    assert_eq!(steps, 5);
    let left: Vec<_> = files.iter().filter(|file| file.is_update()).collect();
    assert_eq!(left.iter().map(|file| file.update_number()).collect::<Vec<_>>(), [9]);
    // The first four files have to take it in, the others have.
    let lack = files.iter().filter(|file| !file.is_update() && file.tag.folded < 9);
    assert_eq!(lack.count(), 4);
    let old = files.into_iter().map(|file| match file.is_update() {
        true => update(9, 25, 100),
        false => file,
    });
    let mut files: Vec<_> = old.collect();
    let mut steps = 0;
    while let Some(merge) = due(&files, &policy(), now()) {
        files = after(&files, &merge);
        steps += 1;
    }
    assert_eq!((steps, files.iter().filter(|file| file.is_update()).count()), (2, 0));
}

#[test]
fn an_update_stays_as_long_as_an_earlier_one_of_its_objects() {
    let of = |number, keys| DataFile { keys, ..update(number, 1, 10) };
    let updates = [of(3, 0..=99), of(5, 0..=9), of(6, 5..=15), of(7, 40..=49), of(8, 200..=300)];
    let numbers = |files: &[DataFile]| {
        let done = folded(&[files, &updates].concat());
        done.iter().map(DataFile::update_number).collect::<Vec<_>>()
    };
    // Only the second file lacks an update, the one of all keys: were a later one gone, it would be the newest.
    let [first, second] = [0..=9, 50..=59].map(|keys| tagged(keys, 10, Level::Base, None));
    assert_eq!(numbers(&[first.clone().folded(8), second.clone()]), [8]);
    assert_eq!(numbers(&[first.clone().folded(8), second.clone().folded(8)]), [3, 5, 6, 7, 8]);
    // The two that the first file lacks have no key of the last two.
    assert_eq!(numbers(&[first.folded(3), second.folded(8)]), [3, 7, 8]);
}

#[test]
fn updates_that_all_files_have_are_removed() {
    let own = tagged(0..=99, 1_000_000, Level::Base, None).folded(4);
    let files = [own, update(4, 30, 10), update(5, 1, 10)];
    let merge = due(&files, &policy(), now()).unwrap();
    assert_eq!((merge.kind, merge.files.len()), (MergeKind::Fold, 1));
    assert_eq!(after(&files, &merge).len(), 2);
}
