//! Which of many ranges of keys have keys in common with another.

use std::ops::RangeInclusive;

/// For each range, in the order of their starts, whether another one has a key of it.
pub(super) fn overlapping<'a>(ranges: impl Iterator<Item = &'a RangeInclusive<i64>>) -> Vec<bool> {
    let mut overlaps: Vec<bool> = Vec::new();
    // The range that ends last, so far.
    let mut last: Option<(usize, i64)> = None;
    for (place, range) in ranges.enumerate() {
        let meets = last.filter(|(_, end)| end >= range.start());
        if let Some((other, _)) = meets {
            overlaps[other] = true;
        }
        overlaps.push(meets.is_some());
        if last.is_none_or(|(_, end)| end < *range.end()) {
            last = Some((place, *range.end()));
        }
    }
    overlaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_meet_another_are_found() {
        let of = |ranges: &[RangeInclusive<i64>]| overlapping(ranges.iter());
        assert!(of(&[]).is_empty());
        assert_eq!(of(&[0..=4, 5..=9]), [false, false]);
        assert_eq!(of(&[0..=5, 5..=9, 10..=11]), [true, true, false]);
        // The second ends before the third begins; the first meets both.
        assert_eq!(of(&[0..=9, 1..=2, 4..=12, 13..=13]), [true, true, true, false]);
        assert_eq!(of(&[0..=3, 1..=9, 4..=5]), [true, true, true]);
    }
}
