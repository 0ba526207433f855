//! Key ranges: mature files and those of the base end where a range ends, so that each range is merged on its own. A range is known by its
//! first key, which its files have in their tags; the first range has all smaller keys too, and the last one is open.

use std::borrow::Borrow;

use super::levels::bytes_of;
use crate::warehouse::{DataFile, Level};

/// So many ranges a table has at first, if it is large enough.
const FIRST_RANGES: u64 = 64;

/// How large ranges are.
#[derive(Clone, Copy, Debug)]
pub struct RangeSize {
    /// Less is not made a range of its own.
    pub least_bytes: u64,
    /// A range with more is merged, and cut.
    pub most_bytes: u64,
}

impl RangeSize {
    /// Half a full file, and what a machine merges in half an hour.
    pub const DEFAULT: Self = Self { least_bytes: 256 << 20, most_bytes: 100_000_000_000 };

    /// Into how many ranges so many bytes are cut.
    pub(super) fn parts(self, bytes: u64) -> usize {
        let at_first = (bytes / self.least_bytes.max(1)).min(FIRST_RANGES);
        at_first.max(bytes.div_ceil((self.most_bytes / 2).max(1))).max(1) as usize
    }
}

/// The first keys of the ranges of a table, ascending; none if there is no mature file and no base. They are those in the tags, and cuts
/// between files without one, so that these do not all fall into the range before them.
pub(super) fn range_starts(mature: &[&DataFile], base: &[&DataFile], size: RangeSize) -> Vec<i64> {
    let mut files: Vec<&DataFile> = mature.iter().chain(base).copied().collect();
    files.sort_by_key(|file| *file.keys.start());
    let mut starts: Vec<_> = files.iter().filter_map(|file| file.tag.range).collect();
    starts.sort_unstable();
    starts.dedup();
    starts.extend(cuts_between_files(&starts, &files, size));
    starts.sort_unstable();
    starts.dedup();
    usable(&starts, &files, size)
}

/// Where files without a range are cut: before the first range, and where they are too many for the range that they are in.
fn cuts_between_files(starts: &[i64], files: &[&DataFile], size: RangeSize) -> Vec<i64> {
    let files = files.iter().copied().filter(|file| file.tag.range.is_none());
    let files: Vec<_> = files.collect();
    let starts_before =
        |file: &DataFile| starts.partition_point(|start| start <= file.keys.start());
    let in_ranges = files.chunk_by(|a, b| starts_before(a) == starts_before(b));
    let cuts = in_ranges.flat_map(|files| {
        let bytes = bytes_of(files.iter().copied());
        let count = match starts {
            [] => size.parts(bytes),
            _ => bytes.div_ceil((size.most_bytes / 2).max(1)) as usize,
        };
        // What is in a range begins with it.
        let begun = usize::from(starts_before(files[0]) > 0);
        parts(files, count).into_iter().skip(begun).map(|part| *part[0].keys.start())
    });
    cuts.collect()
}

/// The starts that no file lies across, as files do that an older version had. Ranges that have become small go with their neighbour.
fn usable(starts: &[i64], files: &[&DataFile], size: RangeSize) -> Vec<i64> {
    let mut usable = Vec::new();
    let (mut rest, mut end, mut bytes) = (files.iter().peekable(), None, size.least_bytes);
    for &start in starts {
        while let Some(file) = rest.next_if(|file| *file.keys.start() < start) {
            end = end.max(Some(*file.keys.end()));
            bytes += file.size_bytes;
        }
        if end < Some(start) && bytes >= size.least_bytes / 2 {
            usable.push(start);
            bytes = 0;
        }
    }
    usable
}

/// Files one after the other, in up to so many parts of about the same size.
fn parts<F: Borrow<DataFile>>(files: &[F], parts: usize) -> Vec<&[F]> {
    let total = bytes_of(files.iter().map(Borrow::borrow)).max(1);
    let mut before = 0;
    let part = |file: &F| {
        let bytes = file.borrow().size_bytes;
        let middle = before + bytes / 2;
        before += bytes;
        (u128::from(middle) * parts as u128 / u128::from(total)) as usize
    };
    let part_of: Vec<_> = files.iter().map(part).collect();
    let mut rest = files;
    let lengths = part_of.chunk_by(|a, b| a == b).map(<[_]>::len);
    lengths.map(|length| rest.split_off(..length).unwrap_or_default()).collect()
}

/// Where the output of a merge is cut, and the ranges that its files are given.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RangeCut {
    /// A file ends before each of these keys. They are the first keys of ranges.
    pub starts: Vec<i64>,
    /// What is between two of them becomes so many ranges.
    pub parts: usize,
}

impl RangeCut {
    /// The files of a merge with their tags. They come as they were cut: those before the first start, then those of each.
    pub(super) fn tagged(&self, level: Level, segments: Vec<Vec<DataFile>>) -> Vec<DataFile> {
        let starts = [None].into_iter().chain(self.starts.iter().copied().map(Some));
        let mut tagged = Vec::new();
        for (start, files) in starts.zip(&segments) {
            for (i, part) in parts(files, self.parts).into_iter().enumerate() {
                let first = *part[0].keys.start();
                // What sorts before all ranges belongs to the first one.
                let range = match i {
                    0 => start.or(self.starts.first().copied()).unwrap_or(first),
                    _ => first,
                };
                let placed = |file: &DataFile| file.clone().placed(Some(level), Some(range));
                tagged.extend(part.iter().map(placed));
            }
        }
        tagged
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, tagged};
    use super::*;

    const SIZE: RangeSize = RangeSize { least_bytes: 100, most_bytes: 10_000 };

    fn starts(mature: &[DataFile], base: &[DataFile]) -> Vec<i64> {
        let [mature, base] = [mature, base].map(|files| files.iter().collect::<Vec<_>>());
        range_starts(&mature, &base, SIZE)
    }

    #[test]
    fn ranges_are_those_of_the_tags() {
        let mature = [
            tagged(3..=8, 80, Level::Mature, Some(0)),
            tagged(10..=12, 80, Level::Mature, Some(10)),
        ];
        let base =
            [tagged(0..=9, 80, Level::Base, Some(0)), tagged(20..=90, 80, Level::Base, Some(20))];
        assert_eq!(starts(&mature, &base), [0, 10, 20]);
        assert_eq!(starts(&[], &[]), [0; 0]);
    }

    #[test]
    fn no_file_lies_across_a_start() {
        let mature = [
            tagged(3..=10, 80, Level::Mature, Some(0)),
            tagged(10..=12, 80, Level::Mature, Some(10)),
        ];
        let base =
            [tagged(0..=9, 80, Level::Base, Some(0)), tagged(20..=90, 80, Level::Base, Some(20))];
        assert_eq!(starts(&mature, &base), [0, 20]);
    }

    #[test]
    fn small_ranges_go_together() {
        let base: Vec<_> = (0..6).map(|n| tagged(n..=n, 20, Level::Base, Some(n))).collect();
        assert_eq!(starts(&[], &base), [0, 3]);
    }

    #[test]
    fn a_base_without_ranges_is_cut_between_its_files() {
        let base: Vec<_> = (0..10).map(|n| file(n..=n, 50)).collect();
        assert_eq!(starts(&[], &base), [0, 2, 4, 6, 8]);
        let large: Vec<_> = (0..1000).map(|n| file(n..=n, 50)).collect();
        assert_eq!(starts(&[], &large).len(), 64);
        let one = [file(0..=9, 50)];
        assert_eq!(starts(&[], &one), [0]);
    }

    #[test]
    fn files_without_a_range_are_cut_beside_those_with_one() {
        let base: Vec<_> = (0..10).map(|n| file(n * 10..=n * 10 + 9, 2_000)).collect();
        let one = [tagged(43..=47, 80, Level::Mature, Some(40))];
        assert_eq!(starts(&one, &base), [0, 20, 40, 60, 80]);
        // They stay where they are once each range has a tag.
        let all = [0, 20, 40, 60, 80].map(|n| tagged(n + 3..=n + 5, 80, Level::Mature, Some(n)));
        assert_eq!(starts(&all, &base), [0, 20, 40, 60, 80]);
        // What fits into the range before it is not cut.
        assert_eq!(starts(&all, &base[9..]), [0, 20, 40, 60, 80]);
    }

    #[test]
    fn files_are_given_the_range_that_they_were_cut_at() {
        let cut = RangeCut { starts: vec![10, 20], parts: 1 };
        let segments = [vec![file(1..=2, 5)], vec![], vec![file(25..=26, 5), file(27..=30, 5)]];
        let ranges = |cut: RangeCut, segments: &[Vec<DataFile>]| -> Vec<_> {
            let files = cut.tagged(Level::Mature, segments.to_vec());
            assert!(files.iter().all(|file| file.tag.level == Some(Level::Mature)));
            files.iter().map(|file| (*file.keys.start(), file.tag.range.unwrap())).collect()
        };
        assert_eq!(ranges(cut, &segments), [(1, 10), (25, 20), (27, 20)]);
        let halves = RangeCut { starts: vec![10], parts: 2 };
        let segments = [vec![], (0..4).map(|n| file(n + 11..=n + 11, 5)).collect::<Vec<_>>()];
        assert_eq!(ranges(halves, &segments), [(11, 10), (12, 10), (13, 13), (14, 13)]);
        let new = RangeCut { starts: vec![], parts: 2 };
        assert_eq!(ranges(new, &segments[1..]), [(11, 11), (12, 11), (13, 13), (14, 13)]);
    }
}
