//! Catalogs, schemas, tables and table types, as far as the filters of a command let them through. There is one catalog with one schema,
//! which holds the tables and views of SQL.

use arrow::array::RecordBatch;
use arrow_flight::error::FlightError;
use arrow_flight::sql::{
    CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
};

use crate::error::{Error, Result};
use crate::sql::{CATALOG, Relation, RelationKind, SCHEMA};

const TABLE: &str = "TABLE";
const VIEW: &str = "VIEW";

/// The one catalog.
pub(crate) fn catalogs(asked: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut rows = asked.into_builder();
    rows.append(CATALOG);
    rows.build().map_err(unbuilt)
}

/// The one schema, if the filters let it through.
pub(crate) fn schemas(asked: CommandGetDbSchemas) -> Result<RecordBatch> {
    let mut rows = asked.into_builder();
    rows.append(CATALOG, SCHEMA);
    rows.build().map_err(unbuilt)
}

/// The tables and views that the filters let through.
pub(crate) fn tables(asked: CommandGetTables, relations: &[Relation]) -> Result<RecordBatch> {
    let mut rows = asked.into_builder();
    for relation in relations {
        let kind = match relation.kind {
            RelationKind::Table => TABLE,
            RelationKind::View => VIEW,
        };
        rows.append(CATALOG, SCHEMA, &relation.name, kind, &relation.schema).map_err(unbuilt)?;
    }
    rows.build().map_err(unbuilt)
}

/// The types of tables: tables and views.
pub(crate) fn table_types(asked: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut rows = asked.into_builder();
    rows.append(TABLE);
    rows.append(VIEW);
    rows.build().map_err(unbuilt)
}

/// The error for rows that do not fit their schema, which would be a fault of ours.
fn unbuilt(error: FlightError) -> Error {
    Error::internal(error.to_string())
}
