//! A table of no rows but of files, which grows by ingests and is kept in shape by plans alone. The rows of a file are spread evenly over
//! its keys.

use std::collections::{HashSet, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::tagged;
use crate::warehouse::compact::levels::{bytes_of, depth};
use crate::warehouse::compact::plan::{Merge, MergePolicy, plan};
use crate::warehouse::compact::ranges::RangeCut;
use crate::warehouse::{DataFile, FileSize, Level};

/// New objects of a night.
const NEW_KEYS: i64 = 1_000_000;
const NEW_SHARE: f64 = 0.3;
/// A commit with more rewrites at most half of the table.
const MOST_OF_A_SMALL_TABLE: u64 = 50_000_000_000;

pub(super) struct GrowingTable {
    pub policy: MergePolicy,
    young: Vec<DataFile>,
    /// Mature files and the base.
    old: Vec<DataFile>,
    pub now: DateTime<Utc>,
    /// Keys that there are, from 0.
    keys: i64,
    pub ingested: u64,
    pub written: u64,
    pub largest: u64,
    /// At most so many files were at one key, just before a merge.
    pub depth: usize,
    depth_of_old: usize,
    files_written: usize,
    /// Of these, young ones written within a day.
    pub depth_of_a_day: usize,
    /// When so many bytes were written to the base.
    base_writes: VecDeque<(DateTime<Utc>, u64)>,
}

impl GrowingTable {
    pub(super) fn new(policy: MergePolicy) -> Self {
        Self {
            policy,
            young: Vec::new(),
            old: Vec::new(),
            depth_of_old: 0,
            files_written: 0,
            now: DateTime::UNIX_EPOCH,
            keys: 0,
            ingested: 0,
            written: 0,
            largest: 0,
            depth: 0,
            depth_of_a_day: 0,
            base_writes: VecDeque::new(),
        }
    }

    /// Takes in a night in so many flushes, and merges what is due after each.
    pub(super) fn night(&mut self, bytes: u64, flushes: u64) {
        let dusk = self.now;
        for flush in 0..flushes {
            self.now = dusk + TimeDelta::hours(10) * flush as i32 / flushes as i32;
            self.ingest(bytes / flushes, NEW_KEYS / flushes as i64);
            self.look(flush + 1 == flushes);
        }
        self.now = dusk + TimeDelta::days(1);
    }

    /// Takes in a night while nobody merges.
    pub(super) fn night_alone(&mut self, bytes: u64) {
        self.ingest(bytes, NEW_KEYS);
        self.now += TimeDelta::days(1);
    }

    /// A table that has such mature files, and such a base, for so many keys.
    pub(super) fn of(policy: MergePolicy, files: Vec<DataFile>, keys: i64) -> Self {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(10);
        Self { old: files, keys, now, ..Self::new(policy) }
    }

    fn ingest(&mut self, bytes: u64, new_keys: i64) {
        let new = if self.keys == 0 { bytes } else { (bytes as f64 * NEW_SHARE) as u64 };
        let mut rows = vec![tagged(self.keys..=self.keys + new_keys - 1, new, Level::L0, None)];
        if self.keys > 0 {
            rows.push(tagged(0..=self.keys - 1, bytes - new, Level::L0, None));
        }
        self.keys += new_keys;
        self.ingested += bytes;
        let level = Level::of_run(bytes).min(Level::L2);
        let none = RangeCut { starts: Vec::new(), parts: 1 };
        let mut run = written(&rows, &none, self.policy.file_size).concat();
        run.iter_mut().for_each(|file| file.tag.level = Some(level));
        self.add(run);
    }

    fn add(&mut self, files: Vec<DataFile>) {
        self.written += bytes_of(&files);
        for file in files {
            let is_young = file.tag.level < Some(Level::Mature);
            let place = if is_young { &mut self.young } else { &mut self.old };
            // Numbered, so that of files of one time the same come first in every run.
            self.files_written += 1;
            let path = format!("{:012}", self.files_written).into();
            place.push(DataFile { path, modified: self.now, ..file });
        }
    }

    /// Does what is due. What is due of the young files does not depend on the old ones, which are many: these are looked at once a night.
    fn look(&mut self, at_all: bool) {
        self.depth = self.depth.max(depth(&self.young) + self.depth_of_old);
        let since = self.now - TimeDelta::days(1);
        let of_a_day = self.young.iter().filter(|file| file.modified > since);
        self.depth_of_a_day = self.depth_of_a_day.max(depth(of_a_day));
        loop {
            let due = plan(&self.young, &self.policy, self.now).into_iter().next();
            let merge = match due {
                Some(merge) if merge.to < Level::Mature => merge,
                None if !at_all => return,
                _ => {
                    let all = [&self.young[..], &self.old].concat();
                    match plan(&all, &self.policy, self.now).into_iter().next() {
                        Some(merge) => merge,
                        None => return,
                    }
                }
            };
            self.merge(merge);
        }
    }

    fn merge(&mut self, merge: Merge) {
        let bytes = merge.bytes();
        self.largest = self.largest.max(bytes);
        let table = bytes_of(self.young.iter().chain(&self.old));
        assert!(bytes <= MOST_OF_A_SMALL_TABLE.max(table / 2), "{bytes} of {table}");
        if merge.to == Level::Base {
            self.check_budget(&merge);
        }
        let none = RangeCut { starts: Vec::new(), parts: 1 };
        let cut = merge.cut.as_ref().unwrap_or(&none);
        let segments = written(&merge.files, cut, self.policy.file_size);
        let mut new = cut.tagged(merge.to, segments);
        if merge.cut.is_none() {
            new.iter_mut().for_each(|file| file.tag.range = None);
        }
        let gone: HashSet<_> = merge.files.iter().map(|file| &file.path).collect();
        self.young.retain(|file| !gone.contains(&file.path));
        self.old.retain(|file| !gone.contains(&file.path));
        self.add(new);
        if merge.to >= Level::Mature {
            self.old.sort_by_key(|file| *file.keys.start());
            self.depth_of_old = depth(&self.old);
        }
    }

    /// Within 24 hours no more is written to the base than the budget; but the first of a day is, and what cannot wait.
    fn check_budget(&mut self, merge: &Merge) {
        let since = self.now - TimeDelta::days(1);
        self.base_writes.retain(|(when, _)| *when > since);
        let spent: u64 = self.base_writes.iter().map(|(_, bytes)| bytes).sum();
        let bytes = merge.bytes();
        let mature = merge.files.iter().filter(|file| file.tag.level == Some(Level::Mature));
        let too_large = merge.why == "the key range is too large";
        let waits = depth(mature) < self.policy.mature_runs && !too_large;
        assert!(
            spent == 0 || !waits || spent + bytes <= self.policy.daily_bytes,
            "{spent} {bytes}"
        );
        self.base_writes.push_back((self.now, bytes));
    }

    pub(super) fn files(&self) -> usize {
        self.young.len() + self.old.len()
    }

    pub(super) fn write_amplification(&self) -> f64 {
        self.written as f64 / self.ingested as f64
    }
}

/// The files that a merge writes, as a merge of rows cuts them.
fn written(files: &[DataFile], cut: &RangeCut, full: FileSize) -> Vec<Vec<DataFile>> {
    let mut changes: Vec<(i64, f64)> = Vec::new();
    for file in files {
        let (from, to) = (*file.keys.start(), *file.keys.end() + 1);
        let density = file.size_bytes as f64 / (to - from) as f64;
        changes.extend([(from, density), (to, -density)]);
    }
    changes.extend(cut.starts.iter().map(|start| (*start, 0.0)));
    changes.sort_by_key(|(key, _)| *key);
    let mut segments = vec![Vec::new(); cut.starts.len() + 1];
    let (mut density, mut bytes, mut begun) = (0.0, 0.0, None);
    for pair in changes.windows(2) {
        let ((mut key, change), (end, _)) = (pair[0], pair[1]);
        density += change;
        let segment = cut.starts.partition_point(|start| *start <= key);
        while key < end && density > 1e-9 {
            let from = *begun.get_or_insert(key);
            let room = ((full.bytes as f64 - bytes) / density).ceil().max(1.0) as i64;
            let to = end.min(key.saturating_add(room));
            bytes += density * (to - key) as f64;
            key = to;
            if bytes >= full.bytes as f64 || (key == end && cut.starts.binary_search(&end).is_ok())
            {
                segments[segment].push(tagged(from..=to - 1, bytes as u64, Level::L0, None));
                (bytes, begun) = (0.0, None);
            }
        }
    }
    if let (Some(from), Some((end, _))) = (begun, changes.last()) {
        let segment = cut.starts.partition_point(|start| *start <= from);
        segments[segment].push(tagged(from..=end - 1, bytes as u64, Level::L0, None));
    }
    segments
}
