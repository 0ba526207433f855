//! The engine: the one door to the tables. In: a [`Query`]. Out: an [`Answer`], or its explanation.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::cache::cache_manager::FileMetadataCache;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{EmptyRecordBatchStream, execute_stream};
use futures::StreamExt;

use super::follow::{Tables, follow};
use super::planner::Planners;
use super::plans::Planned;
use super::prepared::{Prepared, Shared};
use super::split::{self, Split};
use super::{Query, Rows, UnknownColumn, Versions, explain, large, samples, size};
use crate::error::{Error, Kind, Result};
use crate::index::{IndexCache, IndexUse};
use crate::plan::SnapshotTable;
use crate::schema::{self, Table};
use crate::warehouse::{AsOf, LeftOut, Source, Warehouse};

#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub sources: Source,
    pub objects: Source,
    pub fp: Source,
    /// How often to look for new commits.
    pub refresh: Duration,
    /// Memory for the pages of row groups, beside what the key index holds of every file: a byte a source holds them all.
    pub index_bytes: usize,
    /// Memory for the Parquet footers of scans that are no lookups.
    pub footer_cache_bytes: usize,
    /// Memory that large answers may use beside their own, as long as it is free: what finds none spills.
    pub spare_bytes: usize,
}

impl EngineOptions {
    /// All three tables of one warehouse, with the default limits.
    pub fn of_warehouse(warehouse: &Warehouse) -> Self {
        let source = Source::Warehouse(warehouse.clone());
        Self {
            sources: source.clone(),
            objects: source.clone(),
            fp: source,
            refresh: Duration::from_secs(2),
            index_bytes: 512 << 20,
            footer_cache_bytes: 256 << 20,
            spare_bytes: 512 << 20,
        }
    }

    pub(super) fn source(&self, table: Table) -> &Source {
        match table {
            Table::Sources => &self.sources,
            Table::Objects => &self.objects,
            Table::Fp => &self.fp,
        }
    }
}

/// Rows on their way, and what to say with them.
pub struct Answer {
    /// Served names (`r:psfFlux`), with unit, ucd and description as field metadata, and the table and its snapshot as the schema's;
    /// equal to the stream's schema.
    pub schema: SchemaRef,
    /// All rows are from.
    pub versions: Versions,
    /// The table of the first of them.
    pub table: Arc<SnapshotTable>,
    /// Names asked for that the table does not have.
    pub unknown_columns: Vec<UnknownColumn>,
    /// Whether it takes more than a few pages: then it is for the workers, whatever comes of it, and has memory of its own.
    pub is_large: bool,
    /// Batches in the endpoint's order. Dropping it stops the work.
    pub rows: SendableRecordBatchStream,
}

/// What is held in memory, and how often it was enough since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineUse {
    pub index: IndexUse,
    /// Footers for scans that are no lookups.
    pub footers: usize,
    pub footer_bytes: usize,
    /// Lookups whose plan was at hand, and plans made for lookups.
    pub plan_hits: usize,
    pub plans_made: usize,
}

/// Cheap to clone; all clones share snapshots and caches.
#[derive(Clone)]
pub struct Engine {
    tables: Arc<Tables>,
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
            planners: Planners::default(),
            spare: Arc::new(GreedyMemoryPool::new(options.spare_bytes)),
        };
        let tables = Arc::new(Tables::new(options, shared));
        if let Some((_, error)) = tables.refresh().await.into_iter().next() {
            return Err(error);
        }
        follow(&tables);
        Ok(Self { tables })
    }

    /// Whether every table can be read: `NotReady` while one does not exist, or could not be looked at for long.
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
        Ok(self.tables.current(table).ok_or_else(|| not_ready(table))?.planner().columns().schema())
    }

    /// The columns that the server computes of a table, and those that come with upper limits.
    pub async fn computed_schema(&self, table: Table) -> Result<SchemaRef> {
        let plain = self.prepared(table, None).await?;
        let with_limits = match table {
            Table::Sources => self.with_upper_limits(None, None).await.ok(),
            Table::Objects | Table::Fp => None,
        };
        Ok(with_limits.unwrap_or(plain).planner().columns().computed())
    }

    /// Plans and starts a query.
    pub async fn run(&self, query: &Query) -> Result<Answer> {
        let prepared = self.prepared_for(query).await?;
        let (Planned { plan, schema }, unknown_columns) = prepared.plan(query).await?;
        let versions = prepared.versions();
        let schema = schema::answer_schema(&schema, query.table(), &versions.to_string());
        let is_large = match &plan {
            Some(plan) => size::is_large(plan).await?,
            None => false,
        };
        let rows: SendableRecordBatchStream = match plan {
            None => Box::pin(EmptyRecordBatchStream::new(schema.clone())),
            Some(plan) if is_large => {
                let spare = self.tables.shared.spare.clone();
                large::rows(plan, prepared.planner().session(), spare, query)?
            }
            Some(plan) => execute_stream(plan, prepared.planner().context())?,
        };
        let (rows, table) = (with_schema(rows, schema.clone()), prepared.table().clone());
        Ok(Answer { schema, versions, table, unknown_columns, is_large, rows })
    }

    /// The SQL, its parameters and the physical plan, as text.
    pub async fn explain(&self, query: &Query) -> Result<String> {
        let prepared = self.prepared_for(query).await?;
        let (Planned { plan, .. }, _) = prepared.plan(query).await?;
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

    /// Whether any table was begun by a survey that is made up.
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

    pub fn usage(&self) -> EngineUse {
        let footers = self.footers().list_entries();
        let Shared { index, planners, .. } = &self.tables.shared;
        EngineUse {
            index: index.usage(),
            footers: footers.len(),
            footer_bytes: footers.values().map(|footer| footer.size_bytes).sum(),
            plan_hits: planners.counts.hits.load(Ordering::Relaxed),
            plans_made: planners.counts.made.load(Ordering::Relaxed),
        }
    }

    async fn prepared_for(&self, query: &Query) -> Result<Arc<Prepared>> {
        let as_of = query.as_of.as_ref();
        match &query.rows {
            Rows::SourcesWithUpperLimits { fp_version, .. } => {
                self.with_upper_limits(as_of, *fp_version).await
            }
            rows => self.prepared(rows.table(), as_of).await,
        }
    }

    async fn with_upper_limits(
        &self,
        as_of: Option<&AsOf>,
        fp_version: Option<u64>,
    ) -> Result<Arc<Prepared>> {
        let as_of_fp = match (as_of, fp_version) {
            (_, Some(version)) => Some(AsOf::Version(version)),
            (Some(AsOf::Version(version) | AsOf::Exactly { version, .. }), None) => {
                return Err(Error::argument(format!(
                    "as_of must be a time or both versions (`{version}; fp=7`, as X-Diaflight-Snapshot has them) where withupperlim \
                     is asked for: two tables are read"
                )));
            }
            (as_of, None) => as_of.cloned(),
        };
        let fp = self.prepared(Table::Fp, as_of_fp.as_ref()).await?;
        let sources = self.prepared(Table::Sources, as_of).await?;
        self.tables.with_upper_limits(&sources, &fp).await
    }

    async fn prepared(&self, table: Table, as_of: Option<&AsOf>) -> Result<Arc<Prepared>> {
        let found = match as_of {
            None => self.tables.current(table),
            Some(as_of) => self.tables.as_of(table, as_of).await?,
        };
        found.ok_or_else(|| not_ready(table))
    }
}

fn not_ready(table: Table) -> Error {
    Error::new(
        Kind::NotReady,
        format!("the table `{}` does not exist yet: ingest alerts first", table.name()),
    )
}

/// The same batches under served names.
fn with_schema(rows: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let served = schema.clone();
    let batches = rows.map(move |batch| {
        let (_, columns, row_count) = batch?.into_parts();
        let options = RecordBatchOptions::new().with_row_count(Some(row_count));
        Ok(RecordBatch::try_new_with_options(served.clone(), columns, &options)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, batches))
}
