//! A plain folder or prefix of flat Parquet files that someone else wrote, as a read-only [`Snapshot`].
//! In: a location. Out: the union of the files' columns, and the files with their key ranges.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use futures::{StreamExt, TryStreamExt, stream};
use object_store::ObjectMeta;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::parquet_to_arrow_schema;

use super::file::to_millis;
use super::reader::footer;
use super::stored_names::stored_name;
use super::{DataFile, Location, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::schema::{self, Family, TIME, Table, catalog, provenance, stored_field};

const FOOTERS_AT_ONCE: usize = 16;

impl Snapshot {
    /// Lists the Parquet files under a location and reads their footers. Files must agree in the types of
    /// the columns they share, have the table's sort columns, and be sorted by them or not: key
    /// ranges come from their statistics. Columns named `r:x` or `f:x` keep that family and are stored
    /// as `x`; plain names take the catalog's, Rubin's where it does not know them. The version counts
    /// nothing but changes of the listing, see [`refresh_folder`](Self::refresh_folder): here it is 0.
    ///
    /// Names that begin with `_` or `.` are passed over; any other file that is not flat Parquet is an
    /// `Input` error naming it, and a location without files a `NotFound` error.
    pub async fn of_folder(table: Table, location: &Location) -> Result<Snapshot> {
        let objects = location.list_data().await?;
        of_objects(table, location, objects).await
    }

    /// Lists the folder of a snapshot again: `None` while no file was added, removed or rewritten.
    pub async fn refresh_folder(&self, location: &Location) -> Result<Option<Snapshot>> {
        let objects = location.list_data().await?;
        let known = |object: &ObjectMeta| {
            self.files.iter().any(|file| {
                (&file.path, file.size_bytes, file.modified)
                    == (&object.location, object.size, to_millis(object.last_modified))
            })
        };
        if objects.len() == self.files.len() && objects.iter().all(known) {
            return Ok(None);
        }
        let changed = of_objects(self.table, location, objects).await?;
        Ok(Some(Snapshot { version: self.version + 1, ..changed }))
    }
}

async fn of_objects(
    table: Table,
    location: &Location,
    objects: Vec<ObjectMeta>,
) -> Result<Snapshot> {
    if objects.is_empty() {
        return Err(Error::new(Kind::NotFound, format!("{}: no Parquet file", location.url)));
    }
    let read = async |object: ObjectMeta| {
        let footer = footer(location.store.clone(), &object.location, object.size).await;
        Ok::<_, Error>((object, footer.map_err(as_input)?))
    };
    let mut footers = stream::iter(objects).map(read).buffered(FOOTERS_AT_ONCE);
    let (mut columns, mut files) = (Vec::new(), Vec::new());
    while let Some((object, footer)) = footers.try_next().await? {
        add_columns(table, &footer, &mut columns)
            .map_err(|error| error.context(format!("/{}", object.location)))?;
        files.push(DataFile::from_footer(table, object, footer.metadata()));
    }
    files.sort_by_key(|file| (*file.keys.start(), file.path.clone()));
    // Columns without a family, which are provenance, come last.
    columns.sort_by_key(|field| schema::family(field).is_none());
    let schema = Arc::new(Schema::new(columns));
    let store = location.store.clone();
    Ok(Snapshot { table, version: 0, synthetic: false, schema, files, store })
}

/// What Parquet cannot read is not the storage's fault.
fn as_input(error: Error) -> Error {
    use std::error::Error as _;
    let storage = error.source().is_some_and(|source| source.is::<object_store::Error>());
    if storage { error } else { error.with_kind(Kind::Input) }
}

/// Adds the columns of a file to those of the files before it.
fn add_columns(table: Table, footer: &ArrowReaderMetadata, columns: &mut Vec<Field>) -> Result<()> {
    let described = footer.metadata().file_metadata();
    let described =
        parquet_to_arrow_schema(described.schema_descr(), described.key_value_metadata()).ok();
    let mut own: Vec<Field> = Vec::new();
    for field in footer.schema().fields() {
        let hint = described.as_ref().and_then(|schema| schema.field_with_name(field.name()).ok());
        let column = column(table, field, hint)?;
        if own.iter().any(|other| other.name() == column.name()) {
            return Err(Error::input(format!("column {} is there twice", column.name())));
        }
        own.push(column);
    }
    for name in table.sort_columns() {
        let expected = if *name == TIME { DataType::Float64 } else { DataType::Int64 };
        let found = own.iter().find(|column| column.name() == name);
        if found.is_none_or(|column| column.data_type() != &expected) {
            return Err(Error::input(format!("no column {name} of type {expected}")));
        }
    }
    for column in own {
        match columns.iter().find(|other| other.name() == column.name()) {
            None => columns.push(column),
            Some(other) if *other == column => {}
            Some(other) => return Err(disagreement(&column, other)),
        }
    }
    Ok(())
}

fn disagreement(column: &Field, other: &Field) -> Error {
    let kind = |field: &Field| {
        let family = schema::family(field).map_or("no family", Family::prefix);
        format!("{} ({family})", field.data_type())
    };
    let (here, there) = (kind(column), kind(other));
    Error::input(format!("column {} is {here} here and {there} in another file", column.name()))
}

/// The stored column of a file's column, whose writer may have left a hint of its family.
fn column(table: Table, field: &Field, hint: Option<&Field>) -> Result<Field> {
    use DataType::{Boolean, Float32, Float64, Int32, Int64, Utf8};
    if !matches!(field.data_type(), Boolean | Int32 | Int64 | Float32 | Float64 | Utf8) {
        let message =
            format!("column {} of type {} is not served", field.name(), field.data_type());
        return Err(Error::input(message));
    }
    let (named, name) = stored_name(field.name());
    if let Some(provenance) = provenance::field(name) {
        return Ok(provenance);
    }
    let known = || catalog(table).iter().find(|column| column.name == name);
    let family = named
        .or_else(|| hint.and_then(schema::family))
        .or_else(|| known().map(|column| column.family))
        .unwrap_or(Family::Rubin);
    Ok(stored_field(family, name, field.data_type().clone()))
}
