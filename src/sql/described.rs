//! What is known of a statement's columns. In: the schema of a plan. Out: the same, where a column that is one of a table
//! has the unit, UCD and description that its table gives it. What is computed speaks for itself.

use arrow::datatypes::{Field, Schema};
use datafusion::common::{DFSchema, TableReference};

use crate::schema::{self, Table};

pub fn described(plan: &DFSchema) -> Schema {
    let fields = plan.iter().map(|(relation, field)| match relation.and_then(table) {
        Some(table) => schema::described(table, field),
        None => Field::clone(field),
    });
    Schema::new(fields.collect::<Vec<_>>())
}

/// `sources@12` is the table `sources`, too.
fn table(relation: &TableReference) -> Option<Table> {
    Table::from_name(relation.table().split('@').next()?)
}
