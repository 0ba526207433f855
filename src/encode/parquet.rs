//! Parquet: typed columns with their metadata and no index column, handed out as row groups fill.
//! LZ4 (`LZ4_RAW`), which pyarrow, pandas, Polars and DuckDB read: an answer is written once, read once,
//! and often small, where zstd spends longer on opening its context for each page than on the rows.

use std::collections::BTreeMap;

use ::parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use ::parquet::arrow::{ARROW_SCHEMA_META_KEY, encode_arrow_schema};
use ::parquet::basic::Compression;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use serde_json::json;

use super::{Encoder, FormatDefinition};
use crate::error::Result;
use crate::schema::UNIT;

/// A row group is held in memory until it is full.
const ROW_GROUP_BYTES: usize = 8 << 20;

/// `output-format=parquet`.
pub(super) const DEFINITION: FormatDefinition = FormatDefinition {
    name: "parquet",
    content_type: "application/vnd.apache.parquet",
    extension: "parquet",
    open: |schema, out| {
        // The schema is written at the end, when all of its metadata is known.
        let options = ArrowWriterOptions::new().with_properties(properties(schema));
        let options = options.with_skip_arrow_metadata(true);
        let mut writer = ArrowWriter::try_new_with_options(Vec::new(), schema.clone(), options)?;
        out.append(writer.inner_mut());
        Ok(Box::new(Parquet { schema: schema.clone(), writer, longest: BTreeMap::new() }))
    },
};

struct Parquet {
    schema: SchemaRef,
    writer: ArrowWriter<Vec<u8>>,
    /// The characters of the longest text of each column. Without them astropy has to measure the texts, and fails at nulls.
    longest: BTreeMap<String, usize>,
}

impl Encoder for Parquet {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(rows)?;
        for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
            let Some(texts) = column.as_string_opt::<i32>() else { continue };
            let longest = texts.iter().flatten().map(|text| text.chars().count()).max();
            let known = self.longest.entry(field.name().clone()).or_insert(1);
            *known = longest.unwrap_or_default().max(*known);
        }
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let mut about = about(&self.schema);
        let longest = self.longest.iter();
        about.extend(
            longest.map(|(name, longest)| (format!("table::len::{name}"), longest.to_string())),
        );
        let schema =
            self.schema.as_ref().clone().with_metadata(about.clone().into_iter().collect());
        // pyarrow reads the metadata of Arrow's schema, other readers that of the file.
        let schema = (ARROW_SCHEMA_META_KEY.to_string(), encode_arrow_schema(&schema));
        for (key, value) in about.into_iter().chain([schema]) {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        self.writer.finish()?;
        out.append(self.writer.inner_mut());
        Ok(())
    }
}

/// Dictionaries for strings alone (bands, versions): measured numbers seldom repeat.
fn properties(schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::LZ4_RAW)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
        .set_dictionary_enabled(false);
    for field in schema.fields().iter().filter(|field| *field.data_type() == DataType::Utf8) {
        let column = ColumnPath::from(field.name().as_str());
        properties = properties.set_column_dictionary_enabled(column, true);
    }
    properties.build()
}

/// The metadata of the answer, and the units for astropy, which reads them from `table_meta_yaml` alone. That is the header of its ECSV
/// format (APE 6) as YAML, and any JSON is YAML.
fn about(schema: &Schema) -> BTreeMap<String, String> {
    // The order is fixed, so that the same answer has the same bytes.
    let meta: BTreeMap<_, _> = schema.metadata().clone().into_iter().collect();
    let columns = schema.fields().iter().map(|field| {
        let mut column = json!({"name": field.name(), "datatype": ecsv_type(field.data_type())});
        if let Some(unit) = field.metadata().get(UNIT) {
            column["unit"] = unit.as_str().into();
        }
        column
    });
    let table = json!({"meta": meta, "datatype": columns.collect::<Vec<_>>()});
    let mut about = meta;
    about.insert("table_meta_yaml".to_string(), table.to_string());
    about
}

fn ecsv_type(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "bool",
        DataType::Int32 => "int32",
        DataType::Int64 => "int64",
        DataType::Float32 => "float32",
        DataType::Float64 => "float64",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ::arrow::array::Int64Array;
    use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::super::Format;
    use super::super::tests::{column, document};
    use super::*;

    #[test]
    fn row_groups_are_handed_out_as_they_fill() {
        let rows = 3 * ROW_GROUP_BYTES / size_of::<i64>();
        let values = (0..rows as i64).map(|i| i.wrapping_mul(0x1E3779B97F4A7C15));
        let whole = column("r:x", Arc::new(Int64Array::from_iter_values(values)), &[("unit", "d")]);
        let mut out = Vec::new();
        let mut encoder = (DEFINITION.open)(&whole.schema(), &mut out).unwrap();
        let mut body = Vec::new();
        for start in (0..rows).step_by(8192) {
            encoder.write(&whole.slice(start, 8192.min(rows - start)), &mut out).unwrap();
            assert!(out.len() < 2 * ROW_GROUP_BYTES, "{} bytes at once", out.len());
            body.append(&mut out);
        }
        assert!(body.len() > ROW_GROUP_BYTES);
        encoder.finish(&mut body).unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(body)).unwrap();
        assert!(reader.metadata().num_row_groups() >= 3);
        assert_eq!(reader.schema().fields(), whole.schema().fields());
    }

    #[test]
    fn the_file_says_what_it_is_from_and_its_units() {
        let rows = column("r:x", Arc::new(Int64Array::from(vec![1])), &[(UNIT, "nJy")]);
        let about = [("snapshot".to_string(), "12".to_string())].into();
        let schema = Arc::new(rows.schema().as_ref().clone().with_metadata(about));
        let body = document(Format::Parquet, &[rows.with_schema(schema.clone()).unwrap()]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(body)).unwrap();
        let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
        let value = |key| metadata.iter().find(|pair| pair.key == key)?.value.as_deref();
        assert_eq!(value("snapshot"), Some("12"));
        let yaml = r#"{"meta":{"snapshot":"12"},"datatype":[{"name":"r:x","datatype":"int64","unit":"nJy"}]}"#;
        assert_eq!(value("table_meta_yaml"), Some(yaml));
        assert_eq!(reader.schema().metadata()["snapshot"], "12");
    }
}
