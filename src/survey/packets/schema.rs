//! The schema of the packets, made from the catalog: each section of a packet with the columns that
//! [ingest takes from it](crate::ingest::sections), as the catalog describes them.
//!
//! The sections are Rubin's and Fink's. The lists of measurements come last, unlike Rubin's, so that a packet is a record of its own
//! followed by lists of records that other packets hold, too.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StructArray};
use arrow::datatypes::{DataType, Field, Fields};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::ingest::sections::{self, DIA_SOURCE, FORCED, HISTORY};
use crate::schema::{self, DESCRIPTION, Family, Table, described, new_table_schema, type_name};

/// A field of a packet, and the columns of a table that it is made of: one, or those of a record.
pub(super) struct PacketField {
    name: String,
    pub table: Table,
    is_record: bool,
    /// Each with its name and description in the packet, and its index in the table.
    columns: Vec<(Field, usize)>,
}

impl PacketField {
    /// A column of a table, by its index.
    fn column(table: Table, at: usize) -> Self {
        let field = described(table, new_table_schema(table).field(at));
        Self { name: field.name().clone(), table, is_record: false, columns: vec![(field, at)] }
    }

    pub(super) fn field(&self) -> Field {
        match self.is_record {
            true => Field::new(&self.name, DataType::Struct(self.fields()), false),
            false => self.columns[0].0.clone(),
        }
    }

    fn fields(&self) -> Fields {
        self.columns.iter().map(|(field, _)| field.clone()).collect()
    }

    /// Its values, from rows of its table.
    pub(super) fn values(&self, rows: &RecordBatch) -> Result<ArrayRef> {
        let columns = self.columns.iter().map(|(_, at)| rows.column(*at).clone());
        Ok(match self.is_record {
            true => Arc::new(StructArray::try_new(self.fields(), columns.collect(), None)?),
            false => rows.column(self.columns[0].1).clone(),
        })
    }
}

/// The fields of a packet but its lists: the id of its source, then Rubin's sections, then Fink's.
pub(super) fn own() -> Result<Vec<PacketField>> {
    let id = new_table_schema(Table::Sources).index_of(Table::Sources.id_column())?;
    let mut packet = vec![PacketField::column(Table::Sources, id)];
    for family in [Family::Rubin, Family::Fink] {
        for table in [Table::Sources, Table::Objects] {
            let schema = new_table_schema(table);
            let is_of = |column: &Field| schema::family(column) == Some(family);
            let columns = schema.fields().iter().enumerate().filter(|(_, column)| is_of(column));
            for (at, column) in columns {
                let Some((section, name)) = sections::source_of(table, column) else {
                    let column = column.name();
                    return Err(Error::internal(format!("no section of a packet has {column}")));
                };
                add(&mut packet, section.record, table, at, name);
            }
        }
    }
    Ok(packet)
}

/// Adds a column, under its name in a packet, to its record or to the packet.
fn add(packet: &mut Vec<PacketField>, record: Option<&str>, table: Table, at: usize, name: &str) {
    let mut column = PacketField::column(table, at);
    let field = column.columns[0].0.clone().with_name(name);
    let place = record.unwrap_or(name);
    match packet.iter_mut().find(|known| known.name == place) {
        Some(known) if known.is_record => known.columns.push((field, at)),
        // What the packet says once, of source and object.
        Some(_) => {}
        None => {
            column.columns[0].0 = field;
            packet.push(PacketField { name: place.into(), is_record: record.is_some(), ..column });
        }
    }
}

/// The fields of an entry of a list: of a source in a history, or of a forced measurement.
pub(super) fn entry(table: Table) -> Vec<PacketField> {
    let schema = new_table_schema(table);
    let in_entry = |column: &Field| match sections::source_of(table, column) {
        Some((section, _)) => section.record == Some(DIA_SOURCE),
        None => table == Table::Fp,
    };
    let columns = schema.fields().iter().enumerate().filter(|(_, column)| in_entry(column));
    columns.map(|(at, _)| PacketField::column(table, at)).collect()
}

/// The Avro schema of packets: the fields of their own, then the lists.
pub(super) fn packet(own: &Fields, forced: &Fields) -> Value {
    let mut packet = record("alert", own);
    if let Some(fields) = packet["fields"].as_array_mut() {
        // The type of a source is defined by the record of the alert's own.
        fields.push(list(HISTORY, json!(full_name(DIA_SOURCE))));
        fields.push(list(FORCED, record("diaForcedSource", forced)));
    }
    packet
}

/// The Avro schema of a record, of which any value may be null.
pub(super) fn record(name: &str, fields: &Fields) -> Value {
    let fields: Vec<_> = fields.iter().map(|field| avro_field(field)).collect();
    json!({ "type": "record", "name": full_name(name), "fields": fields })
}

fn avro_field(field: &Field) -> Value {
    let avro_type = match field.data_type() {
        DataType::Struct(fields) => {
            return json!({ "name": field.name(), "type": record(field.name(), fields) });
        }
        DataType::Binary => "bytes",
        other => type_name(other),
    };
    let mut avro = json!({ "name": field.name(), "type": ["null", avro_type], "default": null });
    if let Some(description) = field.metadata().get(DESCRIPTION) {
        avro["doc"] = json!(description);
    }
    avro
}

fn list(name: &str, items: Value) -> Value {
    let list = json!(["null", { "type": "array", "items": items }]);
    json!({ "name": name, "type": list, "default": null })
}

fn full_name(name: &str) -> String {
    format!("diaflight.{name}")
}
