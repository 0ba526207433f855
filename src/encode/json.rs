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

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{text, tricky};

    #[test]
    fn every_key_is_in_every_row_and_every_value_is_json() {
        let rows = [
            r#"{"r:flag":true,"r:int":-2147483648,"r:long":-9223372036854775808,"r:float":0.1,"r:double":null,"f:text":"a,\"b\"\n"}"#,
            r#"{"r:flag":null,"r:int":null,"r:long":null,"r:float":null,"r:double":null,"f:text":null}"#,
            r#"{"r:flag":false,"r:int":0,"r:long":0,"r:float":null,"r:double":-0.0,"f:text":""}"#,
            r#"{"r:flag":null,"r:int":2147483647,"r:long":9223372036854775807,"r:float":null,"r:double":5e-324,"f:text":" ]]>&<é😀\t\r\u0001 "}"#,
        ];
        let batch = tricky();
        assert_eq!(
            text(Format::Json, std::slice::from_ref(&batch)),
            format!("[{}]", rows.join(","))
        );
        let halves = [batch.slice(0, 1), batch.slice(1, 0), batch.slice(1, 3)];
        assert_eq!(text(Format::Json, &halves), format!("[{}]", rows.join(",")));
        assert_eq!(text(Format::Json, &[batch.slice(0, 0)]), "[]");
    }
}
