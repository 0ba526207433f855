//! A layout of Parquet files, read from JSON; it may differ from the program's own. Gives the columns as they are written, and the
//! writer's properties.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use diaflight::schema::{KEY, TIME, Table};
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    row_group_rows: usize,
    page_rows: usize,
    /// As Parquet's crate names it: `lz4_raw`, `zstd(1)`.
    codec: String,
    dictionary: Dictionary,
    /// `BYTE_STREAM_SPLIT` for floats and doubles.
    #[serde(default)]
    split_floats: bool,
    /// `DELTA_BINARY_PACKED` for integers.
    #[serde(default)]
    delta_integers: bool,
    /// On the objects' ids.
    #[serde(default)]
    bloom_filter: bool,
    /// Columns without nulls are declared so, and then have no definition levels.
    #[serde(default)]
    pub required: bool,
    /// Columns that come before all others, in this order.
    #[serde(default)]
    first_columns: Vec<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Dictionary {
    None,
    Texts,
    All,
}

impl Layout {
    /// The columns in the order in which they are written; `complete` are those without nulls.
    pub fn columns(&self, stored: &Schema, complete: &BTreeSet<String>) -> SchemaRef {
        let place = |field: &Arc<Field>| {
            let first = self.first_columns.iter().position(|name| name == field.name());
            first.unwrap_or(self.first_columns.len())
        };
        let mut fields: Vec<_> = stored.fields().iter().cloned().collect();
        fields.sort_by_key(place);
        let required = |name: &String| self.required && complete.contains(name);
        let fields = fields.iter().map(|field| {
            let nullable = field.is_nullable() && !required(field.name());
            field.as_ref().clone().with_nullable(nullable)
        });
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }

    pub fn properties(&self, columns: &Schema) -> WriterProperties {
        let mut properties = WriterProperties::builder()
            .set_compression(self.codec.parse::<Compression>().expect("a codec"))
            .set_max_row_group_row_count(Some(self.row_group_rows))
            .set_data_page_row_count_limit(self.page_rows)
            .set_write_batch_size(self.page_rows)
            .set_statistics_enabled(EnabledStatistics::Chunk)
            .set_dictionary_enabled(self.dictionary == Dictionary::All)
            .set_sorting_columns(Some(sorting_columns(columns)));
        for name in [KEY, TIME] {
            let path = ColumnPath::from(name);
            properties = properties.set_column_statistics_enabled(path, EnabledStatistics::Page);
        }
        if self.bloom_filter {
            // As many ids as there can be: the writer then folds the filter to those there are.
            properties = properties
                .set_column_bloom_filter_enabled(ColumnPath::from(KEY), true)
                .set_column_bloom_filter_max_ndv(ColumnPath::from(KEY), self.row_group_rows as u64);
        }
        columns.fields().iter().fold(properties, |made, field| self.encoded(made, field)).build()
    }

    fn encoded(
        &self,
        properties: WriterPropertiesBuilder,
        field: &Field,
    ) -> WriterPropertiesBuilder {
        let path = ColumnPath::new(vec![field.name().clone()]);
        match field.data_type() {
            DataType::Utf8 if self.dictionary == Dictionary::Texts => {
                properties.set_column_dictionary_enabled(path, true)
            }
            DataType::Float32 | DataType::Float64 if self.split_floats => {
                properties.set_column_encoding(path, Encoding::BYTE_STREAM_SPLIT)
            }
            DataType::Int32 | DataType::Int64 if self.delta_integers => {
                properties.set_column_encoding(path, Encoding::DELTA_BINARY_PACKED)
            }
            _ => properties,
        }
    }
}

fn sorting_columns(columns: &Schema) -> Vec<SortingColumn> {
    let sorted = Table::Sources.sort_columns().iter();
    let places = sorted.map(|name| columns.index_of(name).expect("a sorted column") as i32);
    let ascending = |column_idx| SortingColumn { column_idx, descending: false, nulls_first: true };
    places.map(ascending).collect()
}
