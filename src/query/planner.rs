//! Plans of queries on tables of some schemas. In: a query, and the snapshots to read. Out: a physical plan, its values bound, and the
//! columns that nobody knows. Snapshots of the same schema share a planner, so a plan outlives the snapshot that it was first made for.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use datafusion::common::Result as DataFusionResult;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::TaskContext;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::prelude::{SessionConfig, SessionContext};

use super::columns::{Chosen, Selection, ServedColumns, UnknownColumn};
use super::plans::{PlanCounts, Planned, Plans};
use super::statement::{Statement, TAGGED_SOURCES};
use super::{ObjectIds, Order, Query, Rows, filter};
use crate::astronomy;
use crate::error::Result;
use crate::plan::{self, OpenTable, SnapshotTable, Values, base_config, base_state};

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
    async fn new(
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

    /// Every served field.
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
            let bind = |plan| closed(plan, tables, &statement.values);
            return Ok((self.make(query, &statement, &chosen, bind).await?, unknown));
        }
        let make = self.make(query, &statement, &chosen, Ok);
        let open = self.plans.get(query, statement.text, &chosen, make).await?;
        let bind = |plan| plan::bind(plan, tables, &statement.values);
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

/// A plan of snapshots, its values bound.
fn closed(
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

/// The planners that snapshots use.
#[derive(Default)]
pub struct Planners {
    used: Mutex<Vec<Weak<Planner>>>,
    pub counts: Arc<PlanCounts>,
}

impl Planners {
    /// The planner of some tables: that of other snapshots with the same schemas, if there is one.
    pub async fn for_tables(
        &self,
        tables: Vec<OpenTable>,
        runtime: &Arc<RuntimeEnv>,
    ) -> Result<Arc<Planner>> {
        let used = || self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |planner: &Arc<Planner>| planner.tables == tables;
        if let Some(planner) = used().iter().filter_map(Weak::upgrade).find(same) {
            return Ok(planner);
        }
        let planner = Planner::new(tables, runtime.clone(), self.counts.clone()).await?;
        let planner = Arc::new(planner);
        let mut used = used();
        used.retain(|planner| planner.strong_count() > 0);
        used.push(Arc::downgrade(&planner));
        Ok(planner)
    }
}
