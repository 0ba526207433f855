//! Parquet: typed columns with their metadata and no index column, handed out as row groups fill.
//! LZ4 (`LZ4_RAW`), which pyarrow, pandas, Polars and DuckDB read: an answer is written once, read once,
//! and often small, where zstd spends longer on opening its context for each page than on the rows.

use ::parquet::arrow::ArrowWriter;
use ::parquet::basic::Compression;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::schema::types::ColumnPath;
use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema};

use super::{Definition, Encoder};
use crate::error::Result;

/// A row group is held in memory until it is full.
const ROW_GROUP_BYTES: usize = 8 << 20;

pub(super) const DEFINITION: Definition = Definition {
    name: "parquet",
    content_type: "application/vnd.apache.parquet",
    extension: "parquet",
    open: |schema, out| {
        let mut writer =
            ArrowWriter::try_new(Vec::new(), schema.clone(), Some(properties(schema)))?;
        out.append(writer.inner_mut());
        Ok(Box::new(Parquet { writer }))
    },
};

struct Parquet {
    writer: ArrowWriter<Vec<u8>>,
}

impl Encoder for Parquet {
    fn write(&mut self, rows: &RecordBatch, out: &mut Vec<u8>) -> Result<()> {
        self.writer.write(rows)?;
        out.append(self.writer.inner_mut());
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<()> {
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
        assert_eq!(reader.schema(), &whole.schema());
    }

    #[test]
    fn nothing_but_the_schema_is_said_of_the_file() {
        let body =
            document(Format::Parquet, &[column("r:x", Arc::new(Int64Array::from(vec![1])), &[])]);
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(body)).unwrap();
        let metadata = reader.metadata().file_metadata().key_value_metadata().unwrap();
        assert!(metadata.iter().all(|pair| pair.key == "ARROW:schema"), "{metadata:?}");
    }
}
