//! A snapshot made ready for queries, or two together where upper limits are asked for: tables registered, the endpoint's SQL
//! parsed, its served columns described. In: snapshots. Out: physical plans of queries against them.

use std::iter;
use std::sync::Arc;

use datafusion::datasource::ViewTable;
use datafusion::execution::TaskContext;
use datafusion::execution::memory_pool::GreedyMemoryPool;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::columns::{Chosen, Selection, ServedColumns, UnknownColumn};
use super::plans::{PlanCounts, Planned, Plans};
use super::{Order, Query, Rows, Versions, filter, template};
use crate::astronomy;
use crate::error::{Error, Result};
use crate::index::{IndexCache, TableIndex};
use crate::plan::{self, Conditions, SnapshotTable, base_config, base_state};
use crate::warehouse::Snapshot;

/// What all snapshots share.
pub struct Shared {
    pub runtime: Arc<RuntimeEnv>,
    pub index: Arc<IndexCache>,
    pub plans: Arc<PlanCounts>,
    /// Memory that large answers may use beside their own.
    pub spare: Arc<GreedyMemoryPool>,
}

/// A snapshot and what every query against it shares.
pub struct Prepared {
    pub table: Arc<SnapshotTable>,
    /// The forced photometry whose upper limits stand among the rows.
    pub fp: Option<Arc<SnapshotTable>>,
    session: SessionContext,
    /// Every execution's: what the session's plans need to run.
    context: Arc<TaskContext>,
    newest_first: LogicalPlan,
    by_object: LogicalPlan,
    plans: Plans,
    columns: ServedColumns,
}

impl Prepared {
    pub async fn new(index: TableIndex, shared: &Shared) -> Result<Self> {
        Self::of(Arc::new(SnapshotTable::new(Arc::new(index))), None, shared).await
    }

    /// The sources with the upper limits of the forced photometry. Errors: `Argument` where the tables are foreign ones without
    /// the columns that this takes.
    pub async fn with_upper_limits(sources: &Self, fp: &Self, shared: &Shared) -> Result<Self> {
        let prepared = Self::of(sources.table.clone(), Some(fp.table.clone()), shared).await;
        prepared.map_err(|error| Error::argument(format!("withupperlim: {error}")))
    }

    async fn of(
        table: Arc<SnapshotTable>,
        fp: Option<Arc<SnapshotTable>>,
        shared: &Shared,
    ) -> Result<Self> {
        let session = session(shared)?;
        for table in iter::once(&table).chain(&fp) {
            let (snapshot, provider) = (table.snapshot(), table.clone());
            let url = SnapshotTable::store_url(snapshot)?;
            session.runtime_env().register_object_store(url.as_ref(), snapshot.store.clone());
            session.register_table(snapshot.table.name(), provider)?;
        }
        if fp.is_some() {
            let (name, sql) = template::TAGGED_SOURCES;
            let view = session.state().create_logical_plan(sql).await?;
            session.register_table(name, Arc::new(ViewTable::new(view, Some(sql.to_string()))))?;
        }
        let of = table.snapshot().table;
        let template = |order| template::plan(&session, of, order, fp.is_some());
        let newest_first = template(Order::NewestFirst).await?;
        let by_object = template(Order::ByObject).await?;
        let columns = ServedColumns::new(&session.state(), &newest_first, &table, fp.as_ref())?;
        let (context, plans) = (session.task_ctx(), Plans::new(shared.plans.clone()));
        Ok(Self { table, fp, session, context, newest_first, by_object, plans, columns })
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.table.snapshot()
    }

    pub fn versions(&self) -> Versions {
        self.versions_with(self.fp.as_ref().map(|fp| fp.snapshot()))
    }

    /// Those of its table, and of the forced photometry that may stand beside it.
    pub fn versions_with(&self, fp: Option<&Arc<Snapshot>>) -> Versions {
        let table = self.snapshot();
        let fp_id = fp.map_or(0, |fp| fp.table_id);
        let ids = [table.table_id, fp_id];
        Versions { table: table.version, fp: fp.map(|fp| fp.version), ids }
    }

    /// Every served field.
    pub fn columns(&self) -> &ServedColumns {
        &self.columns
    }

    /// The plan of a query, its values bound, and the names of columns that nobody knows. For objects it is at hand most often; for a range of keys it is made
    /// from the values, by which DataFusion leaves out files.
    pub async fn plan(&self, query: &Query) -> Result<(Planned, Vec<UnknownColumn>)> {
        let (chosen, unknown) = self.columns.choose(&query.columns);
        if let Rows::Within(_) = query.rows {
            let planned = self.make(query, &chosen, |plan| template::bind(plan, query)).await?;
            return Ok((planned, unknown));
        }
        let open = self.plans.get(query, &chosen, self.make(query, &chosen, Ok)).await?;
        let value = |name: &str| template::parameter(query, name);
        let wanted = |conditions: &Conditions| conditions.wanted(&value);
        let plan = open.plan.as_ref().map(|plan| plan::bind(plan, &wanted)).transpose()?;
        Ok((Planned { plan, schema: open.schema.clone() }, unknown))
    }

    async fn make(
        &self,
        query: &Query,
        chosen: &Chosen,
        bind: impl FnOnce(LogicalPlan) -> datafusion::error::Result<LogicalPlan>,
    ) -> Result<Planned> {
        let Selection { expressions, schema } = self.columns.select(chosen);
        let mut planned = Planned { plan: None, schema };
        if !expressions.is_empty() {
            let state = self.session.state();
            let template = match query.order {
                Order::NewestFirst => &self.newest_first,
                Order::ByObject => &self.by_object,
            };
            let filter = query.filter.as_deref();
            let filter = filter.map(|text| filter::parse(&state, self.snapshot(), text));
            let shaped = template::shape(template, filter.transpose()?, query.limit, expressions)?;
            planned.plan = Some(state.create_physical_plan(&bind(shaped)?).await?);
        }
        Ok(planned)
    }

    pub fn context(&self) -> Arc<TaskContext> {
        self.context.clone()
    }

    pub fn session(&self) -> &SessionContext {
        &self.session
    }
}

fn session(shared: &Shared) -> Result<SessionContext> {
    let mut state = base_state(lookup_config(), shared.runtime.clone()).build();
    for function in astronomy::functions() {
        state.register_udf(function)?;
    }
    Ok(SessionContext::new_with_state(state))
}

fn lookup_config() -> SessionConfig {
    let mut config = base_config();
    // Two sorts of one answer would share its memory.
    config.options_mut().optimizer.repartition_sorts = false;
    // The index reads side by side by itself, and several readers of files in order would only be merged again.
    config.with_target_partitions(1)
}
