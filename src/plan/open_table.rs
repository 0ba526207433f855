//! A table whose snapshot is chosen later: all that the plan of a lookup depends on, which is the table's schema and the order of its
//! files. Such a plan serves every snapshot that has the same of both.

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
use crate::index::TableIndex;
use crate::schema::Table;

/// What a plan needs to know of a snapshot.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenTable {
    /// Which table it is.
    pub table: Table,
    /// The stored columns.
    pub schema: SchemaRef,
    /// The columns by which the rows of the files are sorted, one file after the other.
    pub sorted_by: &'static [&'static str],
}

impl OpenTable {
    /// What the plan of a lookup needs to know of the snapshot of an index.
    pub fn from_index(index: &TableIndex) -> Self {
        let snapshot = &index.snapshot;
        let sorted_by = match index.in_order() {
            true => groups::sort_columns(snapshot.table, snapshot.files.iter()),
            false => &[],
        };
        Self { table: snapshot.table, schema: snapshot.schema.clone(), sorted_by }
    }

    /// The lookup of the objects that `filters` name, not bound yet.
    pub(super) fn lookup(
        &self,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
    ) -> Result<LookupExec> {
        let schema = project_schema(&self.schema, projection)?;
        let order = groups::ascending(self.sorted_by, &schema);
        Ok(LookupExec::new(self.table, schema, order, filters))
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
            return internal_err!(
                "a scan of {} is no lookup, and has no snapshot",
                self.table.name()
            );
        }
        Ok(Arc::new(self.lookup(projection, filters)?))
    }
}

/// In a lookup, DataFusion need not test again what the index answers exactly. It tests all other filters itself.
pub(crate) fn pushed_down(filters: &[&Expr]) -> Vec<TableProviderFilterPushDown> {
    let is_lookup = condition::name_objects(filters.iter().copied());
    let support = |filter: &&Expr| match is_lookup && condition::is_exact(filter) {
        true => TableProviderFilterPushDown::Exact,
        false => TableProviderFilterPushDown::Inexact,
    };
    filters.iter().map(support).collect()
}
