//! The columns of someone else's files, under our names and in types that hold every value of every file. A column that cannot be served is
//! left out, with the reason.

use arrow::datatypes::{DataType, Field, Schema};
use object_store::path::Path;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::arrow::parquet_to_arrow_schema;

use super::types::{
    Numbers, both, holds, is_int96, numbers_of_column, numbers_of_type, served_type, wider,
};
use crate::error::{Error, Result};
use crate::schema::{self, Family, TIME, Table, catalog, provenance, stored_field};
use crate::warehouse::{LeftOut, Snapshot, stored_name};

/// The columns of some files.
pub(crate) struct Union {
    table: Table,
    columns: Vec<Found>,
}

struct Found {
    field: Field,
    /// The integers that it may have.
    numbers: Numbers,
    /// How many files have it.
    files: usize,
    /// Why it is not served.
    left_out: Option<String>,
}

impl Union {
    /// No columns yet.
    pub(crate) fn new(table: Table) -> Self {
        Self { table, columns: Vec::new() }
    }

    /// Adds the columns of the file of a path. A column that is not what the table needs is an error that names the file.
    pub(crate) fn add(&mut self, path: &Path, footer: &ArrowReaderMetadata) -> Result<()> {
        let name = format!("/{path}");
        let own = self.own(footer).map_err(|error| error.context(&name))?;
        own.into_iter().for_each(|column| self.join(&name, column));
        Ok(())
    }

    fn own(&self, footer: &ArrowReaderMetadata) -> Result<Vec<Found>> {
        let described = footer.metadata().file_metadata();
        let described =
            parquet_to_arrow_schema(described.schema_descr(), described.key_value_metadata()).ok();
        check_sort_columns(self.table, footer.schema())?;
        let mut own: Vec<Found> = Vec::new();
        for (root, field) in footer.schema().fields().iter().enumerate() {
            let hint = described.as_ref().and_then(|hint| hint.field_with_name(field.name()).ok());
            let numbers = numbers_of_column(footer, root, field.data_type());
            let mut found = found(self.table, field, hint, numbers);
            if is_int96(footer, root) {
                let why = "it is an INT96 time, which no supported type can always hold: write it as a TIMESTAMP";
                found.left_out = Some(why.to_string());
            }
            if own.iter().any(|other| other.field.name() == found.field.name()) {
                let name = found.field.name();
                return Err(Error::input(format!("column {name} occurs twice")));
            }
            own.push(found);
        }
        Ok(own)
    }

    fn join(&mut self, file: &str, column: Found) {
        let known = self.columns.iter_mut().find(|known| known.field.name() == column.field.name());
        let Some(known) = known else { return self.columns.push(column) };
        known.files += 1;
        known.numbers = both(&known.numbers, &column.numbers);
        known.left_out = known.left_out.take().or(column.left_out);
        if known.left_out.is_some() {
            return;
        }
        let (here, there) = (column.field.data_type(), known.field.data_type());
        let families = [&column.field, &known.field].map(schema::family);
        match wider(here, there).filter(|_| families[0] == families[1]) {
            Some(wider) => known.field.set_data_type(wider),
            None => known.left_out = Some(disagreement(file, &column.field, &known.field)),
        }
    }

    /// How many of the files have a column.
    pub(crate) fn files_with(&self, name: &str) -> usize {
        let known = self.columns.iter().find(|column| column.field.name() == name);
        known.map_or(0, |column| column.files)
    }

    /// The columns that are served, and those that are not. A column that is null in all files has the type of the catalog.
    pub(crate) fn columns(&self) -> Result<(Vec<Field>, Vec<LeftOut>)> {
        let (mut columns, mut left_out) = (Vec::new(), Vec::new());
        for found in &self.columns {
            let (field, column) = (&found.field, found.field.name().clone());
            let known = catalog(self.table).iter().find(|known| known.name == column);
            match (found.why_left_out(), known) {
                (Some(why), _) if self.table.sort_columns().contains(&column.as_str()) => {
                    return Err(Error::input(format!("column {column}: {why}")));
                }
                (Some(why), _) => left_out.push(LeftOut { column, why }),
                (None, _) if *field.data_type() != DataType::Null => columns.push(field.clone()),
                (None, Some(known)) => {
                    columns.push(field.clone().with_data_type(known.data_type.clone()));
                }
                (None, None) => {
                    let why = "it is null in every row, and has no type".to_string();
                    left_out.push(LeftOut { column, why });
                }
            }
        }
        Ok((columns, left_out))
    }
}

impl Found {
    fn why_left_out(&self) -> Option<String> {
        let data_type = self.field.data_type();
        let unheld = || {
            format!(
                "it has, or may have, values that {data_type} cannot hold, and no supported type can hold all of them"
            )
        };
        let left_out = self.left_out.clone();
        left_out.or_else(|| (!holds(data_type, &self.numbers)).then(unheld))
    }
}

/// The snapshot of someone else's Delta table, with our names and types of columns.
pub(crate) fn stored_table(snapshot: Snapshot) -> Result<Snapshot> {
    check_sort_columns(snapshot.table, &snapshot.schema)?;
    let (mut columns, mut left_out) = (Vec::new(), Vec::new());
    for field in snapshot.schema.fields() {
        let found = found(snapshot.table, field, Some(field), numbers_of_type(field.data_type()));
        match found.why_left_out() {
            Some(why) => left_out.push(LeftOut { column: found.field.name().clone(), why }),
            None => columns.push(found.field),
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

/// Checks the columns by which rows are found. They are read as they are in the files, so their types must be ours.
fn check_sort_columns(table: Table, schema: &Schema) -> Result<()> {
    for name in table.sort_columns() {
        let expected = if *name == TIME { DataType::Float64 } else { DataType::Int64 };
        let found = schema.fields().iter().find(|field| stored_name(field.name()).1 == *name);
        match found.map(|field| field.data_type()) {
            Some(data_type) if *data_type == expected => {}
            Some(other) => {
                return Err(Error::input(format!(
                    "column {name} is of type {other}; write it as {expected}"
                )));
            }
            None => return Err(Error::input(format!("no column {name} of type {expected}"))),
        }
    }
    Ok(())
}

/// A file's column as it is served, or left out. Parquet has no type for some times: if the writer's hint says so, the column is a time in
/// what looks like a number.
fn found(table: Table, field: &Field, hint: Option<&Field>, numbers: Numbers) -> Found {
    let is_time = |field: &Field| field.data_type().is_temporal();
    let served = match hint.filter(|hint| is_time(hint) && !is_time(field)) {
        Some(time) => {
            Err(format!("it is a {} that Parquet stores as a plain number", time.data_type()))
        }
        None => served_type(field.data_type()),
    };
    let (data_type, left_out) = match served {
        Ok(data_type) => (data_type, None),
        Err(why) => (DataType::Null, Some(why)),
    };
    let field = field.clone().with_data_type(data_type);
    Found { field: stored_column(table, &field, hint), numbers, files: 1, left_out }
}

/// The stored column of a file's column; its writer may have left a hint of its family.
pub(crate) fn stored_column(table: Table, field: &Field, hint: Option<&Field>) -> Field {
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

fn disagreement(file: &str, column: &Field, other: &Field) -> String {
    let kind = |field: &Field| {
        let family = schema::family(field).map_or("no family", Family::prefix);
        format!("{} ({family})", field.data_type())
    };
    let (here, there) = (kind(column), kind(other));
    format!("it is {here} in {file} and {there} in another file")
}
