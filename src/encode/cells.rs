//! A column as text, for the formats that are text. In: its values as strings, and how a format spells
//! them. Out: one cell a row.

use arrow::array::{Array, StringArray};

/// The cells of a column. Null is the empty cell.
pub struct Cells {
    text: StringArray,
    spell: fn(&str) -> &str,
}

impl Cells {
    pub fn new(text: StringArray, spell: fn(&str) -> &str) -> Self {
        Self { text, spell }
    }

    pub fn get(&self, row: usize) -> &str {
        if self.text.is_valid(row) { (self.spell)(self.text.value(row)) } else { "" }
    }
}
