//! `/api/v1/sources`: the light curve, one row per diaSource of the asked objects, newest first.

use super::endpoint::Definition;
use crate::schema::Table;

pub const DEFINITION: Definition = Definition {
    table: Table::Sources,
    about: "The light curves of objects, one row per diaSource: ask with diaObjectId, and columns, midpointMjdTai, withupperlim, output-format if you like.",
};
