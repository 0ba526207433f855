//! `/api/v1/objects`: one row per diaObject, its newest state, in the order of the ids.

use super::endpoint::Definition;
use crate::schema::Table;

pub const DEFINITION: Definition = Definition {
    table: Table::Objects,
    about: "The newest state of objects, one row per diaObject: ask with diaObjectId, and columns, output-format if you like.",
};
