//! What is to be done with the updates of a table now. While they are young, those of a level are merged with each other, as the files of a
//! table are. After some hours they are folded into the table, whatever that costs: so other readers of it are about a day behind. Sooner,
//! if that writes at most three times as many bytes as the updates have, or if they are so many that their keys take much memory.
//!
//! Each file of the table has the number of the last update that is folded into it. So a fold is done a few files at a time, and whoever
//! is stopped, or comes later, goes on where it was. What every file of the table has is removed from the updates.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::levels::{bytes_of, depth, merged_level, tiers};
use super::plan::{FAN_IN, Merge, MergeKind, MergePolicy};
use crate::warehouse::{DataFile, Level, MOST_UPDATES};

/// The work that is due, if there is some: there may be more after it. `files` are those of the table and of its updates.
pub(super) fn due(files: &[DataFile], policy: &MergePolicy, now: DateTime<Utc>) -> Option<Merge> {
    let updates: Vec<_> = files.iter().filter(|file| file.is_update()).collect();
    let newest = updates.iter().map(|file| file.update_number()).max()?;
    let young = young(&updates, policy);
    if updates.len() > FAN_IN && young.is_some() {
        return young;
    }
    due_fold(files, newest, policy, now).or(young)
}

fn due_fold(
    files: &[DataFile],
    newest: u64,
    policy: &MergePolicy,
    now: DateTime<Utc>,
) -> Option<Merge> {
    let (updates, own): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_update());
    let rows: u64 = updates.iter().filter_map(|file| file.rows).sum();
    let (of_own, of_updates) = (bytes_of(own.iter().copied()), bytes_of(updates.iter().copied()));
    if costs_little(of_own, of_updates) {
        return fold(files, newest, policy, "the updates are a part of the table that is worth it");
    }
    if rows > MOST_UPDATES / 2 {
        return fold(files, newest, policy, "the updates are many");
    }
    let before = now.timestamp_millis() - policy.fold_after.as_millis() as i64;
    let is_old = |file: &&&DataFile| file.tag.update.is_some_and(|told| told.since_ms <= before);
    let old = updates.iter().filter(is_old).map(|file| file.update_number()).max()?;
    fold(files, old, policy, "the updates are old")
}

/// Whether a table of so many bytes with its updates is at most three times what the updates have.
pub(super) fn costs_little(of_table: u64, of_updates: u64) -> bool {
    of_table.saturating_add(of_updates) <= of_updates.saturating_mul(3)
}

/// The first step of folding all updates up to a number into the table; `None` if that is done. Files of one level and range stay in it.
pub(super) fn fold(
    files: &[DataFile],
    number: u64,
    policy: &MergePolicy,
    why: &str,
) -> Option<Merge> {
    let (updates, own): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_update());
    let mut behind: BTreeMap<_, Vec<&DataFile>> = BTreeMap::new();
    for file in own {
        let lacks = |update: &&&DataFile| {
            (file.tag.folded + 1..=number).contains(&update.update_number())
                && overlap(file, update)
        };
        if updates.iter().any(|update| lacks(&update)) {
            behind.entry((file.tag.level, file.tag.range)).or_default().push(file);
        }
    }
    let merge = |files, level, range| Merge {
        files,
        from: level,
        to: level,
        range,
        why: why.to_string(),
        kind: MergeKind::Fold,
        cut: None,
    };
    let Some(((level, range), mut chunk)) = behind.pop_first() else {
        let done = folded(files);
        return (!done.is_empty()).then(|| merge(done, Level::L0, None));
    };
    chunk.sort_by_key(|file| *file.keys.start());
    let mut bytes = 0;
    let fits = |file: &&DataFile| {
        let fits = bytes < policy.fold_bytes;
        bytes += if fits { file.size_bytes } else { 0 };
        fits
    };
    let mut chunk: Vec<_> = chunk.into_iter().take_while(fits).take(FAN_IN).cloned().collect();
    let meets = |update: &&&DataFile| chunk.iter().any(|file| overlap(file, update));
    let met: Vec<_> = updates.iter().filter(meets).copied().cloned().collect();
    chunk.extend(met);
    Some(merge(chunk, level.unwrap_or(Level::L0), range))
}

/// The updates that can be removed: all files of the table have them, and no earlier update of their objects stays. If one stayed, it would
/// be the newest of an object, and hide the row that came after it.
pub(super) fn folded(files: &[DataFile]) -> Vec<DataFile> {
    let (mut updates, own): (Vec<_>, Vec<_>) = files.iter().partition(|file| file.is_update());
    updates.sort_by_key(|update| update.update_number());
    let (mut stay, mut done): (Vec<&DataFile>, Vec<DataFile>) = (Vec::new(), Vec::new());
    for update in updates {
        let number = update.update_number();
        let lacks = |file: &&&DataFile| file.tag.folded < number && overlap(file, update);
        let is_earlier = |one: &&&DataFile| one.update_number() < number && overlap(one, update);
        match own.iter().any(|file| lacks(&file)) || stay.iter().any(|one| is_earlier(&one)) {
            true => stay.push(update),
            false => done.push(update.clone()),
        }
    }
    done
}

fn overlap(one: &DataFile, other: &DataFile) -> bool {
    one.keys.start() <= other.keys.end() && other.keys.start() <= one.keys.end()
}

/// Updates of a level that are too many.
fn young(updates: &[&DataFile], policy: &MergePolicy) -> Option<Merge> {
    let most = [Level::L0, Level::L1, Level::L2].into_iter().zip(policy.young_runs);
    most.into_iter().find_map(|(level, most)| {
        let is_of_level = |file: &&DataFile| file.tag.level.unwrap_or(Level::L0) == level;
        let of_level: Vec<_> = updates.iter().copied().filter(is_of_level).collect();
        let tiers = tiers(level, &of_level).into_iter();
        tiers.into_iter().find_map(|files| young_merge(level, files, most, policy))
    })
}

fn young_merge(
    level: Level,
    files: Vec<&DataFile>,
    most: usize,
    policy: &MergePolicy,
) -> Option<Merge> {
    let runs = depth(files.iter().copied());
    if runs < most && files.len() < 4 * most {
        return None;
    }
    let mut files: Vec<_> = files.into_iter().cloned().collect();
    files.sort_by_key(DataFile::update_number);
    files.truncate(FAN_IN);
    let why = format!("{runs} updates at one key");
    let to = merged_level(level, &files, policy.file_size).min(Level::L2);
    let kind = MergeKind::Updates;
    Some(Merge { files, from: level, to, range: None, why, kind, cut: None })
}
