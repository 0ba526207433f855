//! DoGet of a ticket that goes on: the new sources of each version of the table, for as long as the client reads. After the rows of a version
//! comes a batch without rows, whose `app_metadata` is a JSON object: the `version`, how many `rows` it had, the `newest` version, and `since`,
//! which goes on after it. The first batch is such a one, too. Where rows cannot be told it has `missed`: `from` and `to` which version, and
//! `why`.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use arrow::ipc::CompressionType;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::EndpointService;
use super::request::EndpointRequest;
use crate::encode::served;
use crate::error::Result;
use crate::failure;
use crate::flight::status::status;
use crate::flight::wire::{self, Messages};
use crate::query::{Arrival, Follower, ToldVersion};
use crate::request::resume_point;
use crate::workers::Limit;

impl EndpointService {
    /// The rows that are added after the `as_of` of a request.
    pub(super) async fn followed(
        &self,
        request: EndpointRequest,
        compression: Option<CompressionType>,
    ) -> Result<Messages> {
        let (threads, stopping) = ((&self.limits, &self.workers), self.stopping.clone());
        let begun = Follower::begin(&self.engine, request.query, threads, stopping).await;
        let (follower, place) = begun.map_err(failure::from_reading)?;
        let none = served(rows_of(follower.schema.clone(), None)).map_err(failure::from_reading)?;
        let (schema, sent) = (none.schema(), self.sent.clone());
        let arrivals = follower.arrivals().map_err(|error| status(failure::from_reading(error)));
        let messages = arrivals.map_ok(move |arrival| match arrival {
            Arrival::Rows(rows) => {
                sent.add(rows.num_rows());
                messages_of(rows, compression)
            }
            Arrival::Version(ToldVersion { version, id, rows, newest }) => {
                let since = resume_point(version, id);
                let told =
                    json!({"version": version, "rows": rows, "newest": newest, "since": since});
                note(&schema, told)
            }
            Arrival::Missed { versions, why } => {
                let missed = json!({"from": versions.start(), "to": versions.end(), "why": why});
                note(&schema, json!({"missed": missed}))
            }
        });
        let all = wire::encoded(none, compression).chain(messages.try_flatten()).boxed();
        let limit = Limit::idle(self.limits.stall_limit());
        Ok(self.workers.ahead(all, place, limit, |failure| Err(status(failure))))
    }
}

fn rows_of(schema: SchemaRef, rows: Option<RecordBatch>) -> SendableRecordBatchStream {
    Box::pin(RecordBatchStreamAdapter::new(schema, stream::iter(rows.map(Ok))))
}

/// Rows in the types that every format has, without the message of their schema.
fn messages_of(rows: RecordBatch, compression: Option<CompressionType>) -> Messages {
    match served(rows_of(rows.schema(), Some(rows))) {
        Ok(rows) => wire::encoded(rows, compression).skip(1).boxed(),
        Err(error) => stream::iter([Err(status(error))]).boxed(),
    }
}

fn note(schema: &SchemaRef, told: serde_json::Value) -> Messages {
    let note = wire::note(schema, told.to_string()).map_err(status);
    stream::iter([note]).boxed()
}
