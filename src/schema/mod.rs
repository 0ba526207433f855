//! The tables and their columns: names, families, types, units, UCDs, descriptions.
//! Everything else (ingest, the warehouse, every format, `/schema`) derives from here.
//!
//! A stored column has Rubin's own name (`psfFlux`) and carries its [`Family`] as field metadata;
//! the served name (`r:psfFlux`) is made at the door. Columns without a family are [provenance]:
//! they say which alert a row came from and what it contains, decide which of two copies of a row wins, and are not served.

mod catalog;
mod computed;
mod content;
pub mod provenance;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

pub use catalog::{CatalogColumn, catalog, describe, described, known, new_table_schema};
pub use computed::{
    COMPUTED, CREDIBLE_LEVEL, ComputedColumn, EVENT_TIME, FLUX_LIMIT, OF_A_CIRCLE, OF_A_CROSSMATCH,
    OF_A_LIGHT_CURVE, OF_A_MEASUREMENT, OF_A_PLACE, OF_A_REGION, PLACE, SEPARATION, TAG,
};
pub use content::content_hash;

/// The key of the family in the metadata of a field.
pub const FAMILY: &str = "family";
/// The key of the unit (VOUnit) in the metadata of a field.
pub const UNIT: &str = "unit";
/// The key of the UCD in the metadata of a field.
pub const UCD: &str = "ucd";
/// The key of a note, in the metadata of a field of an answer, that its texts are ASCII.
pub const ASCII: &str = "ascii";
/// The key of the description in the metadata of a field.
pub const DESCRIPTION: &str = "description";

/// The key of the table's name, in the metadata of the schema of an answer.
pub const TABLE: &str = "table";
/// The key of the versions that an answer is from, as the header `X-Diaflight-Snapshot` has them, in the metadata of its schema.
pub const SNAPSHOT: &str = "snapshot";

/// The key of the address by which the client reached the server, in the metadata of the schema of an answer that tells what else can be asked.
pub const SERVER: &str = "server";

/// The key of a note on rows that were left out, in the metadata of the schema of an answer: `1000 of 48211 objects, the nearest; ...`.
pub const OVERFLOW: &str = "overflow";

/// The object every row of every table belongs to: `int64`, first of every sort order but that of places.
pub const KEY: &str = "diaObjectId";
/// A HEALPix cell of order 14 (12.9 arcsec), nested, ICRS: `int64`, first of the sort order of places.
pub const CELL: &str = "cell";
/// The middle of the exposure, MJD in TAI: `float64`.
pub const TIME: &str = "midpointMjdTai";

/// A table of the warehouse. All but places are served, by the endpoint of the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One row per `diaSource`.
    Sources,
    /// One row per `diaObject`, its newest state.
    Objects,
    /// One row per forced photometry measurement (`diaForcedSource`).
    Fp,
    /// One row per cell of the sky and object that a source of it lies in: what finds the objects at a place. It is a set: rows are added,
    /// never replaced.
    Places,
}

impl Table {
    /// The served ones, in the order of writing: objects last, so that no object is visible before its sources.
    /// A reader that wants them consistent opens them in the opposite order.
    pub const ALL: [Table; 3] = [Table::Sources, Table::Fp, Table::Objects];

    /// All tables, in the order of writing.
    pub const STORED: [Table; 4] = [Table::Places, Table::Sources, Table::Fp, Table::Objects];

    /// The last that is written: what its newest version has, the others have, too.
    pub const LAST: Table = Table::Objects;

    /// The name in SQL, in the warehouse and in `/api/v1/`.
    pub fn name(self) -> &'static str {
        match self {
            Table::Sources => "sources",
            Table::Objects => "objects",
            Table::Fp => "fp",
            Table::Places => "places",
        }
    }

    /// The served table of a name.
    pub fn from_name(name: &str) -> Option<Table> {
        Table::ALL.into_iter().find(|table| table.name() == name)
    }

    /// The LSST id of a row: `int64`, never null.
    pub fn id_column(self) -> &'static str {
        match self {
            Table::Sources => "diaSourceId",
            Table::Objects | Table::Places => KEY,
            Table::Fp => "diaForcedSourceId",
        }
    }

    /// The column by which rows are found: `int64`, never null, first of the sort order.
    pub const fn key(self) -> &'static str {
        match self {
            Table::Sources | Table::Objects | Table::Fp => KEY,
            Table::Places => CELL,
        }
    }

    /// The columns that identify a row. A source is its id, whatever object it is filed under. Forced photometry is measured at the place
    /// of an object, and belongs to it: Rubin's APDB has `diaObjectId` in the primary key of `DiaForcedSource`, too (sdm_schemas,
    /// apdb.yaml).
    pub fn identity_columns(self) -> &'static [&'static str] {
        match self {
            Table::Sources => &["diaSourceId"],
            Table::Objects => &[KEY],
            Table::Fp => &[KEY, "diaForcedSourceId"],
            Table::Places => &[CELL, KEY],
        }
    }

    /// Whether new rows mostly replace others: each alert has a new state of its object. Those wait as updates beside the table.
    pub fn has_updates(self) -> bool {
        self == Table::Objects
    }

    /// Whether the cells of its rows are in the table of places: searches find them there.
    pub fn has_places(self) -> bool {
        matches!(self, Table::Sources | Table::Objects)
    }

    /// The order of rows in every file, all ascending.
    pub fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Table::Sources => &[KEY, TIME, "diaSourceId"],
            Table::Objects => &[KEY],
            Table::Fp => &[KEY, TIME, "diaForcedSourceId"],
            Table::Places => &[CELL, KEY],
        }
    }
}

/// The origin of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// `r:`, the Rubin alert packet.
    Rubin,
    /// `f:`, Fink's science modules.
    Fink,
}

impl Family {
    /// The prefix of served names: `r` or `f`.
    pub fn prefix(self) -> &'static str {
        match self {
            Family::Rubin => "r",
            Family::Fink => "f",
        }
    }

    /// The family of a prefix.
    pub fn from_prefix(prefix: &str) -> Option<Family> {
        [Family::Rubin, Family::Fink].into_iter().find(|family| family.prefix() == prefix)
    }
}

/// A stored column: nullable, its family in the metadata. Ids and keys are nullable in the type
/// (as in the packets) and never null in fact.
pub fn stored_field(family: Family, name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
        .with_metadata([(FAMILY.to_string(), family.prefix().to_string())].into())
}

/// The family of a stored column; `None` for provenance columns.
pub fn family(field: &Field) -> Option<Family> {
    field.metadata().get(FAMILY).and_then(|prefix| Family::from_prefix(prefix))
}

/// `r:psfFlux` for a stored `psfFlux`; `None` for columns that are not served.
pub fn served_name(field: &Field) -> Option<String> {
    family(field).map(|family| format!("{}:{}", family.prefix(), field.name()))
}

/// The served columns of a stored schema as (served name, index of the stored column), in
/// byte-wise order of the served name.
pub fn served_columns(stored: &Schema) -> Vec<(String, usize)> {
    let named = stored.fields().iter().enumerate();
    let mut columns: Vec<_> =
        named.filter_map(|(i, field)| Some((served_name(field)?, i))).collect();
    columns.sort();
    columns
}

/// The schema of an answer, with the table and the versions that it is from, so that a saved answer still says so.
pub fn answer_schema(fields: &Schema, table: Table, snapshot: &str) -> SchemaRef {
    let about = [(TABLE, table.name()), (SNAPSHOT, snapshot)];
    let about = about.map(|(key, value)| (key.to_string(), value.to_string()));
    Arc::new(Schema::new_with_metadata(fields.fields().clone(), about.into()))
}

/// The name of a column type in alert schemas and in `/schema`.
pub fn type_name(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Boolean => "boolean",
        DataType::Int32 => "int",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        _ => "string",
    }
}
