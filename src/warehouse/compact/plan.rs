//! Which files of a table are to be merged now: a function of the files, of how the table is to be kept, and of the time.
//!
//! New rows come as a run, sorted files that do not overlap. What counts is how many files hold one key, since a lookup may have to read
//! them all. Of each of the young levels, 0 to 2, there may be a few; then they are merged into one run of the next level. So a row is
//! written once for each level, however old the table is. Mature files are cut at [key ranges](super::ranges): range by range they are
//! merged with the base, which is one sorted run. This alone rewrites old rows, so it waits until the mature ones are many or are a part of
//! the base that is worth it, and only so many bytes a day are written.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::levels::{Leveled, bytes_of, depth, is_small, merged_level, tiers};
use super::ranges::{RangeCut, RangeSize, range_starts};
use crate::warehouse::{DataFile, FileSize, Level};

/// The most sorted runs that are merged at once.
pub(super) const FAN_IN: usize = 48;
const YOUNG: [Level; 3] = [Level::L0, Level::L1, Level::L2];

/// How a table is kept.
#[derive(Clone, Debug)]
pub struct MergePolicy {
    /// What files grow to.
    pub file_size: FileSize,
    /// So many files of each young level may hold one key before they are merged.
    pub young_runs: [usize; 3],
    /// So many mature files may hold one key before their range is merged whatever it costs. It is due at half of that if the mature files
    /// are a tenth of the base, and else at two thirds.
    pub mature_runs: usize,
    /// The most bytes of young files that one commit merges, give or take a file.
    pub young_bytes: u64,
    /// How large key ranges are. A commit of one is larger by the young bytes at most.
    pub range_size: RangeSize,
    /// What may be written to the base within 24 hours. Counted are its files that are not older, whatever wrote them: also what an ingest
    /// or a deletion left of a file.
    pub daily_bytes: u64,
    /// How old updates may become before they are folded into their table.
    pub fold_after: Duration,
    /// The most bytes of the table that one commit folds updates into, give or take a file.
    pub fold_bytes: u64,
}

impl MergePolicy {
    /// For any table: what it costs and keeps over ten years is tested in `tests/decade.rs`.
    pub const DEFAULT: Self = Self {
        file_size: FileSize::TARGET,
        young_runs: [8, 8, 10],
        mature_runs: 18,
        young_bytes: 48_000_000_000,
        range_size: RangeSize::DEFAULT,
        daily_bytes: 150_000_000_000,
        fold_after: Duration::from_secs(20 * 3600),
        fold_bytes: 8_000_000_000,
    };
}

impl Default for MergePolicy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Files that become one sorted run of a higher level, in one commit.
#[derive(Clone, Debug, PartialEq)]
pub struct Merge {
    /// The files.
    pub files: Vec<DataFile>,
    /// The level of the youngest.
    pub from: Level,
    /// The level of the new files.
    pub to: Level,
    /// The first key of the range that is merged, if it is one range.
    pub range: Option<i64>,
    /// Why it is due, for people.
    pub why: String,
    /// What is merged with what.
    pub kind: MergeKind,
    pub(super) cut: Option<RangeCut>,
}

/// What is merged with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeKind {
    /// Files of the table with each other.
    Table,
    /// Its updates with each other.
    Updates,
    /// Its updates with files of the table, which then have the newest rows; or nothing, where all of them have.
    Fold,
}

impl Merge {
    /// The bytes that are read; about as many are written.
    pub fn bytes(&self) -> u64 {
        bytes_of(&self.files)
    }

    /// Whether both are to replace a file.
    pub(super) fn shares_files_with(&self, other: &Self) -> bool {
        let paths: HashSet<_> = self.files.iter().map(|file| &file.path).collect();
        other.files.iter().any(|file| paths.contains(&file.path))
    }
}

/// The merges that are due, in the order in which they are to be done. Each is of other files. Ranges that are too large come first, before
/// more rows become mature: so none is ever larger than it may be by more than one merge of young files, however long nothing was merged.
pub(super) fn plan(files: &[DataFile], policy: &MergePolicy, now: DateTime<Utc>) -> Vec<Merge> {
    let leveled = Leveled::new(files, policy.file_size);
    let (mature, base) = (leveled.of(Level::Mature), leveled.of(Level::Base));
    let starts = range_starts(mature, base, policy.range_size);
    let young = YOUNG.into_iter().zip(policy.young_runs).flat_map(|(level, most)| {
        tiers(level, leveled.of(level)).into_iter().map(move |files| (level, most, files))
    });
    let young =
        young.filter_map(|(level, most, files)| young_merge(level, &files, most, &starts, policy));
    let since = now - TimeDelta::days(1);
    let spent = base.iter().copied().filter(|file| file.modified > since);
    let ranges = key_ranges(&starts, mature, base);
    let BaseMerges { too_large, others } = base_merges(ranges, bytes_of(spent), policy);
    too_large.into_iter().chain(young).chain(others).collect()
}

/// The first merge of those that bring a table into one run, each bounded as in [`plan`]: all that is young becomes mature, and then part
/// of the base. `None` if there is nothing to merge with the base.
pub(super) fn everything(files: &[DataFile], policy: &MergePolicy) -> Option<Merge> {
    let leveled = Leveled::new(files, policy.file_size);
    let (mature, base) = (leveled.of(Level::Mature), leveled.of(Level::Base));
    let starts = range_starts(mature, base, policy.range_size);
    let young: Vec<_> = YOUNG.into_iter().flat_map(|level| leveled.of(level)).copied().collect();
    let eager = MergePolicy { mature_runs: 1, daily_bytes: u64::MAX, ..policy.clone() };
    let young = young_merge(Level::L2, &young, 1, &starts, &eager);
    let BaseMerges { too_large, others } =
        base_merges(key_ranges(&starts, mature, base), 0, &eager);
    too_large.into_iter().chain(young).chain(others).next()
}

/// All files of a young level, or the oldest of them, if there are too many at one key, or too many small ones.
fn young_merge(
    level: Level,
    files: &[&DataFile],
    most: usize,
    starts: &[i64],
    policy: &MergePolicy,
) -> Option<Merge> {
    let runs = depth(files.iter().copied());
    let small = files.iter().filter(|file| is_small(file, policy.file_size)).count();
    if runs < most && small < 2 * most || files.is_empty() {
        return None;
    }
    let mut oldest = files.to_vec();
    oldest.sort_by_key(|file| (file.modified, &file.path));
    let mut bytes = 0;
    let fits = |file: &&DataFile| {
        let fits = bytes < policy.young_bytes;
        bytes += if fits { file.size_bytes } else { 0 };
        fits
    };
    let mut files: Vec<_> = oldest.into_iter().take_while(fits).cloned().collect();
    if depth(&files) > FAN_IN {
        files.truncate(FAN_IN);
    }
    let bytes = bytes_of(&files);
    let to = merged_level(level, &files, policy.file_size).min(Level::Mature);
    let cut = (to == Level::Mature).then(|| match starts {
        [] => RangeCut { starts: Vec::new(), parts: policy.range_size.parts(bytes) },
        starts => RangeCut { starts: starts.to_vec(), parts: 1 },
    });
    let why = match runs < most {
        true => format!("{small} small files"),
        false => format!("{runs} files at one key"),
    };
    let kind = MergeKind::Table;
    Some(Merge { files, from: level, to, range: None, why, kind, cut })
}

/// The mature files and the base of a key range.
#[derive(Default)]
struct KeyRange<'a> {
    start: Option<i64>,
    mature: Vec<&'a DataFile>,
    base: Vec<&'a DataFile>,
}

impl KeyRange<'_> {
    fn bytes(&self) -> u64 {
        bytes_of(self.mature.iter().chain(&self.base).copied())
    }
}

fn key_ranges<'a>(
    starts: &[i64],
    mature: &[&'a DataFile],
    base: &[&'a DataFile],
) -> Vec<KeyRange<'a>> {
    let mut ranges: Vec<_> =
        starts.iter().map(|start| KeyRange { start: Some(*start), ..Default::default() }).collect();
    if ranges.is_empty() {
        ranges.push(KeyRange::default());
    }
    let place = |file: &DataFile| {
        starts.partition_point(|start| start <= file.keys.start()).saturating_sub(1)
    };
    mature.iter().for_each(|file| ranges[place(file)].mature.push(file));
    base.iter().for_each(|file| ranges[place(file)].base.push(file));
    ranges
}

/// Merges of mature files with their base.
struct BaseMerges {
    /// Of ranges that are too large.
    too_large: Vec<Merge>,
    /// Of any others.
    others: Vec<Merge>,
}

/// Merges of mature files with their base, as long as there is a budget for the day, the one first that writes the least of the base for
/// what it takes in. The first of a day is done whatever the budget, and so are those that cannot wait.
fn base_merges(ranges: Vec<KeyRange>, mut spent: u64, policy: &MergePolicy) -> BaseMerges {
    let table = ranges.iter().map(KeyRange::bytes).sum();
    let most = most_bytes(table, policy);
    let due = ranges.iter().filter_map(|range| base_merge(range, most, policy));
    let mut due: Vec<_> = due.collect();
    due.sort_by(|a, b| b.too_large.cmp(&a.too_large).then(b.gain.total_cmp(&a.gain)));
    due.retain(|DueRange { merge, waits, .. }| {
        let (bytes, first) = (merge.bytes(), spent == 0);
        let done = !waits || first || spent.saturating_add(bytes) <= policy.daily_bytes;
        spent += if done { bytes } else { 0 };
        done
    });
    let (too_large, others): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.too_large);
    let merges = |due: Vec<DueRange>| due.into_iter().map(|due| due.merge).collect();
    BaseMerges { too_large: merges(too_large), others: merges(others) }
}

/// With more bytes a range is merged at once, and cut. While the table is small that is a part of it, since all new keys are in its last
/// range.
fn most_bytes(table: u64, policy: &MergePolicy) -> u64 {
    (table / 4).max(policy.young_bytes / 2).min(policy.range_size.most_bytes)
}

/// A range to be merged.
struct DueRange {
    merge: Merge,
    /// The mature bytes for each of the base.
    gain: f64,
    too_large: bool,
    /// Whether it can wait for another day.
    waits: bool,
}

fn base_merge(range: &KeyRange, most: u64, policy: &MergePolicy) -> Option<DueRange> {
    let files = range.mature.iter().chain(&range.base).copied();
    // A base that was brought back in parts may overlap itself.
    let runs = depth(files.clone()).saturating_sub(usize::from(!range.base.is_empty()));
    let mature = bytes_of(range.mature.iter().copied());
    let (all, base) = (range.bytes(), range.bytes() - mature);
    let too_large = all > most && !range.mature.is_empty();
    let worth_it = mature >= base / 10 || runs >= policy.mature_runs * 2 / 3;
    let due = runs >= (policy.mature_runs / 2).max(1) && worth_it;
    if !due && !too_large {
        return None;
    }
    let why = match too_large {
        true => "the key range is too large".to_string(),
        false => format!("{runs} mature files at one key"),
    };
    let parts = match range.start {
        None => policy.range_size.parts(all),
        Some(_) if too_large => (all / (most / 2).max(1)).max(2) as usize,
        Some(_) => 1,
    };
    let cut = Some(RangeCut { starts: range.start.into_iter().collect(), parts });
    let files = files.cloned().collect();
    let (from, to) = (Level::Mature, Level::Base);
    Some(DueRange {
        merge: Merge { files, from, to, range: range.start, why, kind: MergeKind::Table, cut },
        gain: mature as f64 / base.max(1) as f64,
        too_large,
        waits: runs < policy.mature_runs && !too_large,
    })
}
