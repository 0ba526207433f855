//! How to read a whole table in parts: disjoint ranges of keys with about as many rows each, from the key ranges of the snapshot's files
//! and, within large files, of their row groups.

use std::ops::RangeInclusive;

use crate::error::Result;
use crate::index::TableIndex;
use crate::key_pages::RowGroup;

/// Rows of a part: enough to outweigh the cost of asking for it, few enough to keep several readers busy.
const PART_ROWS: u64 = 1 << 20;
/// A file of more rows may be cut: several that share their range of keys would else be one part.
const WHOLE_ROWS: u64 = PART_ROWS / 4;

/// A table in parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Of the snapshot that is split.
    pub version: u64,
    /// In order, disjoint, covering every key. An object is never in two of them.
    pub keys: Vec<RangeInclusive<i64>>,
    /// Rows of the table, where every file says how many it has.
    pub rows: Option<u64>,
}

/// Rows that begin at a key.
struct Piece {
    first_key: i64,
    rows: u64,
}

/// Splits a table.
pub(crate) async fn split(index: &TableIndex) -> Result<Split> {
    let snapshot = &index.snapshot;
    let (mut pieces, mut large) = (Vec::new(), Vec::new());
    for (i, file) in snapshot.files.iter().enumerate() {
        let rows = file.rows.unwrap_or_default();
        match rows < WHOLE_ROWS {
            true => pieces.push(Piece { first_key: *file.keys.start(), rows }),
            false => large.push(i),
        }
    }
    for file in index.some_files(large).await? {
        let piece = |group: &RowGroup| Piece { first_key: group.keys.0, rows: group.rows as u64 };
        pieces.extend(file.groups.iter().filter(|group| group.rows > 0).map(piece));
    }
    pieces.sort_by_key(|piece| piece.first_key);
    Ok(Split { version: snapshot.version, keys: ranges(&pieces), rows: snapshot.rows() })
}

/// Cuts pieces, which are in the order of their first keys, into ranges with enough rows each.
fn ranges(pieces: &[Piece]) -> Vec<RangeInclusive<i64>> {
    let (mut ranges, mut first, mut rows) = (Vec::new(), i64::MIN, 0);
    for piece in pieces {
        if rows >= PART_ROWS && piece.first_key > first {
            ranges.push(first..=piece.first_key - 1);
            (first, rows) = (piece.first_key, 0);
        }
        rows += piece.rows;
    }
    ranges.push(first..=i64::MAX);
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_key_once() {
        let piece = |first_key, rows| Piece { first_key, rows };
        assert_eq!(ranges(&[]), [i64::MIN..=i64::MAX]);
        assert_eq!(ranges(&[piece(5, 10 * PART_ROWS)]), [i64::MIN..=i64::MAX]);
        let half = PART_ROWS / 2;
        let pieces = [(1, half), (4, half), (4, half), (4, 1), (9, half), (10, half)];
        let pieces = pieces.map(|(first_key, rows)| piece(first_key, rows));
        assert_eq!(ranges(&pieces), [i64::MIN..=3, 4..=9, 10..=i64::MAX]);
    }
}
