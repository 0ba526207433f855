//! Maps the nested schema of a file's packets to stored columns: for each table, which field becomes which column, of which type. A file is
//! refused before any packet is read if it lacks what every packet must have, has two fields for one column, or has a type that a column
//! cannot have.
//!
//! A column of a table keeps its type; one that the catalog knows begins with the catalog's, any other with the
//! [widest](super::scalar::stored_type) of its kind. So types do not depend on how wide a file has its values, nor on
//! which file comes first. A section that is null in every packet, and of no type therefore, is as one that is absent;
//! without any `diaObject` the packets are of Solar System objects.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

use super::columns::{ColumnsBuilder, Entries, MappedColumns, Path, left_out};
use super::evolution::{KnownColumns, extend};
use super::sections::{self, DIA_OBJECT, DIA_SOURCE, FORCED, HISTORY, Section};
use super::typed;
use crate::error::{Error, Result};
use crate::schema::{Family, KEY, TIME, Table};

/// How the packets of one file become rows.
#[derive(Debug)]
pub(crate) struct Mapping {
    /// The packets' schema with the columns' types: what [`super::typed`] makes of a batch.
    pub packet: SchemaRef,
    pub sources: MappedColumns,
    pub objects: MappedColumns,
    /// `None` for a file without the section.
    pub forced: Option<Entries>,
    pub history: Option<Entries>,
    /// Paths of `diaSource.diaSourceId` and `diaSource.midpointMjdTai`.
    pub id: Path,
    pub time: Path,
    /// The index of `diaObject` in the packet.
    pub object: usize,
    /// Whether the packets have Fink's columns.
    pub enriched: bool,
    /// Fields of the stored sections that cannot be columns, and why.
    pub notes: Vec<String>,
}

impl Mapping {
    /// Reads the schema of the packets of a file. `Input` errors name the field.
    pub(crate) fn new(packet: &Schema, history: bool, tables: &KnownColumns) -> Result<Self> {
        let mut notes = Vec::new();
        let packet = &with_object(packet);
        let source_fields = record(packet, DIA_SOURCE)?;
        record(packet, DIA_OBJECT)?;
        let mut builder = PacketBuilder { packet, tables: tables.clone(), notes: &mut notes };
        let sources = builder.columns(Table::Sources)?;
        let objects = builder.columns(Table::Objects)?;
        let forced = builder.entries(FORCED, Table::Fp)?;
        let history = match history {
            true => builder.entries(HISTORY, Table::Sources)?,
            false => None,
        };
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
            packet: typed::schema(packet, [&sources, &objects], [&forced, &history]),
            forced,
            history,
            sources,
            objects,
            enriched,
            notes,
        })
    }

    /// Whether the rows have columns that the tables do not have.
    pub(crate) fn adds_columns(&self, tables: &KnownColumns) -> bool {
        let entries = [&self.forced, &self.history].into_iter().flatten();
        let entries = entries.map(|entries| (entries.table, &entries.columns));
        let records = [(Table::Sources, &self.sources), (Table::Objects, &self.objects)];
        records.into_iter().chain(entries).any(|(table, columns)| {
            let has = |field: &Arc<Field>| {
                tables.get(&table).is_some_and(|known| known.index_of(field.name()).is_ok())
            };
            !columns.schema.fields().iter().all(has)
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

/// Gives `diaObject` a type if it has none, since it is null in every packet: a record with only the key.
fn with_object(packet: &Schema) -> Schema {
    let key = || Fields::from(vec![Field::new(KEY, DataType::Null, true)]);
    let fields = packet.fields().iter().map(|field| match field.data_type() {
        DataType::Null if field.name() == DIA_OBJECT => {
            Field::new(DIA_OBJECT, DataType::Struct(key()), true).into()
        }
        _ => field.clone(),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

struct PacketBuilder<'a> {
    packet: &'a Schema,
    /// The columns of the tables, with those built so far.
    tables: KnownColumns,
    notes: &'a mut Vec<String>,
}

impl PacketBuilder<'_> {
    fn columns(&mut self, table: Table) -> Result<MappedColumns> {
        let mut columns = ColumnsBuilder::new(table, &self.tables);
        for section in sections::for_table(table) {
            let Some(name) = section.record else {
                columns.add(section, self.packet.fields(), "", &[], self.notes)?;
                continue;
            };
            let Some((at, field)) = self.packet.fields().find(name) else { continue };
            match field.data_type() {
                DataType::Struct(fields) => {
                    columns.add(section, fields, &format!("{name}."), &[at], self.notes)?;
                }
                other => self.notes.push(left_out(name, other)),
            }
        }
        let columns = columns.finish();
        self.build(table, columns)
    }

    /// The columns of a list of records; `None` for files without it.
    fn entries(&mut self, section: &'static str, table: Table) -> Result<Option<Entries>> {
        let Some((list, field)) = self.packet.fields().find(section) else { return Ok(None) };
        let item = match field.data_type() {
            DataType::Null => return Ok(None),
            DataType::List(item) => item.data_type(),
            other => other,
        };
        let fields = match item {
            DataType::Null => return Ok(None),
            DataType::Struct(fields) if item != field.data_type() => fields,
            _ => {
                let found = field.data_type();
                return Err(Error::input(format!(
                    "{section} is of type {found}; an array of records is expected"
                )));
            }
        };
        let path = |name| match fields.find(name) {
            Some((field, _)) => Ok(vec![field]),
            None => Err(missing(section, name)),
        };
        let (id, time) = (path(table.id_column())?, path(TIME)?);
        let all = Section { record: Some(section), only: None, family: Family::Rubin, prefix: "" };
        let mut columns = ColumnsBuilder::new(table, &self.tables);
        columns.add(&all, fields, &format!("{section}."), &[], self.notes)?;
        let columns = columns.finish();
        let columns = self.build(table, columns)?;
        Ok(Some(Entries { table, section, list, columns, id, time }))
    }

    /// Fails if these columns conflict with those of the table.
    fn build(&mut self, table: Table, columns: MappedColumns) -> Result<MappedColumns> {
        let all = match self.tables.get(&table) {
            Some(held) => extend(table, held, &columns.schema)?,
            None => columns.schema.as_ref().clone(),
        };
        self.tables.insert(table, all);
        Ok(columns)
    }
}
