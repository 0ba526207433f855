//! A snapshot made ready for queries: its table registered, its endpoint's SQL parsed, its served
//! columns described. In: a snapshot. Out: physical plans of queries against it.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::registry::FunctionRegistry;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::provider::SnapshotTable;
use super::streaming_sort::StreamingSort;
use super::{Columns, Order, Query, filter, template};
use crate::astronomy;
use crate::error::Result;
use crate::schema;
use crate::warehouse::Snapshot;

/// A snapshot and what every query against it shares.
pub struct Prepared {
    pub snapshot: Arc<Snapshot>,
    session: SessionContext,
    newest_first: LogicalPlan,
    by_object: LogicalPlan,
    /// Served fields (`r:psfFlux`) in byte-wise order of their names, with the stored name of each.
    served: Vec<(Arc<Field>, String)>,
    by_name: HashMap<String, usize>,
}

/// The columns of one answer.
pub struct Selection<'a> {
    /// Stored names, in the order asked.
    pub stored: Vec<&'a str>,
    pub schema: SchemaRef,
    pub unknown: Vec<String>,
}

impl Prepared {
    pub async fn new(snapshot: Snapshot, runtime: Arc<RuntimeEnv>) -> Result<Self> {
        let snapshot = Arc::new(snapshot);
        runtime.register_object_store(
            SnapshotTable::store_url(&snapshot)?.as_ref(),
            snapshot.store.clone(),
        );
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
        session.register_table(
            snapshot.table.name(),
            Arc::new(SnapshotTable::new(snapshot.clone())),
        )?;
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
        Ok(Self { snapshot, session, newest_first, by_object, served, by_name })
    }

    /// Every served field.
    pub fn served_schema(&self) -> SchemaRef {
        Arc::new(Schema::new(
            self.served.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>(),
        ))
    }

    /// The columns of an answer: those asked for that are known, each once.
    pub fn select(&self, columns: &Columns) -> Selection<'_> {
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

    /// The physical plan of a query for the stored columns `columns`.
    pub async fn plan(&self, query: &Query, columns: &[&str]) -> Result<Arc<dyn ExecutionPlan>> {
        let mut state = self.session.state();
        let template = match query.order {
            Order::NewestFirst => &self.newest_first,
            Order::ByObject => {
                // Object after object is the order of the files: one reader keeps it, several would be merged.
                state.config_mut().options_mut().execution.target_partitions = 1;
                &self.by_object
            }
        };
        let filter = query.filter.as_deref();
        let filter = filter.map(|text| filter::parse(&state, &self.snapshot, text)).transpose()?;
        let bound = template::bind(template, query, filter, columns)?;
        Ok(state.create_physical_plan(&bound).await?)
    }

    pub fn session(&self) -> &SessionContext {
        &self.session
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
    let mut config = base_config();
    // A lookup reads a few pages: cutting files into ranges of bytes would only add partitions to merge.
    config.options_mut().optimizer.repartition_file_scans = false;
    config
}
