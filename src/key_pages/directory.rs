//! What the index says of a whole file: its columns, the keys of its row groups, and where the rest of the index is.

use std::ops::Range;

use parquet::schema::parser::parse_message_type;
use parquet::schema::printer::print_schema;
use parquet::schema::types::SchemaDescriptor;
use serde::{Deserialize, Serialize};

use super::sealed::{damaged, decode, encode};
use crate::error::Result;

/// The way in which the index is written now. One of another is left to the footer.
const FORMAT: u32 = 1;

/// A row group that claims to have more rows is not believed, so that the rows of many can be added up.
const MOST_ROWS: usize = 1 << 32;

/// The row groups of a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Directory {
    format: u32,
    /// The Parquet schema as text.
    pub columns: String,
    /// In the order of the file.
    pub groups: Vec<RowGroup>,
    /// Where the filter of the keys is.
    pub key_filter: Range<u64>,
}

/// A row group, without its pages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RowGroup {
    /// The number of its rows.
    pub rows: usize,
    /// The first and the last key; the range of all keys where they are not known, and an empty range where there are no rows.
    pub keys: (i64, i64),
    /// Where the index of the file has its pages; an empty range where the file carries none.
    pub pages: Range<u64>,
}

impl Directory {
    pub(super) fn new(
        columns: &SchemaDescriptor,
        groups: Vec<RowGroup>,
        key_filter: Range<u64>,
    ) -> Self {
        let mut text = Vec::new();
        print_schema(&mut text, columns.root_schema());
        let columns = String::from_utf8_lossy(&text).into_owned();
        Self { format: FORMAT, columns, groups, key_filter }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        encode(self)
    }

    /// The directory of such bytes, of a file with so many bytes. `Storage` if they are damaged.
    pub fn decode(sealed: &[u8], file_bytes: u64) -> Result<Self> {
        let directory: Self = decode(sealed)?;
        let within = |place: &Range<u64>| place.start <= place.end && place.end <= file_bytes;
        let whole = directory.format == FORMAT
            && within(&directory.key_filter)
            && directory.groups.iter().all(|group| within(&group.pages) && group.rows <= MOST_ROWS);
        if whole {
            Ok(directory)
        } else {
            Err(damaged("it is of another format, or names places beyond the file"))
        }
    }
}

/// The Parquet schema of its text.
pub fn columns(text: &str) -> Result<SchemaDescriptor> {
    let parsed = parse_message_type(text).map_err(|error| damaged(&error.to_string()))?;
    Ok(SchemaDescriptor::new(parsed.into()))
}
