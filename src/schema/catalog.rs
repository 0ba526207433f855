//! The known columns of the tables, from `catalog.csv`: those of LSST schema 10.0 and of Fink, and what earlier schemas had besides. It
//! describes columns, and gives the schema of a new table.
//!
//! The file has one line per column, sorted by table and `family:name`: table, family, name, type (as
//! alert schemas name it), unit (VOUnit), UCD (UCD1+), the last LSST schema that had the field (empty: it
//! is current), description. No value has a comma, so that a line splits without quoting.
//!
//! Units are those of LSST's schema but in three places, where its own values tell otherwise: moments are
//! `arcsec**2` (LSST: `nJy.arcsec**2`; the PSF's do not scale with flux), and the uncertainties of the
//! trail's length and angle have the unit of the value (LSST: `nJy`).

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::{
    CELL, DESCRIPTION, Family, KEY, Table, UCD, UNIT, family, provenance, served_name, stored_field,
};

const CSV: &str = include_str!("catalog.csv");
const TYPES: [(&str, DataType); 6] = [
    ("boolean", DataType::Boolean),
    ("int", DataType::Int32),
    ("long", DataType::Int64),
    ("float", DataType::Float32),
    ("double", DataType::Float64),
    ("string", DataType::Utf8),
];

/// One line of the catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct CatalogColumn {
    /// The family of the column.
    pub family: Family,
    /// The name without the family.
    pub name: &'static str,
    /// The stored type.
    pub data_type: DataType,
    /// VOUnit; empty: dimensionless.
    pub unit: &'static str,
    /// UCD1+ words, separated by `;`.
    pub ucd: &'static str,
    /// The last LSST schema that had the field; empty: it is current.
    pub last_schema: &'static str,
    /// One sentence.
    pub description: &'static str,
}

impl CatalogColumn {
    /// The key for sorting: the served name.
    fn key(&self) -> (&'static str, &'static str) {
        (self.family.prefix(), self.name)
    }
}

/// The known columns of a table, in byte-wise order of `family:name`.
pub fn catalog(table: Table) -> &'static [CatalogColumn] {
    static COLUMNS: OnceLock<[Vec<CatalogColumn>; Table::ALL.len()]> = OnceLock::new();
    // A line that does not parse is left out. Its column then has no description, and a test fails.
    let columns = COLUMNS.get_or_init(|| {
        let lines = || CSV.lines().skip(1).filter_map(parse_line);
        Table::ALL.map(|table| lines().filter(|(of, _)| *of == table).map(|(_, c)| c).collect())
    });
    Table::ALL.iter().zip(columns).find(|(of, _)| **of == table).map_or(&[], |(_, columns)| columns)
}

/// What the catalog knows of a stored column.
pub fn known(table: Table, family: Family, name: &str) -> Option<&'static CatalogColumn> {
    let columns = catalog(table);
    let key = (family.prefix(), name);
    let found = columns.binary_search_by(|column| column.key().cmp(&key)).ok()?;
    columns.get(found)
}

fn parse_line(line: &'static str) -> Option<(Table, CatalogColumn)> {
    let values: Vec<&'static str> = line.split(',').collect();
    let [table, family, name, type_name, unit, ucd, last_schema, description] = values[..] else {
        return None;
    };
    let data_type = TYPES.into_iter().find(|(name, _)| *name == type_name)?.1;
    let family = Family::from_prefix(family)?;
    let column = CatalogColumn { family, name, data_type, unit, ucd, last_schema, description };
    Some((Table::from_name(table)?, column))
}

/// The stored schema of a new table: the current columns in the catalog's order, then provenance. No column of places is served, so none
/// is in the catalog.
pub fn new_table_schema(table: Table) -> SchemaRef {
    if table == Table::Places {
        let column = |name| Field::new(name, DataType::Int64, true);
        return Arc::new(Schema::new(vec![column(CELL), column(KEY)]));
    }
    let current = catalog(table).iter().filter(|column| column.last_schema.is_empty());
    let served = current.map(|c| stored_field(c.family, c.name, c.data_type.clone()));
    Arc::new(Schema::new(served.chain(provenance::fields(table)).collect::<Vec<_>>()))
}

/// A stored field with its unit, UCD and description from the catalog, or else from its own metadata.
pub fn described(table: Table, field: &Field) -> Field {
    let Some(family) = family(field) else { return field.clone() };
    let mut metadata = field.metadata().clone();
    if let Some(column) = known(table, family, field.name()) {
        let known = [(UNIT, column.unit), (UCD, column.ucd), (DESCRIPTION, column.description)];
        let known = known.into_iter().filter(|(_, value)| !value.is_empty());
        metadata.extend(known.map(|(key, value)| (key.to_string(), value.to_string())));
    }
    field.clone().with_metadata(metadata)
}

/// The same field with its served name, `r:psfFlux`; `None` for a column that is not served.
pub fn describe(table: Table, field: &Field) -> Option<Field> {
    Some(described(table, field).with_name(served_name(field)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{FAMILY, served_columns, type_name};

    #[test]
    fn every_line_is_a_column() {
        let header = "table,family,name,type,unit,ucd,last_schema,description";
        assert_eq!(CSV.lines().next(), Some(header));
        for line in CSV.lines().skip(1) {
            let (table, column) =
                parse_line(line).unwrap_or_else(|| panic!("not a column: {line}"));
            assert!(catalog(table).contains(&column), "{line}");
            assert_eq!(line.split(',').nth(3), Some(type_name(&column.data_type)), "{line}");
            let description = column.description;
            assert!(description.ends_with('.') && description.len() < 140, "{line}");
            assert!(!description.starts_with(|c: char| c.is_lowercase()), "{line}");
            assert!(!line.contains('"') && line.is_ascii(), "{line}");
        }
        let columns: usize = Table::ALL.map(|table| catalog(table).len()).iter().sum();
        assert_eq!(columns, CSV.lines().count() - 1);
    }

    #[test]
    fn names_are_sorted_and_unique() {
        for table in Table::ALL {
            assert!(catalog(table).is_sorted_by(|a, b| a.key() < b.key()), "{table:?}");
            for required in table.sort_columns().iter().chain([&table.id_column()]) {
                assert!(catalog(table).iter().any(|c| c.name == *required), "{table:?} {required}");
            }
        }
    }

    /// The units and UCD words in use: all of them pass astropy's VOUnit parser and
    /// `parse_ucd(check_controlled_vocabulary=True)`. A new one has to pass before it is added here.
    #[test]
    fn units_and_ucds_are_known() {
        let units = "Mpc arcsec arcsec**2 arcsec**4 arcsec.deg d deg deg**2 deg.arcsec mas mas**2/yr \
            mas**2/yr**2 mas/yr nJy nJy**2 nJy.arcsec nJy.deg nJy/d pixel pixel**2";
        let words = "arith.rate em.opt.B em.opt.I em.opt.R em.opt.U instr.background instr.bandpass \
            instr.det instr.det.psf meta.code meta.code.class meta.code.qual meta.id meta.id.assoc \
            meta.id.parent meta.main meta.note meta.number meta.version obs.exposure obs.field \
            phot.flux.density phys.angSize pos.angDistance pos.cartesian.x pos.cartesian.y pos.distance \
            pos.eq pos.eq.dec pos.eq.ra pos.parallax pos.pm pos.posAng src src.class \
            src.class.starGalaxy src.morph.param src.redshift src.redshift.phot src.var \
            stat.covariance stat.error stat.fit.chi2 stat.likelihood stat.max stat.mean stat.min \
            stat.param stat.probability stat.snr stat.stdev time.end time.epoch time.processing time.start";
        for column in Table::ALL.into_iter().flat_map(catalog) {
            let CatalogColumn { name, unit, ucd, .. } = column;
            assert!(
                unit.is_empty() || units.split(' ').any(|known| known == *unit),
                "{name}: {unit}"
            );
            for word in ucd.split(';').filter(|word| !word.is_empty()) {
                assert!(words.split(' ').any(|known| known == word), "{name}: {word}");
            }
        }
    }

    #[test]
    fn a_known_column_is_described() {
        let stored = stored_field(Family::Rubin, "psfFlux", DataType::Float32);
        let served = describe(Table::Fp, &stored).unwrap();
        assert_eq!(served.name(), "r:psfFlux");
        assert_eq!(served.data_type(), &DataType::Float32);
        assert_eq!(served.metadata()[FAMILY], "r");
        assert_eq!(served.metadata()[UNIT], "nJy");
        assert_eq!(served.metadata()[UCD], "phot.flux.density");
        assert!(served.metadata()[DESCRIPTION].contains("forced at the position of the diaObject"));
    }

    #[test]
    fn an_unknown_column_speaks_for_itself() {
        let mut stored = stored_field(Family::Rubin, "newFlux", DataType::Float32);
        stored.metadata_mut().insert(DESCRIPTION.into(), "A flux of tomorrow.".into());
        let served = describe(Table::Sources, &stored).unwrap();
        assert_eq!(served.name(), "r:newFlux");
        assert_eq!(served.metadata(), stored.metadata());
        let provenance = provenance::field(provenance::ALERT_ID).unwrap();
        assert_eq!(describe(Table::Sources, &provenance), None);
    }

    #[test]
    fn a_new_table_has_the_current_columns_and_provenance() {
        let columns = Table::ALL.map(|table| served_columns(&new_table_schema(table)).len());
        assert_eq!(columns, [131, 14, 90]);
        let sources = new_table_schema(Table::Sources);
        assert!(sources.field_with_name("is_negative").is_err());
        assert_eq!(sources.fields().len(), 131 + provenance::fields(Table::Sources).len());
    }
}
