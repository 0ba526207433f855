//! Filters rows, in a task of its own, and gathers those that pass into full batches: sorting and writing cost by the batch.

use std::collections::HashSet;
use std::future::ready;
use std::pin::pin;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{Int64Type, SchemaRef};
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use futures::{Stream, TryStreamExt};

use crate::error::Result;
use crate::schema::{KEY, Table};
use crate::warehouse::Gatherer;

/// The rows whose bit is set; batches may have any number of rows.
pub(crate) fn passing(
    rows: impl Stream<Item = Result<(RecordBatch, BooleanArray)>> + Send + 'static,
    schema: SchemaRef,
) -> SendableRecordBatchStream {
    let mut stream = RecordBatchReceiverStream::builder(schema.clone(), 1);
    let out = stream.tx();
    stream.spawn(async move {
        let mut rows = pin!(rows);
        let mut gathered = Gatherer::new(schema);
        while let Some((batch, passes)) = rows.try_next().await? {
            gathered.push_passing(batch, &passes)?;
            while let Some(full) = gathered.next_batch() {
                if out.send(Ok(full)).await.is_err() {
                    return Ok(());
                }
            }
        }
        gathered.finish()?;
        if let Some(last) = gathered.next_batch() {
            // This fails if the reader has stopped, which is no error.
            let _ = out.send(Ok(last)).await;
        }
        Ok(())
    });
    stream.build()
}

/// The rows whose object and id are none of some.
pub(crate) fn without(
    rows: impl Stream<Item = Result<RecordBatch>> + Send + 'static,
    table: Table,
    schema: SchemaRef,
    leaving: HashSet<(i64, i64)>,
) -> SendableRecordBatchStream {
    let rows = rows.and_then(move |batch| {
        let [keys, ids] =
            [KEY, table.id_column()].map(|name| batch[name].as_primitive::<Int64Type>().values());
        let rows = keys.iter().zip(ids);
        let stays: Vec<_> = rows.map(|(key, id)| !leaving.contains(&(*key, *id))).collect();
        ready(Ok((batch, BooleanArray::from(stays))))
    });
    passing(rows, schema)
}
