//! The stored columns of one kind of rows, from the schema of the packets: the type of each, and where in a packet its values are.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::evolution::KnownColumns;
use super::scalar::{may_become, stored_type};
use super::sections::Section;
use crate::error::{Error, Result};
use crate::schema::{Family, KEY, Table, known, provenance, stored_field, type_name};

/// The path of a field: its indices from a record down.
pub(crate) type Path = Vec<usize>;

/// The columns of one kind of rows.
#[derive(Debug)]
pub(crate) struct MappedColumns {
    /// The key, the columns of `paths`, then provenance.
    pub schema: SchemaRef,
    /// The path of the key, if there is one. A null stands for the alert's object.
    pub key: Option<Path>,
    pub paths: Vec<Path>,
}

/// The columns of the entries of a list in a packet.
#[derive(Debug)]
pub(crate) struct Entries {
    /// The table that the entries are rows of.
    pub table: Table,
    /// The name of the section.
    pub section: &'static str,
    pub list: usize,
    /// Paths in an entry.
    pub columns: MappedColumns,
    pub id: Path,
    pub time: Path,
}

impl MappedColumns {
    /// The field that becomes a column of that name.
    pub(crate) fn path(&self, column: &str) -> Option<&Path> {
        let at = self.schema.index_of(column).ok()?;
        self.paths.get(at.checked_sub(1)?)
    }

    /// The paths of all columns but provenance, the key's first, and the columns.
    pub(crate) fn typed_paths(&self) -> impl Iterator<Item = (&Path, &Field)> {
        let rest = self.paths.iter().zip(&self.schema.fields()[1..]);
        let key = self.key.iter().zip(self.schema.fields());
        key.chain(rest).map(|(path, field)| (path, field.as_ref()))
    }
}

/// The note on a field that is no column.
pub(crate) fn left_out(field: &str, data_type: &DataType) -> String {
    let kind = match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "an array",
        DataType::Struct(_) => "a record",
        DataType::Map(..) => "a map",
        DataType::Union(..) => "a union of several types",
        DataType::Null => "always null",
        _ => "bytes",
    };
    format!("{field} is {kind}: left out, because only scalar fields become columns")
}

/// Builds the columns, field by field.
pub(crate) struct ColumnsBuilder<'a> {
    table: Table,
    tables: &'a KnownColumns,
    key: Option<Path>,
    fields: Vec<Field>,
    paths: Vec<Path>,
    /// The field of each stored name in lower case: to Delta, names that differ only in case are the same.
    origins: BTreeMap<String, String>,
}

impl<'a> ColumnsBuilder<'a> {
    pub(crate) fn new(table: Table, tables: &'a KnownColumns) -> Self {
        let reserved = provenance::all();
        let origins = reserved.map(|field| (field.name().to_lowercase(), "ingest".into()));
        let origins = origins.collect();
        Self { table, tables, key: None, fields: vec![], paths: vec![], origins }
    }

    /// Adds the fields of a section at `path`; messages name it by `place`.
    pub(crate) fn add(
        &mut self,
        section: &Section,
        fields: &Fields,
        place: &str,
        path: &[usize],
        notes: &mut Vec<String>,
    ) -> Result<()> {
        for (at, field) in fields.iter().enumerate() {
            if section.only.is_some_and(|only| !only.contains(&field.name().as_str())) {
                continue;
            }
            let origin = format!("{place}{}", field.name());
            let name = format!("{}{}", section.prefix, field.name());
            let scalar = matches!(field.data_type(), DataType::Null)
                || stored_type(field.data_type()).is_some();
            let stored = match scalar {
                true => self.column_type(section.family, &name, field.data_type()),
                false => None,
            };
            let Some(stored) = stored else {
                notes.push(left_out(&origin, field.data_type()));
                continue;
            };
            if let Some(other) = self.origins.insert(name.to_lowercase(), origin.clone()) {
                return Err(Error::input(format!(
                    "{origin} and {other} would both be the column {name} of {}, whose names may not differ in case alone",
                    self.table.name()
                )));
            }
            if !may_become(field.data_type(), &stored) {
                let found = stored_type(field.data_type());
                let found = found.as_ref().map_or("null", type_name);
                let expected = type_name(&stored);
                return Err(Error::input(format!(
                    "{origin} is of type {found}; {expected} is expected"
                )));
            }
            let path = [path, &[at]].concat();
            if name == KEY {
                self.key = Some(path);
            } else {
                self.fields.push(stored_field(section.family, &name, stored));
                self.paths.push(path);
            }
        }
        Ok(())
    }

    /// The type of a column; `None` if it is unknown and null in every packet.
    fn column_type(&self, family: Family, name: &str, found: &DataType) -> Option<DataType> {
        let catalog = known(self.table, family, name).map(|column| column.data_type.clone());
        // Ids are longs and times doubles in every table.
        if self.table.sort_columns().contains(&name) {
            return catalog;
        }
        let table = self.tables.get(&self.table);
        let stored = table.and_then(|table| table.field_with_name(name).ok());
        stored.map(|field| field.data_type().clone()).or(catalog).or_else(|| stored_type(found))
    }

    pub(crate) fn finish(self) -> MappedColumns {
        let key = stored_field(Family::Rubin, KEY, DataType::Int64);
        let provenance = provenance::fields(self.table);
        let fields = std::iter::once(key).chain(self.fields).chain(provenance);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        MappedColumns { schema, key: self.key, paths: self.paths }
    }
}
