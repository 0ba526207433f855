//! A snapshot as a DataFusion table. In: a snapshot. Out: scans that open only the files, row groups and
//! pages that the key index names, with projection and filters pushed down to the Parquet reader.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_expr::utils::{Guarantee, LiteralGuarantee};
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, project_schema};

use super::index;
use crate::schema::KEY;
use crate::warehouse::{Snapshot, StoredNames};

/// One version of one table.
#[derive(Debug)]
pub struct SnapshotTable {
    snapshot: Arc<Snapshot>,
}

impl SnapshotTable {
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot }
    }

    /// The name under which this table's store is registered for the scan.
    pub fn store_url(snapshot: &Snapshot) -> Result<ObjectStoreUrl> {
        ObjectStoreUrl::parse(format!("diaflight://{}", snapshot.table.name()))
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.snapshot.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        // The index prunes by pages; the exact test is DataFusion's own, pushed into the Parquet
        // reader by its optimizer.
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
        let files = match self.asked_keys(state, filters)? {
            Some(keys) => index::select(&self.snapshot, &keys, &footers).await?,
            None => index::everything(&self.snapshot),
        };
        if files.is_empty() {
            let schema = project_schema(&self.schema(), projection)?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let reader = CachedParquetFileReaderFactory::new(self.snapshot.store.clone(), footers);
        let source = ParquetSource::new(self.schema())
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_pushdown_filters(true)
            .with_parquet_file_reader_factory(Arc::new(reader));
        let groups = FileGroup::new(files).split_files(state.config().target_partitions());
        let scan = FileScanConfigBuilder::new(Self::store_url(&self.snapshot)?, Arc::new(source))
            .with_file_groups(groups)
            .with_projection_indices(projection.cloned())?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(StoredNames)))
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }
}

impl SnapshotTable {
    /// The keys outside of which the filters hold for no row, sorted; `None`: any key may hold.
    fn asked_keys(&self, state: &dyn Session, filters: &[Expr]) -> Result<Option<Vec<i64>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(self.schema())?;
        let predicate = state.create_physical_expr(filter, &schema)?;
        let guarantees = LiteralGuarantee::analyze(&predicate);
        let of_key =
            guarantees.iter().find(|g| g.column.name() == KEY && g.guarantee == Guarantee::In);
        Ok(of_key.map(|guarantee| {
            let keys = guarantee.literals.iter().filter_map(|literal| match literal {
                ScalarValue::Int64(key) => *key,
                _ => None,
            });
            BTreeSet::from_iter(keys).into_iter().collect()
        }))
    }
}
