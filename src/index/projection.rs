//! The columns of an answer in the files of its table. In: stored columns, and the columns of a file. Out: what to decode of
//! the file, and how that becomes batches of the table's schema. A column that the file lacks is null.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use parquet::arrow::{
    FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema_by_columns,
};
use parquet::file::metadata::{FileMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, SchemaDescriptor};

use crate::error::{Error, Kind, Result};
use crate::schema::{KEY, TIME};
use crate::warehouse::stored_name;

/// The columns of a file: those that are served are flat, so they are leaves. Files of a table most often share them.
#[derive(Debug)]
pub struct FileColumns {
    pub descriptor: SchemaDescPtr,
    by_name: HashMap<String, usize>,
    pub key: Leaf,
    pub time: Option<Leaf>,
    /// A footer that describes the columns and has no row group.
    pub footer: ParquetMetaData,
}

impl FileColumns {
    pub fn of(descriptor: SchemaDescPtr) -> Result<Self> {
        let named = |(leaf, column): (usize, &ColumnDescPtr)| match column.path().parts() {
            [name] => Some((stored_name(name).1.to_string(), leaf)),
            // It lies in a list or a struct, which are not served.
            _ => None,
        };
        let by_name: HashMap<_, _> =
            descriptor.columns().iter().enumerate().filter_map(named).collect();
        let no_key = || Error::new(Kind::Storage, format!("no column {KEY}"));
        let key = *by_name.get(KEY).ok_or_else(no_key)?;
        let time = by_name.get(TIME).map(|&time| Leaf::of(&descriptor, time));
        Ok(Self {
            key: Leaf::of(&descriptor, key)?,
            time: time.transpose()?,
            by_name,
            footer: footer(&descriptor, Vec::new()),
            descriptor,
        })
    }

    /// A footer of these columns with one row group.
    pub fn footer_of(&self, group: RowGroupMetaData) -> ParquetMetaData {
        footer(&self.descriptor, vec![group])
    }
}

fn footer(descriptor: &SchemaDescPtr, groups: Vec<RowGroupMetaData>) -> ParquetMetaData {
    let file = FileMetaData::new(2, 0, None, None, descriptor.clone(), None);
    ParquetMetaData::new(file, groups)
}

/// A column to decode.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its place in the file.
    pub column: usize,
    /// Parquet's own, whatever a writer hints at.
    pub data_type: DataType,
    /// `None` where it is not flat.
    pub nullable: Option<bool>,
}

impl Leaf {
    fn of(descriptor: &SchemaDescriptor, column: usize) -> Result<Self> {
        let mask = ProjectionMask::leaves(descriptor, [column]);
        let schema = parquet_to_arrow_schema_by_columns(descriptor, mask, None)?;
        let described = descriptor.column(column);
        let flat = described.max_rep_level() == 0 && described.max_def_level() <= 1;
        Ok(Self {
            column,
            data_type: schema.field(0).data_type().clone(),
            nullable: flat.then(|| described.max_def_level() == 1),
        })
    }

    /// What the Parquet reader needs to decode it.
    pub fn levels(&self, columns: &FileColumns) -> Result<FieldLevels> {
        let mask = ProjectionMask::leaves(&columns.descriptor, [self.column]);
        Ok(parquet_to_arrow_field_levels(&columns.descriptor, mask, None)?)
    }
}

/// The same values in the type of the table's column. One that it does not hold is an `Input` error: the file told otherwise.
fn exactly(values: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    if values.data_type() == field.data_type() {
        return Ok(values.clone());
    }
    let exact = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(values, field.data_type(), &exact)
        .map_err(|error| Error::input(format!("column {}: {error}", field.name())))
}

/// About what a text takes in memory, with its place.
const TEXT_BYTES: usize = 24;

/// About what a row takes in memory, nulls and all.
pub fn row_bytes(schema: &Schema) -> usize {
    let width = |data_type: &DataType| match data_type {
        DataType::Boolean => 1,
        other => other.primitive_width().unwrap_or(TEXT_BYTES),
    };
    schema.fields().iter().map(|field| width(field.data_type())).sum::<usize>().max(1)
}

/// Some columns of a table.
#[derive(Debug)]
pub struct Projection {
    pub schema: SchemaRef,
    /// By the files' columns: there are few kinds.
    files: Mutex<Vec<Arc<FileProjection>>>,
}

/// The same in one kind of file.
#[derive(Debug)]
pub struct FileProjection {
    pub columns: Arc<FileColumns>,
    /// In the order of the file.
    pub leaves: Vec<Leaf>,
    /// For each column of the answer its place among the leaves.
    places: Vec<Option<usize>>,
}

impl Projection {
    /// The stored columns that are the fields of `schema`.
    pub fn new(schema: SchemaRef) -> Self {
        Self { schema, files: Mutex::default() }
    }

    pub fn of_file(&self, columns: &Arc<FileColumns>) -> Result<Arc<FileProjection>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = files.iter().find(|known| Arc::ptr_eq(&known.columns, columns)) {
            return Ok(known.clone());
        }
        let names = self.schema.fields().iter().map(|field| field.name());
        let found: Vec<_> = names.map(|name| columns.by_name.get(name).copied()).collect();
        let mut leaves: Vec<_> = found.iter().copied().flatten().collect();
        leaves.sort_unstable();
        let place = |leaf: Option<usize>| leaves.binary_search(&leaf?).ok();
        let places = found.into_iter().map(place).collect();
        let leaves = leaves.into_iter().map(|column| Leaf::of(&columns.descriptor, column));
        let new = Arc::new(FileProjection {
            places,
            leaves: leaves.collect::<Result<_>>()?,
            columns: columns.clone(),
        });
        files.push(new.clone());
        Ok(new)
    }

    /// A batch of the answer, from the decoded leaves of a file in their order; `constants` are the columns that have one value in
    /// all its rows.
    pub fn batch(
        &self,
        file: &FileProjection,
        constants: &[(String, ScalarValue)],
        decoded: &[ArrayRef],
        rows: usize,
    ) -> Result<RecordBatch> {
        let columns = file.places.iter().zip(self.schema.fields()).map(|(place, field)| {
            if let Some(values) = place.and_then(|place| decoded.get(place)) {
                return exactly(values, field);
            }
            match constants.iter().find(|(name, _)| name == field.name()) {
                Some((_, value)) => Ok(value.to_array_of_size(rows)?),
                None => Ok(new_null_array(field.data_type(), rows)),
            }
        });
        let columns = columns.collect::<Result<_>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)?)
    }
}
