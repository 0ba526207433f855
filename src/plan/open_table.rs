//! A table of which no snapshot is chosen. In: its schema, and the order of its files. Out: plans that look objects up in any snapshot that
//! has both.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, internal_err};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::{ExecutionPlan, project_schema};

use super::condition;
use super::groups;
use super::lookup::LookupExec;
use super::table::SnapshotTable;
use crate::schema::Table;

/// What a plan needs to know of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenTable {
    pub table: Table,
    pub schema: SchemaRef,
    /// The columns by which the rows of the files are sorted, one file after the other.
    pub sorted_by: &'static [&'static str],
}

impl OpenTable {
    pub fn from_snapshot(table: &SnapshotTable) -> Self {
        let snapshot = table.snapshot();
        let sorted_by = match table.index().in_order() {
            true => groups::sort_columns(snapshot.table, snapshot.files.iter()),
            false => &[],
        };
        Self { table: snapshot.table, schema: snapshot.schema.clone(), sorted_by }
    }
}

#[async_trait]
impl TableProvider for OpenTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(pushed_down(filters))
    }

    async fn scan(
        &self,
        _: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if !condition::name_objects(filters) {
            return internal_err!("a scan of {} without a snapshot", self.table.name());
        }
        let schema = project_schema(&self.schema, projection)?;
        Ok(Arc::new(LookupExec::new(self, schema, filters)))
    }
}

/// A lookup's own conditions the index answers to the row; any other test is DataFusion's, too.
pub fn pushed_down(filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    let is_lookup = condition::name_objects(filters.iter().copied());
    let support = |filter: &&Expr| match is_lookup && condition::is_exact(filter) {
        true => TableProviderFilterPushDown::Exact,
        false => TableProviderFilterPushDown::Inexact,
    };
    filters.iter().map(support).collect()
}
