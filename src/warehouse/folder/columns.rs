//! The columns of other people's files under our names and in our types. In: the footers of files, or the schema of a table. Out: the
//! stored columns, of types that hold every value of every file, and those that are left out, each with why.

use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::parquet_to_arrow_schema;

use super::data::DataObject;
use super::types::{all_fit, served_type, wider};
use crate::error::{Error, Result};
use crate::schema::{self, Family, TIME, Table, catalog, provenance, stored_field};
use crate::warehouse::snapshot::LeftOut;
use crate::warehouse::{Snapshot, stored_name};

/// The columns of some files.
pub struct Union {
    table: Table,
    columns: Vec<Found>,
}

struct Found {
    field: Field,
    /// How many files have it.
    files: usize,
    /// Why it is not served.
    left_out: Option<String>,
}

impl Union {
    pub fn new(table: Table) -> Self {
        Self { table, columns: Vec::new() }
    }

    /// Adds those of a file. A type that does not go with that of another file is an error that names the file and both.
    pub fn add(&mut self, of: &DataObject, footer: &ArrowReaderMetadata) -> Result<()> {
        self.add_all(footer).map_err(|error| error.context(format!("/{}", of.object.location)))
    }

    fn add_all(&mut self, footer: &ArrowReaderMetadata) -> Result<()> {
        let described = footer.metadata().file_metadata();
        let described =
            parquet_to_arrow_schema(described.schema_descr(), described.key_value_metadata()).ok();
        check_sort_columns(self.table, footer.schema())?;
        let mut own: Vec<Found> = Vec::new();
        for (root, field) in footer.schema().fields().iter().enumerate() {
            let hint = described.as_ref().and_then(|hint| hint.field_with_name(field.name()).ok());
            let fits = || all_fit(footer, root);
            let found = found(self.table, field, hint, fits);
            if own.iter().any(|other| other.field.name() == found.field.name()) {
                let name = found.field.name();
                return Err(Error::input(format!("column {name} is there twice")));
            }
            own.push(found);
        }
        own.into_iter().try_for_each(|column| self.join(column))
    }

    fn join(&mut self, column: Found) -> Result<()> {
        let known = self.columns.iter_mut().find(|known| known.field.name() == column.field.name());
        let Some(known) = known else {
            self.columns.push(column);
            return Ok(());
        };
        known.files += 1;
        known.left_out = known.left_out.take().or(column.left_out);
        if known.left_out.is_some() {
            return Ok(());
        }
        let (here, there) = (column.field.data_type(), known.field.data_type());
        let families = [&column.field, &known.field].map(schema::family);
        match wider(here, there).filter(|_| families[0] == families[1]) {
            Some(wider) => known.field.set_data_type(wider),
            None => return Err(disagreement(&column.field, &known.field)),
        }
        Ok(())
    }

    /// How many of the files have a column.
    pub fn files_with(&self, name: &str) -> usize {
        let known = self.columns.iter().find(|column| column.field.name() == name);
        known.map_or(0, |column| column.files)
    }

    /// The columns that are served, and those that are not. One that is null in all files is what the catalog says it is.
    pub fn columns(&self) -> (Vec<Field>, Vec<LeftOut>) {
        let (mut columns, mut left_out) = (Vec::new(), Vec::new());
        for Found { field, left_out: why, .. } in &self.columns {
            let column = field.name().clone();
            let known = catalog(self.table).iter().find(|known| known.name == column);
            match (why, known) {
                (Some(why), _) => left_out.push(LeftOut { column, why: why.clone() }),
                (None, _) if *field.data_type() != DataType::Null => columns.push(field.clone()),
                (None, Some(known)) => {
                    columns.push(field.clone().with_data_type(known.data_type.clone()));
                }
                (None, None) => {
                    let why = "it is null in every row, and of no type".to_string();
                    left_out.push(LeftOut { column, why });
                }
            }
        }
        (columns, left_out)
    }
}

/// A snapshot of someone else's table, its columns as they are stored here.
pub fn stored_table(snapshot: Snapshot) -> Result<Snapshot> {
    check_sort_columns(snapshot.table, &snapshot.schema)?;
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for field in snapshot.schema.fields() {
        let Found { field, left_out: why, .. } =
            found(snapshot.table, field, Some(field), || false);
        match why {
            Some(why) => left_out.push(LeftOut { column: field.name().clone(), why }),
            None => columns.push(field),
        }
    }
    let mut files = snapshot.files;
    for file in &mut files {
        let values = file.partition_values.drain(..).filter_map(|(name, value)| {
            let name = stored_name(&name).1;
            let column = columns.iter().find(|column| column.name() == name)?;
            Some(value.cast_to(column.data_type()).map(|value| (name.to_string(), value)))
        });
        file.partition_values = values.collect::<Result<_, _>>()?;
    }
    Ok(Snapshot { schema: Schema::new(columns).into(), left_out, files, ..snapshot })
}

/// The key and the ids are looked for in the files as they are.
fn check_sort_columns(table: Table, schema: &Schema) -> Result<()> {
    for name in table.sort_columns() {
        let expected = if *name == TIME { DataType::Float64 } else { DataType::Int64 };
        let found = schema.fields().iter().find(|field| stored_name(field.name()).1 == *name);
        match found.map(|field| field.data_type()) {
            Some(data_type) if *data_type == expected => {}
            Some(other) => {
                return Err(Error::input(format!(
                    "column {name} is of type {other}; it has to be {expected}: write it as that"
                )));
            }
            None => return Err(Error::input(format!("no column {name} of type {expected}"))),
        }
    }
    Ok(())
}

/// A file's column as it is served, or left out. `fits`: whether all its values are of `long`'s range.
fn found(table: Table, field: &Field, hint: Option<&Field>, fits: impl FnOnce() -> bool) -> Found {
    let (data_type, left_out) = match served_type(field.data_type(), fits) {
        Ok(data_type) => (data_type, None),
        Err(why) => (DataType::Null, Some(why)),
    };
    let field = field.clone().with_data_type(data_type);
    Found { field: stored_column(table, &field, hint), files: 1, left_out }
}

/// The stored column of a file's column, whose writer may have left a hint of its family.
pub fn stored_column(table: Table, field: &Field, hint: Option<&Field>) -> Field {
    let (named, name) = stored_name(field.name());
    if let Some(provenance) = provenance::field(name) {
        return provenance;
    }
    let known = || catalog(table).iter().find(|column| column.name == name);
    let family = named
        .or_else(|| hint.and_then(schema::family))
        .or_else(|| known().map(|column| column.family))
        .unwrap_or(Family::Rubin);
    stored_field(family, name, field.data_type().clone())
}

fn disagreement(column: &Field, other: &Field) -> Error {
    let kind = |field: &Field| {
        let family = schema::family(field).map_or("no family", Family::prefix);
        format!("{} ({family})", field.data_type())
    };
    let (here, there) = (kind(column), kind(other));
    Error::input(format!("column {} is {here} here and {there} in another file", column.name()))
}
