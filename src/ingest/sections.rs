//! Which sections of a packet become which columns: the mapping of LSST schema 10.0 with Fink's
//! columns to the tables, as data. The fields of the sections come from each file's own schema.

use arrow::datatypes::Field;

use crate::schema::{Family, Table, family};

pub(crate) const DIA_SOURCE: &str = "diaSource";
pub(crate) const DIA_OBJECT: &str = "diaObject";
pub(crate) const FORCED: &str = "prvDiaForcedSources";
pub(crate) const HISTORY: &str = "prvDiaSources";

/// A record of the packet whose fields become columns.
pub(crate) struct Section {
    /// The name of the record; `None` for the packet itself.
    pub record: Option<&'static str>,
    /// The fields to take; `None` for all that are scalar.
    pub only: Option<&'static [&'static str]>,
    pub family: Family,
    /// The prefix of the columns' names.
    pub prefix: &'static str,
}

const CIRCUMSTANCES: Section = Section {
    record: None,
    only: Some(&["observation_reason", "target_name"]),
    family: Family::Rubin,
    prefix: "",
};
const VERSIONS: Section = Section {
    record: None,
    only: Some(&["fink_broker_version", "fink_science_version", "lsst_schema_version"]),
    family: Family::Fink,
    prefix: "",
};

const fn record(name: &'static str, family: Family, prefix: &'static str) -> Section {
    Section { record: Some(name), only: None, family, prefix }
}

const SOURCES: &[Section] = &[
    CIRCUMSTANCES,
    record(DIA_SOURCE, Family::Rubin, ""),
    VERSIONS,
    record("clf", Family::Fink, "clf_"),
    record("xm", Family::Fink, "xm_"),
];

const OBJECTS: &[Section] = &[
    CIRCUMSTANCES,
    record(DIA_OBJECT, Family::Rubin, ""),
    record("pred", Family::Fink, ""),
    Section { only: Some(&["firstDiaSourceMjdTaiFink"]), ..record("misc", Family::Fink, "") },
];

/// The sections of a table with one row per packet; none for forced photometry, which comes from a list,
/// and for places, which come from the sources.
pub(crate) fn for_table(table: Table) -> &'static [Section] {
    match table {
        Table::Sources => SOURCES,
        Table::Objects => OBJECTS,
        Table::Fp | Table::Places => &[],
    }
}

/// Where the values of a column of a table with one row per packet come from: the section, and the field's name in it. It is the section
/// that names the field, or else the one of the column's family and prefix. Provenance has none.
pub(crate) fn source_of(table: Table, column: &Field) -> Option<(&'static Section, &str)> {
    let of_family = || {
        let sections = for_table(table).iter();
        let sections = sections.filter(|section| Some(section.family) == family(column));
        sections.filter_map(|section| Some((section, column.name().strip_prefix(section.prefix)?)))
    };
    let names = |(section, field): &(&Section, &str)| {
        section.only.is_some_and(|fields| fields.contains(field))
    };
    let takes_all = |(section, _): &(&Section, &str)| section.only.is_none();
    of_family().find(names).or_else(|| of_family().find(takes_all))
}

/// Whether a field of the packet is read. The history is read if it is asked for.
pub(crate) fn is_stored(field: &str, history: bool) -> bool {
    let holds = |section: &Section| match section.record {
        Some(record) => record == field,
        None => section.only.is_some_and(|fields| fields.contains(&field)),
    };
    field == FORCED || (field == HISTORY && history) || SOURCES.iter().chain(OBJECTS).any(holds)
}
