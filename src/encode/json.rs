//! JSON: one array with an object for each row, keys in column order, all of them in every row.
//! Null, NaN and infinities are `null`; numbers have the fewest digits that read back the same.

use arrow::array::RecordBatch;
use arrow::json::WriterBuilder;
use arrow::json::writer::{JsonArray, Writer};

use super::{Definition, Encoder};
use crate::error::Result;

pub(super) const DEFINITION: Definition = Definition {
    name: "json",
    content_type: "application/json",
    extension: "json",
    open: |_, _| {
        let writer = WriterBuilder::new().with_explicit_nulls(true).build(Vec::new());
        Ok(Box::new(Json { writer }))
    },
};

struct Json {
    writer: Writer<Vec<u8>, JsonArray>,
}

impl Encoder for Json {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(rows)?;
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        self.writer.finish()?;
        out.append(self.writer.get_mut());
        Ok(())
    }
}
