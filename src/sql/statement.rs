//! One planned statement: the schema of its rows, its parameters, and the rows themselves as a stream.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::{SendableRecordBatchStream, SessionState};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::execute_stream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::StreamExt;

use super::extent;
use super::placeholders::numbered;
use super::plain_types::{answer_schema, plain_batch};
use super::session::Session;
use super::versions::SqlVersions;
use crate::error::{Error, Result};
use crate::limits::Gate;
use crate::workers::{Limit, Workers};

/// Where and within which limits statements run.
#[derive(Clone)]
pub(crate) struct Execution {
    /// The threads that run them.
    pub workers: Workers,
    /// Lets so many run at the same time.
    pub gate: Gate,
    /// How long one may run.
    pub time_limit: Duration,
}

/// A parameter of a statement.
#[derive(Clone, Debug, PartialEq)]
pub struct StatementParameter {
    /// Its name, such as `$1`.
    pub name: String,
    /// Its type; `None` if the plan takes any type.
    pub data_type: Option<DataType>,
}

/// A planned statement that only reads.
#[derive(Clone)]
pub struct Statement {
    session: Arc<Session>,
    run: Execution,
    text: String,
    plan: LogicalPlan,
    schema: SchemaRef,
    parameters: Vec<StatementParameter>,
}

impl Statement {
    /// Plans a text. Errors: `Argument` or `TooLarge`, as for [`Sql::prepare`](super::Sql::prepare).
    pub(super) async fn plan(session: Arc<Session>, text: String, run: Execution) -> Result<Self> {
        let text = numbered(&text)?.into_owned();
        let plan = first_plan(&session.state, &text).await?;
        only_reads(&plan)?;
        extent::check_plan(&plan)?;
        Self::from_plan(session, text, run, plan)
    }

    fn from_plan(
        session: Arc<Session>,
        text: String,
        run: Execution,
        plan: LogicalPlan,
    ) -> Result<Self> {
        let schema = Arc::new(answer_schema(plan.schema()));
        let parameters = parameters(&plan)?;
        Ok(Self { session, run, text, plan, schema, parameters })
    }

    /// The SQL, its placeholders numbered.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The versions of the tables that it reads.
    pub fn versions(&self) -> &SqlVersions {
        &self.session.versions
    }

    /// Exactly the schema of the rows: plain types, every field nullable, columns of tables described. Columns that are computed from open
    /// parameters may get other types once these are bound.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// In the order `$1`, `$2`, ...
    pub fn parameters(&self) -> &[StatementParameter] {
        &self.parameters
    }

    /// The same statement with a value for each parameter, cast where the plan knows the type.
    pub async fn bind(self, values: Vec<ScalarValue>) -> Result<Self> {
        let workers = self.run.workers.clone();
        workers.run(async move { self.bound(values) }).await
    }

    fn bound(self, values: Vec<ScalarValue>) -> Result<Self> {
        let (asked, given) = (self.parameters.len(), values.len());
        if asked != given {
            let text = format!("the statement has {asked} parameters; {given} values were given");
            return Err(Error::argument(text));
        }
        let cast =
            |(parameter, value): (&StatementParameter, ScalarValue)| match &parameter.data_type {
                Some(data_type) => value.cast_to(data_type).map_err(|error| {
                    Error::from_statement(error).context(format!("parameter {}", parameter.name))
                }),
                None => Ok(value),
            };
        let names = self.parameters.iter().map(|parameter| parameter.name.as_str());
        extent::check_values(&self.plan, &names.zip(&values).collect())?;
        let values = self.parameters.iter().zip(values).map(cast).collect::<Result<Vec<_>>>()?;
        let plan = self.plan.with_param_values(ParamValues::from(values));
        Self::from_plan(self.session, self.text, self.run, plan.map_err(Error::from_statement)?)
    }

    /// Waits for a place (`Busy` when none gets free), then streams. A failure midway is an error in the
    /// stream: `Timeout` over the limit of time, `TooLarge` over that of memory or temporary files. Dropping the
    /// stream stops the work.
    pub async fn run(&self) -> Result<SendableRecordBatchStream> {
        if let Some(open) = self.parameters.first() {
            return Err(Error::argument(format!("the parameter {} has no value", open.name)));
        }
        let place = self.run.gate.enter().await?;
        let (session, plan, schema) =
            (self.session.clone(), self.plan.clone(), self.schema.clone());
        let rows = async move {
            let rows = async {
                let state = session.state_now();
                let plan = state.create_physical_plan(&plan).await?;
                execute_stream(plan, state.task_ctx())
            };
            Ok(plain(rows.await.map_err(Error::from_statement)?, schema))
        };
        let limit = Limit::total(self.run.time_limit);
        Ok(self.run.workers.stream(self.schema.clone(), place, limit, rows))
    }
}

/// The plan of a text that is within bounds, as it is before it is optimized.
async fn first_plan(state: &SessionState, text: &str) -> Result<LogicalPlan> {
    let dialect = state.config_options().sql_parser.dialect;
    let statement = state.sql_to_statement(text, &dialect).map_err(Error::from_statement)?;
    extent::check_text(&statement)?;
    state.statement_to_plan(statement).await.map_err(Error::from_statement)
}

/// Nothing is defined, changed, copied or set: judged by the plan, whatever the text looks like.
fn only_reads(plan: &LogicalPlan) -> Result<()> {
    let only_queries =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    only_queries.verify_plan(plan).map_err(|error| {
        Error::from_statement(error)
            .context("only statements that read are allowed, such as SELECT")
    })
}

fn parameters(plan: &LogicalPlan) -> Result<Vec<StatementParameter>> {
    let types = plan.get_parameter_types().map_err(Error::from_statement)?;
    let mut parameters: Vec<_> =
        types.into_iter().map(|(name, data_type)| StatementParameter { name, data_type }).collect();
    parameters.sort_by_key(|parameter| position(&parameter.name));
    match parameters.iter().zip(1..).find(|(parameter, i)| position(&parameter.name) != Some(*i)) {
        Some((parameter, i)) => Err(Error::argument(format!(
            "parameters are $1, $2 and so on, without a gap: ${i} is missing and {} is there",
            parameter.name
        ))),
        None => Ok(parameters),
    }
}

fn position(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok()
}

/// The rows in the types of `schema`, with errors that are meant for the author of the statement.
fn plain(rows: SendableRecordBatchStream, schema: SchemaRef) -> SendableRecordBatchStream {
    let told = schema.clone();
    let rows = rows.map(move |batch| {
        let batch = batch.map_err(|error| DataFusionError::from(Error::from_statement(error)))?;
        Ok(plain_batch(&batch, &told)?)
    });
    Box::pin(RecordBatchStreamAdapter::new(schema, rows))
}
