//! `/api/v1/fp`: forced photometry, one row per diaForcedSource of the asked objects, newest first.

use super::endpoint::Definition;
use crate::schema::Table;

pub const DEFINITION: Definition = Definition {
    table: Table::Fp,
    about: "The forced photometry of objects, one row per diaForcedSource: ask with diaObjectId, and columns, output-format if you like.",
};
