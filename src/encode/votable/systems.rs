//! The coordinate and time systems that columns of a VOTable refer to.

use arrow::datatypes::Field;

use crate::schema::{UCD, UNIT};

/// A coordinate or time system that columns refer to.
pub(super) struct System {
    pub id: &'static str,
    pub element: &'static str,
    pub attributes: &'static [(&'static str, &'static str)],
}

/// Rubin's positions, and its times: MJD in TAI at the telescope.
pub(super) static SYSTEMS: [System; 2] = [
    System { id: "icrs", element: "COOSYS", attributes: &[("ID", "icrs"), ("system", "ICRS")] },
    System {
        id: "tai",
        element: "TIMESYS",
        attributes: &[
            ("ID", "tai"),
            ("timeorigin", "MJD-origin"),
            ("timescale", "TAI"),
            ("refposition", "TOPOCENTER"),
        ],
    },
];

/// The system of a column, by its unit and its UCD or name.
pub(super) fn system(field: &Field) -> Option<&'static str> {
    let about = |key| field.metadata().get(key).map_or("", String::as_str);
    let is_position = |ucd: &str| {
        ["pos.eq.ra", "pos.eq.dec", "POS_EQ_"].iter().any(|known| ucd.starts_with(known))
    };
    match about(UNIT) {
        "deg" if is_position(about(UCD)) => Some("icrs"),
        "d" if field.name().contains("MjdTai") => Some("tai"),
        _ => None,
    }
}
