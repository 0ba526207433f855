//! A column as text, for CSV and VOTable. Each of them says how its cells are spelt; a null is an empty cell in both.

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::error::Result;

/// How a format spells a value whose text is given.
pub(crate) type Spelling = fn(&str) -> &str;

/// The cells of a column.
pub(crate) struct Cells {
    texts: StringArray,
    spelling: Spelling,
}

impl Cells {
    /// The cells of texts that are spelt already.
    pub(crate) fn from_texts(texts: StringArray) -> Self {
        Self { texts, spelling: |text| text }
    }

    /// The cells of a column of one of the served types. Its floats have the fewest digits that read back the same.
    pub(crate) fn from_column(column: &ArrayRef, spelling: Spelling) -> Result<Self> {
        let texts = cast(column, &DataType::Utf8)?.as_string().clone();
        Ok(Self { texts, spelling })
    }

    /// The cell of a row.
    pub(crate) fn get(&self, row: usize) -> &str {
        if self.texts.is_valid(row) { (self.spelling)(self.texts.value(row)) } else { "" }
    }
}
