//! Physical plans of queries on tables with given schemas, bound to the values of a query and to the snapshots that it reads. Snapshots
//! with the same schemas share a planner, so a plan is used longer than the snapshot that it was first made for.

use std::sync::Arc;

use datafusion::common::Result as DataFusionResult;
use datafusion::common::internal_datafusion_err;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::TaskContext;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::replace_children_if_necessary;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::columns::{Chosen, Selection, ServedColumns, UnknownColumn};
use super::plans::{PlanCounts, Planned, Plans};
use super::statement::{Statement, TAGGED_SOURCES};
use super::{ObjectIds, Order, Query, Rows, filter};
use crate::astronomy;
use crate::error::Result;
use crate::plan::{LookupExec, OpenTable, SnapshotTable, Values, base_config, base_state};

pub struct Planner {
    /// One table, or the sources and the forced photometry whose upper limits stand among the rows.
    tables: Vec<OpenTable>,
    session: SessionContext,
    /// Every execution's: what the session's plans need to run.
    context: Arc<TaskContext>,
    columns: ServedColumns,
    plans: Plans,
}

impl Planner {
    /// A planner for one table, or for the sources and the forced photometry together.
    pub async fn new(
        tables: Vec<OpenTable>,
        runtime: Arc<RuntimeEnv>,
        counts: Arc<PlanCounts>,
    ) -> Result<Self> {
        let session = session(runtime)?;
        for table in &tables {
            session.register_table(table.table.name(), Arc::new(table.clone()))?;
        }
        let rows = match &tables[..] {
            [table] => Rows::all(table.table, Order::NewestFirst),
            _ => {
                let (name, sql) = TAGGED_SOURCES;
                let view = session.state().create_logical_plan(sql).await?;
                let view = ViewTable::new(view, Some(sql.to_string()));
                session.register_table(name, Arc::new(view))?;
                Rows::SourcesWithUpperLimits { time: None, fp_version: None }
            }
        };
        let every = Statement::new(&rows, &ObjectIds::EVERY).plan(&session.state()).await?;
        let columns = ServedColumns::new(&session.state(), &every, &tables)?;
        let (context, plans) = (session.task_ctx(), Plans::new(counts));
        Ok(Self { tables, session, context, columns, plans })
    }

    /// Whether it plans queries on tables with just these schemas.
    pub fn is_for(&self, tables: &[OpenTable]) -> bool {
        self.tables == tables
    }

    /// Every column that a query may ask for.
    pub fn columns(&self) -> &ServedColumns {
        &self.columns
    }

    pub fn context(&self) -> Arc<TaskContext> {
        self.context.clone()
    }

    pub fn session(&self) -> &SessionContext {
        &self.session
    }

    /// The plan of a query of `tables`, which have the planner's schemas. For objects it is at hand most often; for a range of keys it is
    /// made from the values and the snapshot, by which DataFusion leaves out files.
    pub async fn plan(
        &self,
        query: &Query,
        tables: &[Arc<SnapshotTable>],
    ) -> Result<(Planned, Vec<UnknownColumn>)> {
        let (chosen, unknown) = self.columns.choose(&query.columns);
        let statement = Statement::from_query(query);
        if let ObjectIds::Within(_) = query.ids {
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
        statement: &Statement,
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

/// A plan whose lookups are bound to the snapshots and the values, ready to be executed once.
fn bound_physical(
    plan: &Arc<dyn ExecutionPlan>,
    tables: &[Arc<SnapshotTable>],
    values: &Values,
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
    values: &Values,
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

fn session(runtime: Arc<RuntimeEnv>) -> Result<SessionContext> {
    let mut state = base_state(lookup_config(), runtime).build();
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
