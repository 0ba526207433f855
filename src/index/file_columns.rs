//! The columns of a file, as its footer or the index that it carries describes them. Served columns are flat, and found by stored names.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use arrow::datatypes::DataType;
use parking_lot::Mutex;
use parquet::arrow::{
    FieldLevels, ProjectionMask, parquet_to_arrow_field_levels, parquet_to_arrow_schema_by_columns,
};
use parquet::file::metadata::{FileMetaData, ParquetMetaData, RowGroupMetaData};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr, SchemaDescriptor};

use crate::error::{Error, Kind, Result};
use crate::key_pages::columns;
use crate::schema::{TIME, Table};
use crate::warehouse::stored_name;

/// The columns of a file, which most often are those of all files of the table. Those that are served are flat, so each is one leaf.
#[derive(Debug)]
pub struct FileColumns {
    /// All columns, as the footer describes them.
    pub descriptor: SchemaDescPtr,
    by_name: HashMap<String, usize>,
    key_name: &'static str,
    /// The table's [key](Table::key).
    pub key: Leaf,
    /// `midpointMjdTai`, if the file has it.
    pub time: Option<Leaf>,
    /// A footer that describes the columns and has no row group.
    pub footer: ParquetMetaData,
}

impl FileColumns {
    /// The columns of a file of a table, as a footer describes them. Errors: `Storage` where there is no key.
    pub fn from_descriptor(table: Table, descriptor: SchemaDescPtr) -> Result<Self> {
        let named = |(leaf, column): (usize, &ColumnDescPtr)| match column.path().parts() {
            [name] => Some((stored_name(name).1.to_string(), leaf)),
            // The column is part of a list or a struct, which are not served.
            _ => None,
        };
        let by_name: HashMap<_, _> =
            descriptor.columns().iter().enumerate().filter_map(named).collect();
        let key_name = table.key();
        let no_key = || Error::new(Kind::Storage, format!("the file has no column {key_name}"));
        let key = *by_name.get(key_name).ok_or_else(no_key)?;
        let time = by_name.get(TIME).map(|&time| Leaf::new(&descriptor, time));
        Ok(Self {
            key: Leaf::new(&descriptor, key)?,
            key_name,
            time: time.transpose()?,
            by_name,
            footer: footer(&descriptor, Vec::new()),
            descriptor,
        })
    }

    /// The place of the column with a stored name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// The column at a place.
    pub fn leaf(&self, column: usize) -> Result<Leaf> {
        Leaf::new(&self.descriptor, column)
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

/// The columns of all files in use. Files with the same columns and the same key share them.
#[derive(Debug, Default)]
pub(super) struct SharedColumns {
    described: Mutex<Vec<Weak<FileColumns>>>,
    printed: Mutex<HashMap<(&'static str, String), Weak<FileColumns>>>,
}

impl SharedColumns {
    /// The columns that a footer describes.
    pub(super) fn described(
        &self,
        table: Table,
        descriptor: SchemaDescPtr,
    ) -> Result<Arc<FileColumns>> {
        let mut known = self.described.lock();
        known.retain(|held| held.strong_count() > 0);
        let mut held = known.iter().filter_map(Weak::upgrade);
        let is_same =
            |held: &Arc<FileColumns>| held.key_name == table.key() && held.descriptor == descriptor;
        if let Some(same) = held.find(is_same) {
            return Ok(same);
        }
        let new = Arc::new(FileColumns::from_descriptor(table, descriptor)?);
        known.push(Arc::downgrade(&new));
        Ok(new)
    }

    /// The columns of a Parquet schema as text.
    pub(super) fn printed(&self, table: Table, text: &str) -> Result<Arc<FileColumns>> {
        let mut known = self.printed.lock();
        let described = (table.key(), text.to_string());
        if let Some(same) = known.get(&described).and_then(Weak::upgrade) {
            return Ok(same);
        }
        let new = self.described(table, Arc::new(columns(text)?))?;
        known.retain(|_, held| held.strong_count() > 0);
        known.insert(described, Arc::downgrade(&new));
        Ok(new)
    }
}

/// A column to decode.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Its place in the file.
    pub column: usize,
    /// The type that the Parquet schema gives, without the hints of the writer.
    pub data_type: DataType,
    /// `None` where it is not flat.
    pub nullable: Option<bool>,
}

impl Leaf {
    fn new(descriptor: &SchemaDescriptor, column: usize) -> Result<Self> {
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
