//! The engine, through which all tables are read: it answers a [`Query`] with an [`Answer`], or explains how it would.

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{EmptyRecordBatchStream, execute_stream};
use futures::StreamExt;

use super::file_check::check_files;
use super::follow::{Tables, follow};
use super::plans::Planned;
use super::prepared_tables::{Planners, PreparedTables, Shared};
use super::split::{self, Split};
use super::{EngineOptions, Query, Rows, UnknownColumn, Versions, explain, large, samples};
use crate::error::{Error, Result};
use crate::index::IndexCache;
use crate::plan::SnapshotTable;
use crate::schema::{self, Table};
use crate::warehouse::{AsOf, LeftOut};

/// The rows of a query as a stream, and what a client is told beside them.
pub struct Answer {
    /// Equal to the stream's schema: served names (`r:psfFlux`), with unit, UCD and description as metadata of the fields, and the table
    /// and its snapshot as metadata of the schema.
    pub schema: SchemaRef,
    /// The snapshots that all rows are from.
    pub versions: Versions,
    /// The table of the first of these snapshots.
    pub table: Arc<SnapshotTable>,
    /// Names asked for that the table does not have.
    pub unknown_columns: Vec<UnknownColumn>,
    /// Whether more than a few pages are read: then the workers have to make it, and it has memory of its own.
    pub is_large: bool,
    /// Batches in the order of the query. Dropping the stream stops the work.
    pub rows: SendableRecordBatchStream,
}

/// Answers queries from the newest snapshots, or from older ones that are asked for. Cheap to clone: all clones share snapshots and caches.
///
/// ```
/// use diaflight::query::{Columns, Engine, EngineOptions, Query};
/// use diaflight::schema::Table;
/// use diaflight::survey::{self, Nights, SurveyOptions};
/// use diaflight::warehouse::Warehouse;
/// use futures::TryStreamExt;
///
/// # #[tokio::main]
/// # async fn main() -> diaflight::error::Result<()> {
/// let warehouse = Warehouse::open("memory://example")?;
/// survey::generate(&warehouse, &SurveyOptions { objects: 3, seed: 1, nights: Nights::ALL }, &|_| {}).await?;
///
/// let engine = Engine::open(EngineOptions::from_warehouse(&warehouse)).await?;
/// let ids = engine.some_objects(Table::Sources, 1).await?;
/// let columns = Columns::Named(vec!["r:midpointMjdTai".into(), "r:psfFlux".into()]);
/// let answer = engine.run(&Query::newest_first(Table::Sources, ids, columns)).await?;
///
/// let names: Vec<_> = answer.schema.fields().iter().map(|field| field.name().as_str()).collect();
/// assert_eq!(names, ["r:midpointMjdTai", "r:psfFlux"]);
/// let batches: Vec<_> = answer.rows.try_collect().await?;
/// assert!(batches.iter().map(|batch| batch.num_rows()).sum::<usize>() > 0);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    pub(super) tables: Arc<Tables>,
}

impl Engine {
    /// Opens the tables that exist and follows them until the last clone is dropped. A table that
    /// does not exist yet is looked for again at each refresh.
    pub async fn open(options: EngineOptions) -> Result<Self> {
        let runtime = RuntimeEnvBuilder::new()
            .with_metadata_cache_limit(options.footer_cache_bytes)
            .build_arc()?;
        let shared = Shared {
            runtime,
            index: Arc::new(IndexCache::new(options.index_bytes)),
            places: Arc::default(),
            planners: Planners::default(),
            spare: Arc::new(GreedyMemoryPool::new(options.spare_bytes)),
        };
        let refresh = options.refresh;
        let tables = Arc::new(Tables::new(options, shared));
        if let Some((_, error)) = tables.refresh().await.into_iter().next() {
            return Err(error);
        }
        tables.warn_of_empty_folders();
        follow(&tables);
        check_files(&tables, refresh);
        Ok(Self { tables })
    }

    /// Whether every table can be read. Errors: `NotReady` while one does not exist, or while its store has not answered for long.
    pub fn ready(&self) -> Result<()> {
        self.tables.are_ready()
    }

    /// The columns of a table's files that are not served, and why.
    pub fn left_out(&self, table: Table) -> Vec<LeftOut> {
        let current = self.tables.current(table);
        current.map(|current| current.snapshot().left_out.clone()).unwrap_or_default()
    }

    /// The versions a query would be answered from, and nothing else: for `If-None-Match`.
    /// `NotReady` where the table does not exist (yet), `Argument` for an `as_of` that is not there.
    pub async fn versions(&self, query: &Query) -> Result<Versions> {
        Ok(self.prepared_for(query).await?.versions())
    }

    /// The served schema of a table, described.
    pub fn schema(&self, table: Table) -> Result<SchemaRef> {
        Ok(self
            .tables
            .current(table)
            .ok_or_else(|| self.tables.absent(table))?
            .planner()
            .columns()
            .schema())
    }

    /// The columns that the server computes of a table, and those that come with upper limits.
    pub async fn computed_schema(&self, table: Table) -> Result<SchemaRef> {
        let plain = self.prepared(table, None).await?;
        let with_limits = match table {
            Table::Sources => self.beside(Table::Fp, None, None).await.ok(),
            Table::Objects | Table::Fp | Table::Places => None,
        };
        Ok(with_limits.unwrap_or(plain).planner().columns().computed())
    }

    /// Plans and starts a query.
    pub async fn run(&self, query: &Query) -> Result<Answer> {
        self.run_on(&*self.prepared_for(query).await?, query).await
    }

    /// The same on tables that are not those of the query's version.
    pub(super) async fn run_on(&self, prepared: &PreparedTables, query: &Query) -> Result<Answer> {
        let (planner, tables) = (prepared.planner(), prepared.tables());
        let (Planned { plan, schema }, unknown_columns) = planner.plan(query, tables).await?;
        let versions = prepared.versions();
        let schema = schema::answer_schema(&schema, query.table(), &versions.to_string());
        let is_large = match &plan {
            Some(plan) => large::is_large(plan).await?,
            None => false,
        };
        let rows: SendableRecordBatchStream = match plan {
            None => Box::pin(EmptyRecordBatchStream::new(schema.clone())),
            Some(plan) if is_large => {
                let spare = self.tables.shared.spare.clone();
                large::rows(plan, planner.session(), spare, query)?
            }
            Some(plan) => execute_stream(plan, planner.context())?,
        };
        let (rows, table) = (with_schema(rows, schema.clone()), prepared.table().clone());
        Ok(Answer { schema, versions, table, unknown_columns, is_large, rows })
    }

    /// The SQL, its parameters and the physical plan, as text.
    pub async fn explain(&self, query: &Query) -> Result<String> {
        let prepared = self.prepared_for(query).await?;
        let planned = prepared.planner().plan(query, prepared.tables()).await?;
        let (Planned { plan, .. }, _) = planned;
        explain::text(query, &prepared, plan).await
    }

    /// How to read a whole table in parts.
    pub async fn split(&self, table: &SnapshotTable) -> Result<Split> {
        split::split(table.index()).await
    }

    /// A few objects that a table has, those of its newest file first: from the index alone.
    pub async fn some_objects(&self, table: Table, count: usize) -> Result<Vec<i64>> {
        samples::some_keys(self.prepared(table, None).await?.table().index(), count).await
    }

    /// Whether any table holds rows of the synthetic survey.
    pub fn is_synthetic(&self) -> bool {
        self.tables.all().iter().any(|table| table.snapshot().synthetic)
    }

    /// The newest tables that exist, as one refresh found them.
    pub fn tables(&self) -> Vec<Arc<SnapshotTable>> {
        self.tables.all()
    }

    /// One table; `NotReady` where it does not exist (yet), `Argument` for an `as_of` that is not there.
    pub async fn table(&self, table: Table, as_of: Option<&AsOf>) -> Result<Arc<SnapshotTable>> {
        Ok(self.prepared(table, as_of).await?.table().clone())
    }

    /// The cache of footers, for others that read the same files.
    pub fn footers(&self) -> Arc<FileMetadataCache> {
        self.tables.shared.runtime.cache_manager.get_file_metadata_cache()
    }

    async fn prepared_for(&self, query: &Query) -> Result<Arc<PreparedTables>> {
        let as_of = query.as_of.as_ref();
        match &query.rows {
            Rows::SourcesWithUpperLimits { fp_version, .. } => {
                let both = self.beside(Table::Fp, as_of, *fp_version).await;
                both.map_err(|error| error.context("withupperlim"))
            }
            Rows::NewestSources => self.beside(Table::Objects, as_of, None).await,
            rows => self.prepared(rows.table(), as_of).await,
        }
    }

    /// The sources with another table beside them. Where `as_of` is a version of the sources, the other table has one, too.
    pub(super) async fn beside(
        &self,
        other: Table,
        as_of: Option<&AsOf>,
        other_version: Option<u64>,
    ) -> Result<Arc<PreparedTables>> {
        let as_of_other = match (as_of, other_version) {
            (_, Some(version)) => Some(AsOf::Version(version)),
            (Some(AsOf::Version(version) | AsOf::Exactly { version, .. }), None) => {
                let other = other.name();
                return Err(Error::argument(format!(
                    "as_of must be a time or both versions (`{version}; {other}=7`, as X-Diaflight-Snapshot has them): two tables are read"
                )));
            }
            (as_of, None) => as_of.cloned(),
        };
        let other = self.prepared(other, as_of_other.as_ref()).await?;
        let sources = self.prepared(Table::Sources, as_of).await?;
        self.tables.beside(&sources, &other).await
    }

    pub(super) async fn prepared(
        &self,
        table: Table,
        as_of: Option<&AsOf>,
    ) -> Result<Arc<PreparedTables>> {
        let found = match as_of {
            None => self.tables.current(table),
            Some(as_of) => self.tables.as_of(table, as_of).await?,
        };
        found.ok_or_else(|| self.tables.absent(table))
    }
}

/// The same batches under served names.
pub(super) fn with_schema(
    rows: SendableRecordBatchStream,
    schema: SchemaRef,
) -> SendableRecordBatchStream {
    let served = schema.clone();
    let batches = rows.map(move |batch| {
        let (_, columns, row_count) = batch?.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        Ok(RecordBatch::try_new_with_options(served.clone(), columns, &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}
