//! Encodes a stream of batches as a stream of chunks of bytes, in one of five formats. It knows nothing of HTTP. Where the rows end with an
//! error, so do the chunks, never with a complete document.
//!
//! A format is one file: a [`FormatDefinition`] (what it is called, what opens it) and an [`Encoder`].
//! Batches reach it with the few column types of [`column_types`], a bounded slice at a time.

mod arrow;
mod cells;
mod chunks;
mod column_types;
mod csv;
mod json;
mod parquet;
mod votable;

pub use votable::error_document as votable_error;

use std::sync::Arc;

use ::arrow::array::RecordBatch;
use ::arrow::compute::cast;
use ::arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};
use bytes::Bytes;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use self::column_types::EncodedColumns;
use crate::error::Result;

/// An output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// An array of objects.
    Json,
    /// Comma-separated values.
    Csv,
    /// IVOA's VOTable.
    Votable,
    /// A Parquet file.
    Parquet,
    /// An Arrow IPC stream.
    Arrow,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] =
        [Format::Json, Format::Csv, Format::Votable, Format::Parquet, Format::Arrow];

    fn definition(self) -> &'static FormatDefinition {
        match self {
            Format::Json => &json::DEFINITION,
            Format::Csv => &csv::DEFINITION,
            Format::Votable => &votable::DEFINITION,
            Format::Parquet => &parquet::DEFINITION,
            Format::Arrow => &arrow::DEFINITION,
        }
    }

    /// The value of `output-format`.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The format that `output-format` names.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name)
    }

    /// The media type, with its charset where a client would otherwise have to guess it.
    pub fn content_type(self) -> &'static str {
        self.definition().content_type
    }

    /// The usual ending of a file name, without the dot.
    pub fn extension(self) -> &'static str {
        self.definition().extension
    }
}

/// The properties of a format.
struct FormatDefinition {
    name: &'static str,
    content_type: &'static str,
    extension: &'static str,
    open: OpenEncoder,
}

/// Begins a document: writes what stands before the first row.
type OpenEncoder = fn(&SchemaRef, &mut Vec<u8>) -> Result<Box<dyn Encoder>>;

/// Writes one document: its rows, in order, then its end. Bytes are appended to `out`, at once or later; the number of bytes that are held
/// back is bounded.
trait Encoder: Send {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;
    /// Writes what was held back and what stands after the last row.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()>;
}

/// Encodes rows as they come; memory does not grow with their number. Chunks hold 64 to 256 KiB,
/// but for the last. An error, of the rows or of a column type no format can hold, is the last item:
/// what was encoded comes before it, the end of the document does not. Dropping the stream drops the rows.
pub fn encode(
    format: Format,
    rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<Bytes>> {
    chunks::chunks(format.definition(), EncodedColumns::new(&rows.schema()), rows)
}

/// The same for rows of any types, such as a SQL statement's. Arrow keeps every type and Parquet all but intervals; where
/// a format has no word for a value (lists, structs, decimals, bytes), it holds its text.
pub fn encode_any(
    format: Format,
    rows: SendableRecordBatchStream,
) -> BoxStream<'static, Result<Bytes>> {
    let columns = EncodedColumns::from_any_types(&rows.schema(), format);
    chunks::chunks(format.definition(), Ok(columns), rows)
}

/// The schema that every format gives rows of this one: the types that all of them hold, the same fields otherwise.
pub fn served_schema(rows: &Schema) -> Result<SchemaRef> {
    Ok(EncodedColumns::new(rows)?.schema().clone())
}

/// The same rows in the types of [`served_schema`].
pub fn served(rows: SendableRecordBatchStream) -> Result<SendableRecordBatchStream> {
    let columns = EncodedColumns::new(&rows.schema())?;
    let schema = columns.schema().clone();
    let served =
        rows.and_then(move |batch| std::future::ready(columns.convert(&batch).map_err(Into::into)));
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, served)))
}

/// The same rows with their ids (columns of 64 bits whose names end in `Id`) as texts, for readers whose numbers have 53 bits.
pub fn with_text_ids(rows: SendableRecordBatchStream) -> SendableRecordBatchStream {
    let is_id =
        |field: &Field| field.name().ends_with("Id") && field.data_type() == &DataType::Int64;
    let schema = rows.schema();
    let fields = schema.fields().iter().map(|field| match is_id(field) {
        true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8)),
        false => field.clone(),
    });
    let fields: Fields = fields.collect();
    let schema = Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()));
    let of = schema.clone();
    let rows = rows.map(move |rows| {
        let rows = rows?;
        let columns = rows.columns().iter().zip(of.fields());
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        Ok(RecordBatch::try_new(of.clone(), columns.collect::<Result<_, _>>()?)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use ::arrow::array::*;
    use ::arrow::datatypes::{Field, Schema};

    use super::*;

    /// A batch of one named column, with metadata.
    pub(crate) fn column(name: &str, values: ArrayRef, metadata: &[(&str, &str)]) -> RecordBatch {
        let metadata = metadata.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        let field = Field::new(name, values.data_type().clone(), true);
        let field = field.with_metadata(metadata.collect::<HashMap<_, _>>());
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![values]).unwrap()
    }

    /// Every type with its extremes, nulls and what is hard to write.
    pub(crate) fn tricky() -> RecordBatch {
        let texts = [Some("a,\"b\"\n"), None, Some(""), Some(" ]]>&<é😀\t\r\u{1} ")];
        let doubles = [Some(f64::NAN), None, Some(-0.0), Some(5e-324)];
        let floats = [Some(0.1), None, Some(f32::INFINITY), Some(f32::NEG_INFINITY)];
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("r:flag", Arc::new(BooleanArray::from(vec![Some(true), None, Some(false), None]))),
            (
                "r:int",
                Arc::new(Int32Array::from(vec![Some(i32::MIN), None, Some(0), Some(i32::MAX)])),
            ),
            (
                "r:long",
                Arc::new(Int64Array::from(vec![Some(i64::MIN), None, Some(0), Some(i64::MAX)])),
            ),
            ("r:float", Arc::new(Float32Array::from(floats.to_vec()))),
            ("r:double", Arc::new(Float64Array::from(doubles.to_vec()))),
            ("f:text", Arc::new(StringArray::from(texts.to_vec()))),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true)))
            .unwrap()
    }

    /// The document of these rows.
    pub(crate) fn document(format: Format, rows: &[RecordBatch]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut encoder = (format.definition().open)(&rows[0].schema(), &mut out).unwrap();
        rows.iter().for_each(|rows| encoder.write(rows, &mut out).unwrap());
        encoder.finish(&mut out).unwrap();
        out
    }

    pub(crate) fn text(format: Format, rows: &[RecordBatch]) -> String {
        String::from_utf8(document(format, rows)).unwrap()
    }

    #[test]
    fn formats_are_found_by_their_names() {
        for format in Format::ALL {
            assert_eq!(Format::from_name(format.name()), Some(format));
        }
        assert_eq!(Format::from_name("JSON"), None);
    }
}
