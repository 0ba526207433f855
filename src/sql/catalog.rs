//! What a statement can select from, as a schema of DataFusion's: the tables, the views, and each table at any version or time, such as
//! `sources@12` or `"sources@2026-11-23T01:00:00Z"`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use chrono::Utc;
use datafusion::catalog::{SchemaProvider, TableProvider};
use datafusion::common::{Result, plan_err};
use parking_lot::RwLock;

use crate::plan::SnapshotTable;
use crate::query::{Engine, TAGGED_SOURCES};
use crate::schema::Table;
use crate::warehouse::AsOf;

/// The views, each after those that it reads. A view exists if the tables and the columns that it reads do. Its file describes the columns
/// that it adds.
pub(crate) const VIEWS: &[(&str, &str)] = &[
    ("light_curves", include_str!("../../sql/views/light_curves.sql")),
    ("newest_objects", include_str!("../../sql/views/newest_objects.sql")),
    ("nights", include_str!("../../sql/views/nights.sql")),
    TAGGED_SOURCES,
];

/// What a statement selects from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    /// A stored table.
    Table,
    /// A view over tables.
    View,
}

/// Something to select from.
#[derive(Clone, Debug)]
pub struct Relation {
    /// Its name in statements.
    pub name: String,
    /// Whether it is a table or a view.
    pub kind: RelationKind,
    /// The schema of `SELECT *`, with descriptions of its fields.
    pub schema: SchemaRef,
}

type Relations = BTreeMap<String, Arc<dyn TableProvider>>;

/// The relations of one session.
pub(crate) struct Catalog {
    engine: Engine,
    relations: RwLock<Relations>,
    /// Views that do not exist, and why.
    left_out: RwLock<BTreeMap<&'static str, String>>,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Catalog").field(&self.table_names()).finish()
    }
}

impl Catalog {
    /// The tables of some snapshots. Views are added to them.
    pub(crate) fn new(engine: Engine, tables: &[Arc<SnapshotTable>]) -> Self {
        let relations = tables.iter().map(|table| {
            let relation: Arc<dyn TableProvider> = table.clone();
            (table.snapshot().table.name().to_string(), relation)
        });
        Self { engine, relations: RwLock::new(relations.collect()), left_out: RwLock::default() }
    }

    /// Adds a relation under its name.
    pub(crate) fn add(&self, name: &str, relation: Arc<dyn TableProvider>) {
        let mut relations = self.relations.write();
        relations.insert(name.to_string(), relation);
    }

    /// Notes why a view does not exist, for the error of statements that name it.
    pub(crate) fn leave_out(&self, view: &'static str, reason: String) {
        self.left_out.write().insert(view, reason);
    }

    fn get(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.relations.read().get(name).cloned()
    }
}

#[async_trait]
impl SchemaProvider for Catalog {
    fn table_names(&self) -> Vec<String> {
        self.relations.read().keys().cloned().collect()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let left_out = self.left_out.read().get(name).cloned();
        if let Some(reason) = left_out {
            return plan_err!("the view {name} is not available: {reason}");
        }
        let Some((table, version)) = name.split_once('@') else { return Ok(self.get(name)) };
        let Some(table) = Table::from_name(table) else { return Ok(None) };
        let as_of = AsOf::parse(version).map_err(|error| error.context(name))?;
        // A statement cannot return a warning, and its rows would differ once that time has come.
        if let AsOf::Time(time) = &as_of
            && *time > Utc::now()
        {
            return plan_err!("{name} is in the future: name a past time, or {}", table.name());
        }
        Ok(Some(self.engine.table(table, Some(&as_of)).await?))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
