//! JSON: one array with an object for each row, keys in column order, all of them in every row.
//! Null, NaN and infinities are `null`; numbers have the fewest digits that read back the same.

use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, FieldRef, Float32Type, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{JsonArray, NullableEncoder, Writer};
use arrow::json::{self, EncoderFactory, EncoderOptions, WriterBuilder};

use super::{Encoder, FormatDefinition};
use crate::error::Result;

/// `output-format=json`.
pub(super) const DEFINITION: FormatDefinition = FormatDefinition {
    name: "json",
    content_type: "application/json",
    extension: "json",
    open: |_, _| {
        let builder = WriterBuilder::new().with_explicit_nulls(true);
        let writer = builder.with_encoder_factory(Arc::new(ShortestFloats)).build(Vec::new());
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

/// Floats as CSV and VOTable have them. The writer's own are a digit too long where a shorter text lies
/// exactly between two floats and reads back as the even one: 125800784 for 125800780 in `float32`.
#[derive(Debug)]
struct ShortestFloats;

impl EncoderFactory for ShortestFloats {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        column: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let floats: Box<dyn json::Encoder> = match column.data_type() {
            DataType::Float32 => Box::new(Floats(column.as_primitive::<Float32Type>().values())),
            DataType::Float64 => Box::new(Floats(column.as_primitive::<Float64Type>().values())),
            _ => return Ok(None),
        };
        Ok(Some(NullableEncoder::new(floats, column.nulls().cloned())))
    }
}

struct Floats<'a, T>(&'a [T]);

impl<T: ryu::Float> json::Encoder for Floats<'_, T> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let mut buffer = ryu::Buffer::new();
        let text = match buffer.format(self.0[row]) {
            "NaN" | "inf" | "-inf" => "null",
            number => number,
        };
        out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::super::tests::{column, text, tricky};

    #[test]
    fn floats_are_the_shortest_even_on_a_boundary() {
        let floats = arrow::array::Float32Array::from(vec![125800784.0, 1e20, 16777216.0, 0.3]);
        let rows = column("r:x", std::sync::Arc::new(floats), &[]);
        let numbers = ["125800780.0", "1e20", "16777216.0", "0.3"];
        let rows_text = numbers.map(|number| format!("{{\"r:x\":{number}}}"));
        assert_eq!(text(Format::Json, &[rows]), format!("[{}]", rows_text.join(",")));
    }

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
