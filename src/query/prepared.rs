//! A snapshot made ready for queries: its table registered, its endpoint's SQL parsed, its served
//! columns described. In: a snapshot. Out: physical plans of queries against it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::{SessionStateBuilder, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::condition::Conditions;
use super::plans::{PlanCounts, Planned, Plans};
use super::provider::SnapshotTable;
use super::streaming_sort::StreamingSort;
use super::{Columns, Order, Query, Rows, filter, lookup, template};
use crate::astronomy;
use crate::error::Result;
use crate::index::{Held, TableIndex};
use crate::schema;
use crate::warehouse::Snapshot;

/// What all snapshots share.
pub struct Shared {
    pub runtime: Arc<RuntimeEnv>,
    pub index: Arc<Held>,
    pub plans: Arc<PlanCounts>,
}

/// A snapshot and what every query against it shares.
pub struct Prepared {
    pub table: Arc<SnapshotTable>,
    session: SessionContext,
    /// Every execution's: what the session's plans need to run.
    context: Arc<TaskContext>,
    newest_first: LogicalPlan,
    by_object: LogicalPlan,
    plans: Plans,
    /// Served fields (`r:psfFlux`) in byte-wise order of their names, with the stored name of each.
    served: Vec<(Arc<Field>, String)>,
    by_name: HashMap<String, usize>,
}

/// The columns of one answer.
struct Selection<'a> {
    /// Stored names, in the order asked.
    stored: Vec<&'a str>,
    schema: SchemaRef,
    unknown: Vec<String>,
}

impl Prepared {
    pub async fn new(index: TableIndex, shared: &Shared) -> Result<Self> {
        let table = Arc::new(SnapshotTable::new(Arc::new(index)));
        let snapshot = table.snapshot();
        let runtime = shared.runtime.clone();
        let url = SnapshotTable::store_url(snapshot)?;
        runtime.register_object_store(url.as_ref(), snapshot.store.clone());
        let mut state = SessionStateBuilder::new()
            .with_config(lookup_config())
            .with_runtime_env(runtime)
            .with_default_features()
            .with_physical_optimizer_rule(Arc::new(StreamingSort))
            .build();
        for function in astronomy::functions() {
            state.register_udf(function)?;
        }
        let session = SessionContext::new_with_state(state);
        session.register_table(snapshot.table.name(), table.clone())?;
        let newest_first = template::plan(&session, snapshot.table, Order::NewestFirst).await?;
        let by_object = template::plan(&session, snapshot.table, Order::ByObject).await?;
        let columns = schema::served_columns(&snapshot.schema);
        let served: Vec<_> = columns
            .into_iter()
            .filter_map(|(_, i)| {
                let stored = snapshot.schema.field(i);
                let field = schema::describe(snapshot.table, stored)?;
                Some((Arc::new(field), stored.name().clone()))
            })
            .collect();
        let by_name =
            served.iter().enumerate().map(|(i, (field, _))| (field.name().clone(), i)).collect();
        let (context, plans) = (session.task_ctx(), Plans::new(shared.plans.clone()));
        Ok(Self { context, session, newest_first, by_object, plans, served, by_name, table })
    }

    pub fn snapshot(&self) -> &Arc<Snapshot> {
        self.table.snapshot()
    }

    /// Every served field.
    pub fn served_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.served.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>(),
        ))
    }

    /// The columns of an answer: those asked for that are known, each once.
    fn select(&self, columns: &Columns) -> Selection<'_> {
        let mut unknown = Vec::new();
        let chosen: Vec<usize> = match columns {
            Columns::All => (0..self.served.len()).collect(),
            Columns::Named(names) => {
                let mut seen = vec![false; self.served.len()];
                let known = names.iter().filter_map(|name| match self.by_name.get(name) {
                    Some(&i) => (!std::mem::replace(&mut seen[i], true)).then_some(i),
                    None => {
                        unknown.push(name.clone());
                        None
                    }
                });
                known.collect()
            }
        };
        let fields: Vec<_> = chosen.iter().map(|&i| self.served[i].0.clone()).collect();
        let stored = chosen.iter().map(|&i| self.served[i].1.as_str()).collect();
        Selection { stored, schema: Arc::new(Schema::new(fields)), unknown }
    }

    /// The plan of a query, its values bound. For objects it is at hand most often; for a range of keys it is made
    /// from the values, by which DataFusion leaves out files.
    pub async fn plan(&self, query: &Query) -> Result<Planned> {
        if let Rows::Within(_) = query.rows {
            return self.make(query, |plan| template::bind(plan, query)).await;
        }
        let open = self.plans.get(query, self.make(query, Ok)).await?;
        let wanted = |conditions: &Conditions| conditions.wanted(query);
        let bound = open.plan.as_ref().map(|plan| lookup::bind(plan, &wanted)).transpose()?;
        let (schema, unknown_columns) = (open.schema.clone(), open.unknown_columns.clone());
        Ok(Planned { plan: bound, schema, unknown_columns })
    }

    async fn make(
        &self,
        query: &Query,
        bind: impl FnOnce(LogicalPlan) -> datafusion::error::Result<LogicalPlan>,
    ) -> Result<Planned> {
        let Selection { stored, schema, unknown } = self.select(&query.columns);
        let mut planned = Planned { plan: None, schema, unknown_columns: unknown };
        if !stored.is_empty() {
            let state = self.session.state();
            let template = match query.order {
                Order::NewestFirst => &self.newest_first,
                Order::ByObject => &self.by_object,
            };
            let filter = query.filter.as_deref();
            let filter = filter.map(|text| filter::parse(&state, self.snapshot(), text));
            let shaped = template::shape(template, filter.transpose()?, query.limit, &stored)?;
            planned.plan = Some(state.create_physical_plan(&bind(shaped)?).await?);
        }
        Ok(planned)
    }

    pub fn context(&self) -> Arc<TaskContext> {
        self.context.clone()
    }
}

/// What every session over snapshots has in common.
pub fn base_config() -> SessionConfig {
    let mut config = SessionConfig::new();
    let options = config.options_mut();
    // Rubin's names are mixed case: `SELECT psfFlux FROM sources`.
    options.sql_parser.enable_ident_normalization = false;
    options.execution.parquet.pushdown_filters = true;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.collect_statistics = false;
    config
}

fn lookup_config() -> SessionConfig {
    let config = base_config();
    // The index reads side by side by itself, and several readers of files in order would only be merged again.
    config.with_target_partitions(1)
}
