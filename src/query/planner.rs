//! Physical plans of queries on tables with given schemas, bound to the values of a query and to the snapshots that it reads. Snapshots
//! with the same schemas share a planner, so a plan is used longer than the snapshot that it was first made for.

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, ident};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::plans::{PlanCounts, Planned, Plans};
use super::query_sql::{QuerySql, TAGGED_SOURCES};
use super::served_columns::{Chosen, Selection, ServedColumns, UnknownColumn};
use super::{ObjectIds, Order, Query, Rows, filter};
use crate::error::Result;
use crate::plan::{LookupExec, OpenTable, ParameterValues, SnapshotTable, base_config, base_state};
use crate::schema::{KEY, Table};

/// Plans the queries on tables with some schemas.
pub(crate) struct Planner {
    /// One table, or the sources and another one beside them.
    tables: Vec<OpenTable>,
    session: SessionContext,
    /// What the plans need to be executed; the same for every execution.
    context: Arc<TaskContext>,
    columns: ServedColumns,
    plans: Plans,
}

impl Planner {
    /// A planner for one table, or for the sources with another one beside them.
    pub(crate) async fn new(
        tables: Vec<OpenTable>,
        runtime: Arc<RuntimeEnv>,
        counts: Arc<PlanCounts>,
    ) -> Result<Self> {
        let session = session(runtime);
        for table in &tables {
            session.register_table(table.table.name(), Arc::new(table.clone()))?;
        }
        let rows = match &tables[..] {
            [table] => Rows::all(table.table, Order::NewestFirst),
            [sources, objects] if objects.table == Table::Objects => {
                let (name, view) = object_states(sources, objects)?;
                session.register_table(name, Arc::new(ViewTable::new(view, None)))?;
                Rows::NewestSources
            }
            _ => {
                let (name, sql) = TAGGED_SOURCES;
                let view = session.state().create_logical_plan(sql).await?;
                let view = ViewTable::new(view, Some(sql.to_string()));
                session.register_table(name, Arc::new(view))?;
                Rows::SourcesWithUpperLimits { time: None, fp_version: None }
            }
        };
        let every = QuerySql::new(&rows, &ObjectIds::EVERY).plan(&session.state()).await?;
        let columns = ServedColumns::new(&session.state(), &every, &tables)?;
        let (context, plans) = (session.task_ctx(), Plans::new(counts));
        Ok(Self { tables, session, context, columns, plans })
    }

    /// Whether it plans queries on tables with just these schemas.
    pub(crate) fn is_for(&self, tables: &[OpenTable]) -> bool {
        self.tables == tables
    }

    /// Every column that a query may ask for.
    pub(crate) fn columns(&self) -> &ServedColumns {
        &self.columns
    }

    /// What a plan needs to be executed.
    pub(crate) fn context(&self) -> Arc<TaskContext> {
        self.context.clone()
    }

    /// The session in which plans are made.
    pub(crate) fn session(&self) -> &SessionContext {
        &self.session
    }

    /// The plan of a query of `tables`, which have the planner's schemas, and the names that the query asks for in vain. The plan of a
    /// lookup is most often kept from one before. That of a range of keys is made each time from the values and the snapshot, by which
    /// DataFusion leaves out files.
    pub(crate) async fn plan(
        &self,
        query: &Query,
        tables: &[Arc<SnapshotTable>],
    ) -> Result<(Planned, Vec<UnknownColumn>)> {
        let (chosen, unknown) = self.columns.choose(&query.columns);
        let statement = QuerySql::from_query(query);
        if matches!(query.ids, ObjectIds::Within(_)) {
            let bind = |plan| bound_logical(plan, tables, &statement.values);
            return Ok((self.make(query, &statement, &chosen, bind).await?, unknown));
        }
        let make = self.make(query, &statement, &chosen, Ok);
        let open = self.plans.get(query, statement.text, &chosen, make).await?;
        let bind = |plan| bound_physical(plan, tables, &statement.values);
        let plan = open.plan.as_ref().map(bind).transpose()?;
        Ok((Planned { plan, schema: open.schema.clone() }, unknown))
    }

    async fn make(
        &self,
        query: &Query,
        statement: &QuerySql,
        chosen: &Chosen,
        bind: impl FnOnce(LogicalPlan) -> DataFusionResult<LogicalPlan>,
    ) -> Result<Planned> {
        let Selection { expressions, schema } = self.columns.select(chosen);
        let mut planned = Planned { plan: None, schema };
        if !expressions.is_empty() {
            let state = self.session.state();
            let mut shaped = LogicalPlanBuilder::from(statement.plan(&state).await?);
            if let Some(text) = &query.filter {
                shaped = shaped.filter(filter::parse(&state, &self.tables[0], text)?)?;
            }
            if query.limit.is_some() {
                shaped = shaped.limit(0, query.limit)?;
            }
            let shaped = shaped.project(expressions)?.build()?;
            planned.plan = Some(state.create_physical_plan(&bind(shaped)?).await?);
        }
        Ok(planned)
    }
}

/// The columns of objects that sources have not, and the key: a view, since which columns these are depends on the schemas.
fn object_states(sources: &OpenTable, objects: &OpenTable) -> Result<(&'static str, LogicalPlan)> {
    let own = objects.schema.fields().iter().map(|field| field.name().as_str());
    let own = own.filter(|name| *name == KEY || sources.schema.index_of(name).is_err());
    let own: Vec<_> = own.map(ident).collect();
    let scanned = provider_as_source(Arc::new(objects.clone()));
    let scan = LogicalPlanBuilder::scan(objects.table.name(), scanned, None)?;
    Ok(("object_states", scan.project(own)?.build()?))
}

/// A plan whose lookups are bound to the snapshots and the values, ready to be executed once.
fn bound_physical(
    plan: &Arc<dyn ExecutionPlan>,
    tables: &[Arc<SnapshotTable>],
    values: &ParameterValues,
) -> DataFusionResult<Arc<dyn ExecutionPlan>> {
    if let Some(lookup) = plan.downcast_ref::<LookupExec>() {
        let table = tables.iter().find(|table| table.snapshot().table == lookup.table());
        let table = table.ok_or_else(|| internal_datafusion_err!("no snapshot for a lookup"))?;
        return Ok(Arc::new(lookup.bound(table.index(), values)?));
    }
    let children = plan.children().into_iter();
    let children = children.map(|child| bound_physical(child, tables, values));
    let children = children.collect::<DataFusionResult<_>>()?;
    // Without the reset, every execution would leave its metrics in the plan that is kept.
    replace_children_if_necessary(plan.clone(), children)?.reset_state()
}

/// A plan that reads the snapshots, its parameters replaced by values; a physical plan is made of it for this query alone.
fn bound_logical(
    plan: LogicalPlan,
    tables: &[Arc<SnapshotTable>],
    values: &ParameterValues,
) -> DataFusionResult<LogicalPlan> {
    let plan = plan.transform(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        let name = scan.table_name.table();
        if let Some(table) = tables.iter().find(|table| table.snapshot().table.name() == name) {
            scan.source = provider_as_source(table.clone());
        }
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    });
    let values = values.iter().map(|(name, value)| (name.to_string(), value.clone()));
    plan.data()?.with_param_values(values.collect::<Vec<_>>())
}

fn session(runtime: Arc<RuntimeEnv>) -> SessionContext {
    SessionContext::new_with_state(base_state(lookup_config(), runtime).build())
}

fn lookup_config() -> SessionConfig {
    let mut config = base_config();
    // Sorts in several partitions would have to share the memory of their answer.
    config.options_mut().optimizer.repartition_sorts = false;
    // A lookup reads row groups side by side within one partition. Partitions of a scan in the order of its files would be merged again.
    config.with_target_partitions(1)
}
