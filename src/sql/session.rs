//! A session for statements: the tables of some snapshots, the views over them and the functions. Nothing changes it once it is made.

use std::sync::Arc;
use std::time::Duration;

use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider, TableProvider};
use datafusion::common::DFSchema;
use datafusion::datasource::{TableType, ViewTable};
use datafusion::execution::SessionState;
use datafusion::execution::cache::cache_manager::CacheManagerConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::logical_expr::registry::FunctionRegistry;
use datafusion::prelude::SessionConfig;

use super::catalog::{Catalog, Relation, RelationKind, VIEWS};
use super::extent::{self, CONSTANTS};
use super::growing;
use super::plain_types::answer_schema;
use super::positional::NoPositionalJoins;
use super::stoppable::Stoppable;
use super::versions::SqlVersions;
use crate::error::{Error, Result};
use crate::plan::{SnapshotTable, base_config, base_state};
use crate::query::Engine;

/// The name of the one catalog of statements.
pub const CATALOG: &str = "diaflight";
/// The name of its one schema.
pub const SCHEMA: &str = "public";

/// The limits of statements.
#[derive(Clone, Debug)]
pub struct SqlOptions {
    /// Memory of all statements together for sorts, joins and groups; beyond it they spill to temporary files or fail.
    pub memory_bytes: usize,
    /// Temporary files of all statements together.
    pub temp_bytes: u64,
    /// How long a statement may run, to its last row.
    pub time_limit: Duration,
    /// Statements that run at the same time.
    pub max_concurrent_statements: usize,
    /// How long a statement over that number waits for a place before it is refused.
    pub queue_limit: Duration,
}

impl SqlOptions {
    /// The usual limits.
    pub const DEFAULT: Self = Self {
        memory_bytes: 1 << 30,
        temp_bytes: 10 << 30,
        time_limit: Duration::from_secs(300),
        max_concurrent_statements: 4,
        queue_limit: Duration::from_secs(1),
    };
}

/// What all sessions share: memory, temporary files, stores, the footers the engine holds.
pub(crate) type Environment = Arc<RuntimeEnv>;

/// An environment with the limits of `options`.
pub(crate) fn environment(engine: &Engine, options: &SqlOptions) -> Result<Environment> {
    let footers = engine.footers();
    let caches = CacheManagerConfig::default()
        .with_metadata_cache_limit(footers.cache_limit())
        .with_file_metadata_cache(Some(footers));
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::OsTmpDirectory)
        .with_max_temp_directory_size(options.temp_bytes);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(options.memory_bytes)))
        .with_disk_manager_builder(disk)
        .with_cache_manager(caches)
        .build_arc()?;
    Ok(environment)
}

/// What statements on the same snapshots are planned with.
pub(crate) struct Session {
    /// The versions of the tables.
    pub versions: SqlVersions,
    /// DataFusion's state, which has the tables, views and functions.
    pub state: SessionState,
    catalog: Arc<Catalog>,
}

impl Session {
    /// A session over `tables`, which are of `versions`.
    pub(crate) async fn new(
        engine: &Engine,
        environment: &Environment,
        tables: Vec<Arc<SnapshotTable>>,
        versions: SqlVersions,
    ) -> Result<Self> {
        for table in &tables {
            let snapshot = table.snapshot();
            let url = SnapshotTable::store_url(snapshot)?;
            environment.register_object_store(url.as_ref(), snapshot.store.clone());
        }
        let catalog = Arc::new(Catalog::new(engine.clone(), &tables));
        let state = state(environment, catalog.clone())?;
        for (name, text) in VIEWS {
            match view(&state, text).await {
                Ok(view) => catalog.add(name, view),
                // A table does not exist yet, or others wrote it and it lacks a column.
                Err(error) => catalog.leave_out(name, error.to_string()),
            }
        }
        Ok(Self { versions, state, catalog })
    }

    /// The state for a plan that runs now: `now()` and its like have this time.
    pub(crate) fn state_now(&self) -> SessionState {
        let mut state = self.state.clone();
        state.mark_start_execution();
        state
    }

    /// Tables and views, by name.
    pub(crate) async fn relations(&self) -> Result<Vec<Relation>> {
        use datafusion::catalog::SchemaProvider;
        let mut relations = Vec::new();
        for name in self.catalog.table_names() {
            if let Some(provider) = self.catalog.table(&name).await? {
                let kind = match provider.table_type() {
                    TableType::View => RelationKind::View,
                    TableType::Base | TableType::Temporary => RelationKind::Table,
                };
                let schema =
                    DFSchema::try_from_qualified_schema(name.as_str(), &provider.schema())?;
                let schema = answer_schema(&schema);
                relations.push(Relation { name, kind, schema: Arc::new(schema) });
            }
        }
        Ok(relations)
    }
}

fn state(environment: &Environment, schema: Arc<Catalog>) -> Result<SessionState> {
    let mut config: SessionConfig = base_config()
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    let options = config.options_mut();
    // The scan of a whole table is divided among all cores.
    options.optimizer.repartition_file_scans = true;
    // An ORDER BY in the text of a view is kept.
    options.sql_parser.enable_subquery_sort_elimination = false;
    let mut state = base_state(config, environment.clone())
        .with_optimizer_rule(Arc::new(CONSTANTS))
        .with_physical_optimizer_rule(Arc::new(NoPositionalJoins))
        .with_physical_optimizer_rule(Arc::new(Stoppable))
        .build();
    for name in ["arrow_cast", "arrow_try_cast"] {
        let cast = state.udf(name)?;
        state.register_udf(Arc::new(extent::bounded(cast)))?;
    }
    state.register_function_rewrite(Arc::new(growing::GrowthLimits))?;
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, schema)?;
    state.catalog_list().register_catalog(CATALOG.to_string(), Arc::new(catalog));
    Ok(state)
}

async fn view(state: &SessionState, text: &str) -> Result<Arc<dyn TableProvider>> {
    let plan = state.create_logical_plan(text).await.map_err(Error::from_statement)?;
    Ok(Arc::new(ViewTable::new(plan, Some(text.to_string()))))
}
