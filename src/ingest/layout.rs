//! From the schema of a file to columns. In: the nested schema of a file's packets. Out: for each
//! table, which field becomes which stored column. A file that lacks what every packet must have, or has
//! two fields for one column, is refused here, before any packet is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::scalar::stored_type;
use super::sections::{self, DIA_OBJECT, DIA_SOURCE, FORCED, HISTORY, Section};
use crate::error::{Error, Result};
use crate::schema::{Family, KEY, TIME, Table, provenance, stored_field, type_name};

/// Where a column's values are: indices from a record down to the field.
pub type Path = Vec<usize>;

/// The columns of one kind of rows.
#[derive(Debug)]
pub struct Columns {
    /// The key, `paths`' columns, then provenance.
    pub schema: SchemaRef,
    /// The field that is the key, where there is one; its nulls stand for the alert's object.
    pub key: Option<Path>,
    pub paths: Vec<Path>,
}

impl Columns {
    /// The field that becomes a column of that name.
    pub fn path(&self, column: &str) -> Option<&Path> {
        let at = self.schema.index_of(column).ok()?;
        self.paths.get(at.checked_sub(1)?)
    }
}

/// The columns of rows that a packet has a list of.
#[derive(Debug)]
pub struct Entries {
    /// The table they are rows of.
    pub table: Table,
    /// The section, and its place in the packet.
    pub section: &'static str,
    pub list: usize,
    /// Paths in an entry.
    pub columns: Columns,
    pub id: Path,
    pub time: Path,
}

/// The rows in the packets of one file.
#[derive(Debug)]
pub struct Layout {
    pub sources: Columns,
    pub objects: Columns,
    /// Absent from files without the section.
    pub forced: Option<Entries>,
    pub history: Option<Entries>,
    /// Paths of `diaSource.diaSourceId` and `diaSource.midpointMjdTai`.
    pub id: Path,
    pub time: Path,
    /// Where `diaObject` is in the packet.
    pub object: usize,
    /// Whether there are Fink's columns.
    pub enriched: bool,
    /// Fields of the stored sections that cannot be columns, and why.
    pub notes: Vec<String>,
}

impl Layout {
    /// Reads the schema of the packets of a file. `Input` errors name the field.
    pub fn new(packet: &Schema, history: bool) -> Result<Self> {
        let mut notes = Vec::new();
        let source_fields = record(packet, DIA_SOURCE)?;
        record(packet, DIA_OBJECT)?;
        let sources = packet_columns(packet, Table::Sources, &mut notes)?;
        let objects = packet_columns(packet, Table::Objects, &mut notes)?;
        let objects_have_a_key = objects.key.is_some();
        let is_fink = |field: &Arc<Field>| crate::schema::family(field) == Some(Family::Fink);
        let mut fields = sources.schema.fields().iter().chain(objects.schema.fields());
        let enriched = fields.any(is_fink);
        let at = packet.index_of(DIA_SOURCE)?;
        let in_source = |name| match source_fields.find(name) {
            Some((field, _)) => Ok(vec![at, field]),
            None => Err(missing(DIA_SOURCE, name)),
        };
        if !objects_have_a_key {
            return Err(missing(DIA_OBJECT, KEY));
        }
        Ok(Self {
            id: in_source(Table::Sources.id_column())?,
            time: in_source(TIME)?,
            object: packet.index_of(DIA_OBJECT)?,
            forced: entries(packet, FORCED, Table::Fp, &mut notes)?,
            history: match history {
                true => entries(packet, HISTORY, Table::Sources, &mut notes)?,
                false => None,
            },
            sources,
            objects,
            enriched,
            notes,
        })
    }
}

fn missing(section: &str, field: &str) -> Error {
    let packets = "alert packets of LSST schema 7 and later have it";
    Error::input(format!("the schema has no field {section}.{field}; {packets}"))
}

/// The fields of a section that every file must have.
fn record<'a>(packet: &'a Schema, section: &str) -> Result<&'a Fields> {
    let field = packet.field_with_name(section).map_err(|_| {
        Error::input(format!("the schema has no section {section}; alert packets are expected"))
    })?;
    match field.data_type() {
        DataType::Struct(fields) => Ok(fields),
        other => Err(Error::input(format!("{section} is of type {other}; a record is expected"))),
    }
}

fn packet_columns(packet: &Schema, table: Table, notes: &mut Vec<String>) -> Result<Columns> {
    let mut columns = ColumnsBuilder::new(table);
    for section in sections::of(table) {
        let Some(name) = section.record else {
            columns.add(section, packet.fields(), "", &[], notes)?;
            continue;
        };
        let Some((at, field)) = packet.fields().find(name) else { continue };
        match field.data_type() {
            DataType::Struct(fields) => {
                columns.add(section, fields, &format!("{name}."), &[at], notes)?;
            }
            other => notes.push(left_out(name, other)),
        }
    }
    Ok(columns.finish())
}

/// The columns of a list of records; `None` for files without it.
fn entries(
    packet: &Schema,
    section: &'static str,
    table: Table,
    notes: &mut Vec<String>,
) -> Result<Option<Entries>> {
    let Some((list, field)) = packet.fields().find(section) else { return Ok(None) };
    let fields = match field.data_type() {
        DataType::List(item) => match item.data_type() {
            DataType::Struct(fields) => Some(fields),
            _ => None,
        },
        _ => None,
    };
    let Some(fields) = fields else {
        let found = field.data_type();
        return Err(Error::input(format!(
            "{section} is of type {found}; an array of records is expected"
        )));
    };
    let path = |name| match fields.find(name) {
        Some((field, _)) => Ok(vec![field]),
        None => Err(missing(section, name)),
    };
    let (id, time) = (path(table.id_column())?, path(TIME)?);
    let all = Section { record: Some(section), only: None, family: Family::Rubin, prefix: "" };
    let mut columns = ColumnsBuilder::new(table);
    columns.add(&all, fields, &format!("{section}."), &[], notes)?;
    Ok(Some(Entries { table, section, list, columns: columns.finish(), id, time }))
}

fn left_out(field: &str, data_type: &DataType) -> String {
    let kind = match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => "an array",
        DataType::Struct(_) => "a record",
        DataType::Map(..) => "a map",
        DataType::Union(..) => "a union of several types",
        DataType::Null => "always null",
        _ => "bytes",
    };
    format!("{field} is {kind}: left out, for only scalar fields become columns")
}

struct ColumnsBuilder {
    table: Table,
    key: Option<Path>,
    fields: Vec<Field>,
    paths: Vec<Path>,
    /// Stored name to the field it was taken from.
    origins: BTreeMap<String, String>,
}

impl ColumnsBuilder {
    fn new(table: Table) -> Self {
        let reserved = provenance::all().map(|field| (field.name().clone(), "ingest".into()));
        Self { table, key: None, fields: vec![], paths: vec![], origins: reserved.collect() }
    }

    /// Adds the fields of a section, which are at `path` and said to be `place`.
    fn add(
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
            let Some(mut stored) = stored_type(field.data_type()) else {
                notes.push(left_out(&origin, field.data_type()));
                continue;
            };
            if let Some(other) = self.origins.insert(name.clone(), origin.clone()) {
                return Err(Error::input(format!(
                    "{origin} and {other} would both be the column {name} of {}",
                    self.table.name()
                )));
            }
            let path = [path, &[at]].concat();
            if self.table.sort_columns().contains(&name.as_str()) {
                stored = sort_type(&origin, &name, stored)?;
            }
            if name == KEY {
                self.key = Some(path);
            } else {
                self.fields.push(stored_field(section.family, &name, stored));
                self.paths.push(path);
            }
        }
        Ok(())
    }

    fn finish(self) -> Columns {
        let key = stored_field(Family::Rubin, KEY, DataType::Int64);
        let provenance = provenance::fields(self.table);
        let fields = std::iter::once(key).chain(self.fields).chain(provenance);
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Columns { schema, key: self.key, paths: self.paths }
    }
}

/// Ids are longs and times doubles, whatever width a file has them in.
fn sort_type(origin: &str, name: &str, found: DataType) -> Result<DataType> {
    let (expected, fits) = match name {
        TIME => (DataType::Float64, matches!(found, DataType::Float32 | DataType::Float64)),
        _ => (DataType::Int64, matches!(found, DataType::Int32 | DataType::Int64)),
    };
    let (found, wanted) = (type_name(&found), type_name(&expected));
    match fits {
        true => Ok(expected),
        false => Err(Error::input(format!("{origin} is of type {found}; {wanted} is expected"))),
    }
}
