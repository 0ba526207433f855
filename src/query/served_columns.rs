//! The columns that an endpoint serves. Each name that a client may ask for has its field and the expression that computes it: `r:` and
//! `f:` columns are stored, `v:` columns are computed by the server.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::Column;
use datafusion::execution::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::Columns;
use crate::error::Result;
use crate::nearest::nearest;
use crate::plan::OpenTable;
use crate::schema::{
    self, COMPUTED, ComputedColumn, OF_A_LIGHT_CURVE, OF_A_MEASUREMENT, OF_A_PLACE, Table,
};

/// For so many unknown names the nearest known one is looked for. A client may send thousands.
const LOOKED_FOR: usize = 20;

/// A column that can be asked for.
struct Served {
    field: Arc<Field>,
    expression: Expr,
    /// Whether it is served when no column is named.
    by_default: bool,
}

/// The columns of an endpoint, in byte-wise order of their names.
pub(crate) struct ServedColumns {
    columns: Vec<Served>,
    by_name: HashMap<String, usize>,
}

/// The columns of one answer, by their places among those that are served.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Those that are served when no column is named.
    Default,
    /// In the order asked, each once.
    Named(Box<[usize]>),
}

/// A name asked for that no column has.
#[derive(Clone, Debug, PartialEq)]
pub struct UnknownColumn {
    /// As it was asked for.
    pub name: String,
    /// The column that was perhaps meant; looked for of the first [`LOOKED_FOR`] alone.
    pub nearest: Option<String>,
}

/// The columns of one answer.
pub(crate) struct Selection {
    /// In the order asked.
    pub expressions: Vec<Expr>,
    /// The fields of the answer, under served names.
    pub schema: SchemaRef,
}

impl ServedColumns {
    /// Of the SQL `plan`, whose rows are of the first of `tables`, with what the second adds to them.
    pub(crate) fn new(
        session: &SessionState,
        plan: &LogicalPlan,
        tables: &[OpenTable],
    ) -> Result<Self> {
        let mut columns = Vec::new();
        for table in tables {
            let mut own = stored(table);
            own.retain(|column| !is_among(&columns, column));
            columns.extend(own);
        }
        let (of_both, by_default): (&[_], _) = match tables.get(1).map(|beside| beside.table) {
            Some(Table::Objects) => (&OF_A_PLACE, false),
            Some(_) => (&OF_A_LIGHT_CURVE, true),
            None => (&[], false),
        };
        columns.extend(computed(session, plan, of_both, by_default)?);
        columns.extend(computed(session, plan, &OF_A_MEASUREMENT, false)?);
        columns.sort_by(|a, b| a.field.name().cmp(b.field.name()));
        let names = columns.iter().map(|column| column.field.name().clone());
        let by_name = names.enumerate().map(|(i, name)| (name, i)).collect();
        Ok(Self { columns, by_name })
    }

    /// The fields of an answer when no column is named.
    pub(crate) fn schema(&self) -> SchemaRef {
        self.select(&Chosen::Default).schema
    }

    /// The fields of the columns that the server computes.
    pub(crate) fn computed(&self) -> SchemaRef {
        let fields = self.columns.iter().map(|column| column.field.clone());
        let prefix = format!("{COMPUTED}:");
        Arc::new(Schema::new(
            fields.filter(|field| field.name().starts_with(&prefix)).collect::<Vec<_>>(),
        ))
    }

    /// Those asked for that are known, each once, and the names of the others.
    pub(crate) fn choose(&self, asked: &Columns) -> (Chosen, Vec<UnknownColumn>) {
        let Columns::Named(names) = asked else { return (Chosen::Default, Vec::new()) };
        let (mut seen, mut unknown) = (vec![false; self.columns.len()], Vec::new());
        let known = names.iter().filter_map(|name| match self.by_name.get(name) {
            Some(&i) => (!mem::replace(&mut seen[i], true)).then_some(i),
            None => {
                let nearest = if unknown.len() < LOOKED_FOR { self.nearest(name) } else { None };
                unknown.push(UnknownColumn { name: name.clone(), nearest });
                None
            }
        });
        (Chosen::Named(known.collect()), unknown)
    }

    fn nearest(&self, name: &str) -> Option<String> {
        let known = self.columns.iter().map(|column| column.field.name().as_str());
        nearest(name, known).map(str::to_string)
    }

    /// What the chosen columns are computed from.
    pub(crate) fn select(&self, chosen: &Chosen) -> Selection {
        let chosen: Vec<&Served> = match chosen {
            Chosen::Default => self.columns.iter().filter(|column| column.by_default).collect(),
            Chosen::Named(places) => places.iter().map(|&i| &self.columns[i]).collect(),
        };
        let fields: Vec<_> = chosen.iter().map(|column| column.field.clone()).collect();
        let expressions = chosen.iter().map(|column| column.expression.clone()).collect();
        Selection { expressions, schema: Arc::new(Schema::new(fields)) }
    }
}

fn stored(table: &OpenTable) -> Vec<Served> {
    let columns = schema::served_columns(&table.schema).into_iter().filter_map(|(_, i)| {
        let stored = table.schema.field(i);
        let field = Arc::new(schema::describe(table.table, stored)?);
        let expression = Expr::Column(Column::from_name(stored.name()));
        Some(Served { field, expression, by_default: true })
    });
    columns.collect()
}

fn is_among(columns: &[Served], column: &Served) -> bool {
    columns.iter().any(|known| known.field.name() == column.field.name())
}

/// Those of `columns` whose SQL names columns that the plan has.
fn computed(
    session: &SessionState,
    plan: &LogicalPlan,
    columns: &[ComputedColumn],
    by_default: bool,
) -> Result<Vec<Served>> {
    let mut served = Vec::new();
    for column in columns {
        // Tables that others wrote may lack columns that it is computed from.
        let Ok(expression) = session.create_logical_expr(column.sql, plan.schema()) else {
            continue;
        };
        let field = column.field(expression.get_type(plan.schema())?);
        let expression = expression.alias(field.name());
        served.push(Served { field: Arc::new(field), expression, by_default });
    }
    Ok(served)
}
