//! A snapshot as a table of DataFusion's. A filter that names objects is answered by a lookup in the key index, and so is one that asks for
//! a part of the sky, if the table of places knows which objects lie there. All other scans are
//! DataFusion's own, of the files that the log's ranges leave, with projection and filters pushed down.

use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::datasource::physical_plan::{FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::functions_nested::expr_fn::array_has;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, ident, placeholder};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::{ExecutionPlan, project_schema};

use super::named_files::NamedFiles;
use super::nan::HonestStatistics;
use super::newest::{newest, number_column, with_number};
use super::open_table::{OpenTable, pushed_down};
use super::{ParameterValues, condition, files, groups, region};
use crate::index::TableIndex;
use crate::scan::Places;
use crate::schema::KEY;
use crate::warehouse::{DataFile, Snapshot, UpdatedKeys};

/// More objects are not looked up by their ids: that goes on one thread, a look at all rows on all of them.
const MOST_OBJECTS_THERE: usize = 1 << 16;
/// The parameter of a lookup that has them.
const THERE: &str = "there";

/// One version of one table.
#[derive(Debug)]
pub struct SnapshotTable {
    index: Arc<TableIndex>,
    /// Which objects lie where.
    places: Arc<Places>,
}

impl SnapshotTable {
    /// The table of an index's snapshot.
    pub fn new(index: Arc<TableIndex>, places: Arc<Places>) -> Self {
        Self { index, places }
    }

    /// The files of the version, and the schema of its rows.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.index.snapshot
    }

    /// The index that finds its rows.
    pub fn index(&self) -> &Arc<TableIndex> {
        &self.index
    }

    /// The name under which this table's store is registered for the scan.
    pub fn store_url(snapshot: &Snapshot) -> Result<ObjectStoreUrl> {
        ObjectStoreUrl::parse(format!("diaflight://{}", snapshot.table.name()))
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        self.snapshot().schema.clone()
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
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if condition::name_objects(filters) {
            let lookup = OpenTable::from_index(&self.index).lookup(projection, filters)?;
            return Ok(Arc::new(lookup.bound(&self.index, &ParameterValues::new())?));
        }
        if let Some(objects) = self.objects_there(filters).await? {
            let named = array_has(placeholder(format!("${THERE}")), ident(KEY));
            let filters = [filters, &[named]].concat();
            let lookup = OpenTable::from_index(&self.index).lookup(projection, &filters)?;
            return Ok(Arc::new(lookup.bound(&self.index, &vec![(THERE, objects)])?));
        }
        let predicate = self.predicate(state, filters)?;
        match self.index.updated_keys().await? {
            None => self.whole(state, projection, predicate, limit),
            Some(updated) => self.newest(state, projection, predicate, updated),
        }
    }
}

impl SnapshotTable {
    /// The objects that may have a row in the part of the sky that filters ask for, as a list; `None` if they ask for none, or a look at
    /// all rows is the better way: there are many objects, or files whose places are not known.
    async fn objects_there(&self, filters: &[Expr]) -> Result<Option<ScalarValue>> {
        let Some(places) = self.places.current() else { return Ok(None) };
        // Rows that belong to no object are in no table of places.
        let may_lack_keys = self.snapshot().files.iter().any(|file| file.may_lack_keys);
        if may_lack_keys || !places.have_all(self.snapshot()) {
            return Ok(None);
        }
        let Some(cells) = region::cells(filters) else { return Ok(None) };
        let objects = places.objects(cells, MOST_OBJECTS_THERE).await?;
        let are_few = objects.len() <= MOST_OBJECTS_THERE;
        let list = SingleRowListArrayBuilder::new(Arc::new(Int64Array::from(objects)));
        Ok(are_few.then(|| list.build_list_scalar()))
    }

    /// The rows of a scan that are the newest of their objects. That is a question to each row alone, so all filters may come before it.
    fn newest(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        updated: &Arc<UpdatedKeys>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let schema = self.schema();
        let (key, number) = (schema.index_of(KEY)?, schema.fields().len());
        let wanted = projection.cloned().unwrap_or_else(|| (0..number).collect());
        let mut read = wanted.clone();
        read.extend((!wanted.contains(&key)).then_some(key));
        read.push(number);
        let rows = self.whole(state, Some(&read), predicate, None)?;
        newest(rows, updated, wanted.len())
    }

    /// DataFusion's scan of the files that the predicate does not rule out. After the columns of the table comes the number of the update
    /// that a file has rows of.
    fn whole(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        predicate: Option<Arc<dyn PhysicalExpr>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let snapshot = self.snapshot();
        let every = || (0..snapshot.schema.fields().len()).collect();
        let read = projection.cloned().unwrap_or_else(every);
        let files = files::left(snapshot, predicate.as_ref())?;
        if files.is_empty() {
            let schema = project_schema(&with_number(&snapshot.schema), Some(&read))?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let scanned = |file: DataFile| {
            let scanned = groups::scanned(&file, snapshot.name_of(&file));
            (file, scanned)
        };
        let files: Vec<_> = files.into_iter().map(scanned).collect();
        let footers = state.runtime_env().cache_manager.get_file_metadata_cache();
        let reader = NamedFiles::new(snapshot, footers);
        let mut in_path = snapshot.partition_columns();
        let in_files = snapshot.schema.fields().len() - in_path.len();
        let in_files = Arc::new(snapshot.schema.project(&Vec::from_iter(0..in_files))?);
        in_path.push(Arc::new(number_column()));
        let columns = TableSchema::builder(in_files).with_table_partition_cols(in_path).build();
        let source = ParquetSource::new(columns)
            .with_table_parquet_options(state.table_options().parquet.clone())
            .with_pushdown_filters(true)
            .with_parquet_file_reader_factory(Arc::new(reader));
        let schema = with_number(&snapshot.schema);
        let statistics = groups::scan_statistics(&files, &schema);
        let described = files.iter().map(|(file, _)| file);
        let order = groups::sort_columns(snapshot.table, described);
        let order = groups::ascending(order, &schema);
        let files = files.into_iter().map(|(file, mut scanned)| {
            let statistics = groups::file_statistics(snapshot.table, &file, &schema);
            scanned.statistics = Some(statistics);
            (file, scanned)
        });
        let partitions = state.config().target_partitions();
        let groups = groups::arrange(files.collect(), partitions);
        let order = order.filter(|_| groups.ordered);
        let scan = FileScanConfigBuilder::new(Self::store_url(snapshot)?, Arc::new(source))
            .with_file_groups(groups.groups)
            .with_output_ordering(order.into_iter().collect())
            .with_statistics(statistics)
            .with_projection_indices(Some(read))?
            .with_limit(limit)
            .with_expr_adapter(Some(Arc::new(HonestStatistics)))
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// All filters as one predicate.
    fn predicate(
        &self,
        state: &dyn Session,
        filters: &[Expr],
    ) -> Result<Option<Arc<dyn PhysicalExpr>>> {
        let Some(filter) = conjunction(filters.to_vec()) else { return Ok(None) };
        let schema = DFSchema::try_from(self.schema())?;
        state.create_physical_expr(filter, &schema).map(Some)
    }
}
