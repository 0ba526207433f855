//! What there is to select from. In: nothing. Out: the description of a table or a view.

use arrow::datatypes::SchemaRef;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Table,
    View,
}

/// Something to select from.
#[derive(Clone, Debug)]
pub struct Relation {
    pub name: String,
    pub kind: RelationKind,
    /// As the rows of `SELECT *` have it; fields are described.
    pub schema: SchemaRef,
}
