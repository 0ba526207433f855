//! A statement from its plan to its rows: first the FlightInfo with a ticket and the schema, then the rows, from the snapshots that the
//! ticket names.

use arrow::datatypes::SchemaRef;
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::stream::{self, StreamExt, TryStreamExt};
use uuid::Uuid;

use super::handle::{PlannedHandle, PreparedHandle};
use super::parameters;
use crate::error::Result;
use crate::sql::{Sql, SqlVersions, Statement};
use crate::telemetry;
use crate::workers::Workers;

/// Plans a statement against the newest snapshots, and checks what is bound to it. The schema is that of the rows,
/// field for field.
pub(crate) async fn plan(
    sql: &Sql,
    workers: &Workers,
    prepared: PreparedHandle,
) -> Result<(SchemaRef, PlannedHandle)> {
    let runs = BoundStatement::prepare(sql, workers, &prepared, None).await?;
    let id = Uuid::new_v4().to_string();
    Ok((runs.schema().await?, PlannedHandle::new(id, prepared, runs.statement.versions())))
}

/// The rows of each run, one run after the other.
pub(crate) async fn rows(
    sql: &Sql,
    workers: &Workers,
    planned: &PlannedHandle,
) -> Result<SendableRecordBatchStream> {
    let versions = planned.versions();
    let runs = BoundStatement::prepare(sql, workers, &planned.prepared, Some(&versions)).await?;
    let schema = runs.schema().await?;
    let BoundStatement { statement, values } = runs;
    let rows = stream::iter(values).then(move |values| {
        let statement = statement.clone();
        async move { Ok::<_, DataFusionError>(statement.bind(values).await?.run().await?) }
    });
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows.try_flatten())))
}

/// A statement, and the values of each of its runs.
struct BoundStatement {
    statement: Statement,
    values: Vec<Vec<ScalarValue>>,
}

impl BoundStatement {
    async fn prepare(
        sql: &Sql,
        workers: &Workers,
        prepared: &PreparedHandle,
        versions: Option<&SqlVersions>,
    ) -> Result<Self> {
        let statement = telemetry::planned(sql.prepare(&prepared.text, versions)).await?;
        let (bound, parameters) = (prepared.bound.clone(), statement.parameters().to_vec());
        let values = async move { parameters::values(bound, &parameters).await };
        Ok(Self { statement, values: workers.run(values).await? })
    }

    /// That of every run: the values of a parameter are all of one type.
    async fn schema(&self) -> Result<SchemaRef> {
        match self.values.first() {
            Some(values) => Ok(self.statement.clone().bind(values.clone()).await?.schema()),
            None => Ok(self.statement.schema()),
        }
    }
}
