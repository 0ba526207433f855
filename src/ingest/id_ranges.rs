//! The union of the ranges of ids of many files: whether some file may have an id.

use std::ops::RangeInclusive;

/// Ranges that do not meet, ascending.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IdRanges(Vec<(i64, i64)>);

impl IdRanges {
    /// The union of some ranges.
    pub(super) fn new(ranges: impl Iterator<Item = RangeInclusive<i64>>) -> Self {
        let mut ranges: Vec<_> = ranges.map(RangeInclusive::into_inner).collect();
        ranges.sort_unstable();
        let mut union: Vec<(i64, i64)> = Vec::new();
        for (start, end) in ranges {
            match union.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => union.push((start, end)),
            }
        }
        Self(union)
    }

    /// Whether an id is in any of the ranges.
    pub(super) fn contain(&self, id: i64) -> bool {
        let after = self.0.partition_point(|(start, _)| *start <= id);
        after.checked_sub(1).is_some_and(|last| id <= self.0[last].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_in_the_union() {
        let ranges = IdRanges::new([20..=29, 0..=9, 5..=12, 40..=40, 6..=7].into_iter());
        assert_eq!(ranges, IdRanges(vec![(0, 12), (20, 29), (40, 40)]));
        let within: Vec<_> = (-1..50).filter(|id| ranges.contain(*id)).collect();
        let expected: Vec<_> = (0..=12).chain(20..=29).chain([40]).collect();
        assert_eq!(within, expected);
        assert!(!IdRanges::new([].into_iter()).contain(0));
    }
}
