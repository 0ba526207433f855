//! Each rule of the plan.

use chrono::{DateTime, TimeDelta, Utc};

use super::{file, tagged};
use crate::warehouse::compact::plan::{FAN_IN, Merge, MergePolicy, plan};
use crate::warehouse::compact::ranges::{RangeCut, RangeSize};
use crate::warehouse::{DataFile, FileSize, Level};

fn policy() -> MergePolicy {
    MergePolicy {
        file_size: FileSize { rows: usize::MAX, bytes: 200 },
        young_runs: [3, 3, 4],
        mature_runs: 6,
        young_bytes: 40_000,
        range_size: RangeSize { least_bytes: 100, most_bytes: 20_000 },
        daily_bytes: 5_000,
        ..MergePolicy::DEFAULT
    }
}

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(100)
}

fn planned(files: &[DataFile]) -> Vec<Merge> {
    plan(files, &policy(), now())
}

/// From which level to which, how many files, which range.
fn told(files: &[DataFile]) -> Vec<(Level, Level, usize, Option<i64>)> {
    planned(files).iter().map(|one| (one.from, one.to, one.files.len(), one.range)).collect()
}

fn runs(count: usize, bytes: u64, level: Level) -> Vec<DataFile> {
    (0..count).map(|_| tagged(0..=99, bytes, level, None)).collect()
}

#[test]
fn young_files_are_merged_when_so_many_hold_one_key() {
    assert_eq!(told(&[]), []);
    assert_eq!(told(&runs(2, 150, Level::L0)), []);
    assert_eq!(told(&runs(3, 150, Level::L0)), [(Level::L0, Level::L1, 3, None)]);
    assert_eq!(told(&runs(3, 150, Level::L2)), []);
    let all = [runs(5, 150, Level::L0), runs(3, 150, Level::L1), runs(4, 150, Level::L2)].concat();
    let [first, second, third] =
        [Level::L0, Level::L1, Level::L2].map(|level| (level, level.next()));
    let merges = planned(&all);
    assert_eq!(
        merges.iter().map(|one| (one.from, one.to)).collect::<Vec<_>>(),
        [first, second, third]
    );
    assert_eq!(merges[0].why, "5 files at one key");
    assert_eq!(merges[0].cut, None);
    // The first mature rows make the ranges.
    assert_eq!(merges[2].cut, Some(RangeCut { starts: vec![], parts: 6 }));
}

#[test]
fn full_files_side_by_side_stay_and_small_ones_do_not() {
    let beside = |bytes| (0..6).map(|n| tagged(n..=n, bytes, Level::L1, None)).collect::<Vec<_>>();
    assert_eq!(told(&beside(100)), []);
    assert_eq!(told(&beside(99)), [(Level::L1, Level::L2, 6, None)]);
    assert_eq!(planned(&beside(99))[0].why, "6 small files");
}

#[test]
fn a_large_merge_skips_levels() {
    let large = [Level::L0; 3].map(|level| tagged(0..=9, 700_000_000, level, None));
    let policy = MergePolicy { young_bytes: u64::MAX, ..policy() };
    let level = |files: &[DataFile]| plan(files, &policy, now())[0].to;
    assert_eq!(level(&large), Level::L2);
    let larger = large.map(|file| DataFile { size_bytes: 9_000_000_000, ..file });
    assert_eq!(level(&larger), Level::Mature);
}

#[test]
fn a_commit_takes_the_oldest_files_up_to_its_bound() {
    let mut files = runs(60, 300, Level::L0);
    for (n, file) in files.iter_mut().enumerate() {
        file.modified += TimeDelta::seconds(100 - n as i64);
    }
    let policy = MergePolicy { young_bytes: 10_000, ..policy() };
    let merge = &plan(&files, &policy, now())[0];
    assert_eq!(merge.files.len(), 34);
    assert_eq!(merge.files[0], files[59]);
    assert!(merge.bytes() >= 10_000 && merge.bytes() < 10_300);
    // Of tiny ones there are no more than can be merged at once.
    assert_eq!(planned(&runs(60, 1, Level::L0))[0].files.len(), FAN_IN);
}

fn mature(count: usize, bytes: u64) -> Vec<DataFile> {
    let start = |n: i64| {
        [(0..=9, Some(0)), (10..=99, Some(10))].into_iter().map(move |(keys, range)| {
            let file = tagged(keys, bytes, Level::Mature, range);
            DataFile { modified: file.modified + TimeDelta::seconds(n), ..file }
        })
    };
    (0..count as i64).flat_map(start).collect()
}

fn base(bytes: [u64; 2]) -> Vec<DataFile> {
    let [first, second] = bytes;
    vec![tagged(0..=9, first, Level::Base, Some(0)), tagged(10..=99, second, Level::Base, Some(10))]
}

#[test]
fn a_range_is_merged_when_it_is_worth_it() {
    // Three mature files are a tenth of the first base, and not of the second.
    let files = [mature(3, 100), base([3000, 3100])].concat();
    assert_eq!(told(&files), [(Level::Mature, Level::Base, 4, Some(0))]);
    assert_eq!(told(&[mature(2, 1000), base([300, 300])].concat()), []);
    // Four are due in any case.
    assert_eq!(told(&[mature(4, 1), base([400, 300])].concat()).len(), 2);
    let merge = &planned(&files)[0];
    assert_eq!(merge.why, "3 mature files at one key");
    assert_eq!(merge.cut, Some(RangeCut { starts: vec![0], parts: 1 }));
    // Without a base the ranges become one.
    assert_eq!(told(&mature(3, 100)).len(), 2);
}

#[test]
fn the_budget_of_a_day_is_kept_but_not_when_it_cannot_wait() {
    // The second range gains more for what it costs.
    let files = [mature(4, 100), base([4000, 3000])].concat();
    assert_eq!(told(&files), [(Level::Mature, Level::Base, 5, Some(10))]);
    // What was written to the base within a day counts.
    let mut later = files.clone();
    later[8].modified = now() - TimeDelta::hours(23);
    assert_eq!(told(&later), []);
    later[8].modified = now() - TimeDelta::hours(25);
    assert_eq!(told(&later).len(), 1);
    // The first merge of a day is done, however large.
    assert_eq!(told(&[mature(4, 100), base([9000, 9500])].concat()).len(), 1);
    // Six files at one key cannot wait.
    assert_eq!(told(&[mature(6, 100), base([4000, 3000])].concat()).len(), 2);
}

#[test]
fn a_range_that_is_too_large_is_cut_in_two() {
    let files = [mature(1, 100), base([3000, 19_901])].concat();
    assert_eq!(told(&files), [(Level::Mature, Level::Base, 2, Some(10))]);
    assert_eq!(planned(&files)[0].cut, Some(RangeCut { starts: vec![10], parts: 2 }));
    assert_eq!(planned(&files)[0].why, "the key range is too large");
    // Not without rows to merge.
    assert_eq!(told(&base([3000, 30_000])), []);
    // In a small table it is too large as a quarter of it.
    let policy = MergePolicy { young_bytes: 4000, ..policy() };
    let small = [mature(1, 100), base([3000, 5901])].concat();
    let merges = plan(&small, &policy, now());
    assert_eq!(merges.iter().map(|one| one.range).collect::<Vec<_>>(), [Some(0), Some(10)]);
    assert_eq!(merges[1].cut, Some(RangeCut { starts: vec![10], parts: 5 }));
}

#[test]
fn a_range_that_is_too_large_comes_before_more_rows_become_mature() {
    let files = [runs(4, 150, Level::L2), mature(1, 100), base([3000, 19_901])].concat();
    let young = (Level::L2, Level::Mature, 4, None);
    assert_eq!(told(&files), [(Level::Mature, Level::Base, 2, Some(10)), young]);
}

#[test]
fn mature_rows_are_cut_at_the_ranges_that_there_are() {
    let files = [runs(4, 150, Level::L2), base([3000, 3000])].concat();
    let merges = planned(&files);
    assert_eq!(merges[0].cut, Some(RangeCut { starts: vec![0, 10], parts: 1 }));
    // Those of a base of before there were levels are made of its files.
    let old: Vec<_> = (0..4).map(|n| file(n * 10..=n * 10 + 9, 150)).collect();
    let merges = planned(&[runs(4, 150, Level::L2), old].concat());
    assert_eq!(merges[0].cut, Some(RangeCut { starts: vec![0, 10, 20, 30], parts: 1 }));
}
