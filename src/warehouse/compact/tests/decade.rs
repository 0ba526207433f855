//! What a plan costs and keeps, night after night: the figures of OPERATIONS.md.

use super::night_after_night::GrowingTable;
use super::{file, tagged};
use crate::warehouse::compact::plan::MergePolicy;
use crate::warehouse::{FileSize, Level};

const GB: u64 = 1_000_000_000;

/// Ten million alerts.
const NIGHT_BYTES: u64 = 1_970_000_000;
const NIGHTS: usize = 3000;

/// The plan as it is. Files are larger, so that there are fewer of them to look at: how many hold a key does not depend on it.
fn policy() -> MergePolicy {
    let file_size = FileSize { rows: usize::MAX, bytes: 2 * GB as usize };
    MergePolicy { file_size, ..MergePolicy::default() }
}

fn ten_years(flushes: u64, most_written: f64) {
    let mut table = GrowingTable::new(policy());
    for _ in 0..NIGHTS {
        table.night(NIGHT_BYTES, flushes);
    }
    let amplification = table.write_amplification();
    let (depth, of_a_day) = (table.depth, table.depth_of_a_day);
    println!(
        "{flushes} flushes: {amplification:.1} times, largest {} GB, {depth} files at one key, {of_a_day} of a day, {} files",
        table.largest / GB,
        table.files()
    );
    assert!(amplification <= most_written, "{amplification}");
    assert!(table.largest <= 150 * GB, "{}", table.largest);
    assert!(depth <= 48, "{depth}");
    assert!(of_a_day <= 16, "{of_a_day}");
}

#[test]
fn ten_years_of_nights() {
    ten_years(1, 16.0);
}

#[test]
fn ten_years_of_nights_in_sixty_flushes() {
    ten_years(60, 20.0);
}

/// As `live` commits: every two seconds of a night of ten hours. The last years are left out, since they take long to plan.
#[test]
fn nights_in_commits_of_two_seconds() {
    let mut table = GrowingTable::new(policy());
    for _ in 0..30 {
        table.night(NIGHT_BYTES, 18_000);
    }
    let amplification = table.write_amplification();
    let (depth, of_a_day) = (table.depth, table.depth_of_a_day);
    println!("{amplification:.1} times, {depth} files at one key, {of_a_day} of a day");
    assert!(depth <= 48, "{depth}");
}

#[test]
fn sixty_nights_cost_little_however_small_they_are() {
    for start in [0, 2 * GB] {
        for night in [50_000, 5_000_000, 50_000_000, 240_000_000, 1_970_000_000, 10 * GB] {
            let mut table = GrowingTable::new(MergePolicy::default());
            if start > 0 {
                table.night(start, 1);
            }
            for _ in 0..60 {
                table.night(night, 1);
            }
            let amplification = table.write_amplification();
            println!(
                "{start} {night}: {amplification:.2}, {} GB, {} deep, {} files",
                table.largest / GB,
                table.depth,
                table.files()
            );
            assert!(amplification <= 6.0, "{start} {night}: {amplification}");
            assert!(table.largest <= 150 * GB, "{}", table.largest);
            assert!(table.depth <= 26, "{}", table.depth);
        }
    }
}

fn assert_bounded(table: &GrowingTable) {
    let MergePolicy { range_size, young_bytes, file_size, .. } = &table.policy;
    let most = range_size.most_bytes + young_bytes + file_size.bytes as u64;
    assert!(table.largest <= most, "{} of {most}", table.largest);
}

/// Nearly all of a year's keys are new: they come into the last range.
#[test]
fn what_a_year_without_merges_left_is_merged_in_bounded_commits() {
    let mut table = GrowingTable::new(policy());
    for _ in 0..100 {
        table.night(NIGHT_BYTES, 1);
    }
    for _ in 0..365 {
        table.night_alone(NIGHT_BYTES);
    }
    for _ in 0..3 {
        table.night(NIGHT_BYTES, 1);
        assert_bounded(&table);
    }
}

/// A base of before there were ranges, and the first file with one.
#[test]
fn a_base_without_ranges_is_merged_in_bounded_commits() {
    let base = (0..300).map(|n| file(n * 1_000_000..=n * 1_000_000 + 999_999, GB));
    let one = tagged(5_000_000..=5_999_999, GB / 2, Level::Mature, Some(5_000_000));
    let mut table = GrowingTable::of(policy(), base.chain([one]).collect(), 300_000_000);
    for _ in 0..60 {
        table.night(NIGHT_BYTES, 1);
        assert_bounded(&table);
    }
}
