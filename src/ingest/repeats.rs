//! Tells which rows have certainly no other copy, in little memory: two bits for each of many slots, into which rows fall by a hash.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;

use crate::schema::{KEY, Table};

/// What the rows of a batch are the same as others by, as numbers: their [identity](Table::identity_columns).
pub(super) fn identity(table: Table, rows: &RecordBatch) -> impl Fn(usize) -> (i64, i64) + use<> {
    let [keys, ids] = [KEY, table.id_column()]
        .map(|name| rows[name].as_primitive::<Int64Type>().values().clone());
    move |row| identity_of(table, keys[row], ids[row])
}

/// The same of a row with this key and id.
pub(super) fn identity_of(table: Table, key: i64, id: i64) -> (i64, i64) {
    (if table.identity_columns().contains(&KEY) { key } else { 0 }, id)
}

/// What has been added, by slot.
#[derive(Clone, Debug)]
pub(super) struct Repeats {
    once: Vec<u64>,
    again: Vec<u64>,
    /// How far a hash is shifted to give a slot.
    shift: u32,
}

impl Repeats {
    /// Slots for about so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let words = (bytes / 16).next_power_of_two().max(2);
        let shift = u64::BITS - (words * 64).trailing_zeros();
        Self { once: vec![0; words], again: vec![0; words], shift }
    }

    /// Adds a copy of a row.
    pub(super) fn add(&mut self, row: (i64, i64)) {
        let (word, bit) = self.slot(row);
        self.again[word] |= self.once[word] & bit;
        self.once[word] |= bit;
    }

    /// Whether more than one copy of a row may have been added.
    pub(super) fn may_have(&self, row: (i64, i64)) -> bool {
        let (word, bit) = self.slot(row);
        self.again[word] & bit != 0
    }

    /// The word of a row's slot, and its bit there. Ids that follow each other are spread evenly.
    fn slot(&self, (key, id): (i64, i64)) -> (usize, u64) {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let hash = (key as u64).wrapping_mul(GOLDEN).rotate_left(32) ^ id as u64;
        let slot = (hash ^ hash >> 32).wrapping_mul(GOLDEN) >> self.shift;
        ((slot / 64) as usize, 1 << (slot % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_known_and_little_else() {
        let mut repeats = Repeats::new(1 << 20);
        let row = |n: i64| (n % 7, 170_028_485_706_776_685 + 64 * n);
        (0..100_000).for_each(|n| repeats.add(row(n)));
        (0..1000).for_each(|n| repeats.add(row(n)));
        assert!((0..1000).all(|n| repeats.may_have(row(n))));
        let others = (1000..100_000).filter(|n| repeats.may_have(row(*n))).count();
        assert!(others < 5000, "{others}");
    }
}
