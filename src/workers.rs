//! Threads of their own for long work. In: rows to be made (a bulk read, a SQL statement). Out: the same rows, made on the
//! workers, so that the threads that answer lookups stay free and nothing can take them away.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::JoinError;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::error::{Error, Result};
use crate::limits::{Place, deadline, too_slow};

/// Batches that wait for their reader.
const BATCHES_AHEAD: usize = 2;

/// How long work may take.
#[derive(Clone, Copy, Debug)]
pub enum Limit {
    /// From its start to the last batch.
    Total(Duration),
    /// The reader, to take the next batch.
    Idle(Duration),
}

/// Cheap to clone. The threads end with the last clone, whatever they are at.
#[derive(Clone, Debug)]
pub struct Workers {
    handle: Handle,
    /// Ends the threads; `None` where they are not its own.
    _owned: Option<Arc<Owned>>,
}

#[derive(Debug)]
struct Owned(Option<Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        // Waiting for the threads is not allowed within an asynchronous task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Workers {
    /// As many threads as there are cores.
    pub fn new() -> Result<Self> {
        let runtime =
            Builder::new_multi_thread().thread_name("diaflight-worker").enable_all().build()?;
        let handle = runtime.handle().clone();
        Ok(Self { handle, _owned: Some(Arc::new(Owned(Some(runtime)))) })
    }

    /// The caller's own threads: for short work under the same rules. Panics outside of a runtime.
    pub fn of_caller() -> Self {
        Self { handle: Handle::current(), _owned: None }
    }

    /// Does a piece of work there. Dropping the future stops the work at its next pause.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let work = AbortOnDropHandle::new(self.handle.spawn(work));
        work.await.map_err(failed)?
    }

    /// Starts `rows` there and pulls them. `place` is held until the last batch is taken. Over the limit, an item is a
    /// `Timeout` error. Dropping the stream stops the work at its next pause.
    pub fn stream(
        &self,
        schema: SchemaRef,
        place: Place,
        limit: Limit,
        rows: impl Future<Output = Result<SendableRecordBatchStream>> + Send + 'static,
    ) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(schema, BATCHES_AHEAD);
        let sender = stream.tx();
        let work = async move {
            let _place = place;
            let sent = AssertUnwindSafe(pull(rows, sender, limit)).catch_unwind().await;
            Ok(sent.unwrap_or_else(|_| Err(Error::internal("a worker panicked")))?)
        };
        stream.spawn_on(work, &self.handle);
        stream.build()
    }

    /// Makes the items of a stream there, one ahead of their reader; `failure` makes the last one of a panic. Dropping the
    /// stream stops the work at its next pause.
    pub fn ahead<T: Send + 'static>(
        &self,
        mut items: BoxStream<'static, T>,
        failure: fn(Error) -> T,
    ) -> BoxStream<'static, T> {
        let (sender, receiver) = mpsc::channel(1);
        let work = self.handle.spawn(async move {
            while let Some(item) = items.next().await {
                if sender.send(item).await.is_err() {
                    return; // nobody reads any more
                }
            }
        });
        let made = (receiver, Some(AbortOnDropHandle::new(work)));
        let received = stream::unfold(made, move |(mut receiver, mut work)| async move {
            match receiver.recv().await {
                Some(item) => Some((item, (receiver, work))),
                None => match work.take()?.await {
                    Ok(()) => None,
                    Err(error) => Some((failure(failed(error)), (receiver, None))),
                },
            }
        });
        received.boxed()
    }
}

fn failed(error: JoinError) -> Error {
    Error::internal(format!("a worker failed: {error}"))
}

type Batches = Sender<datafusion::error::Result<RecordBatch>>;

async fn pull(
    rows: impl Future<Output = Result<SendableRecordBatchStream>>,
    sender: Batches,
    limit: Limit,
) -> Result<()> {
    match limit {
        Limit::Total(limit) => timeout_at(deadline(limit), send(rows, &sender, Duration::MAX))
            .await
            .unwrap_or_else(|_| Err(too_slow(limit, "ask for less at once"))),
        Limit::Idle(limit) => send(rows, &sender, limit).await,
    }
}

async fn send(
    rows: impl Future<Output = Result<SendableRecordBatchStream>>,
    sender: &Batches,
    idle_limit: Duration,
) -> Result<()> {
    let mut rows = rows.await?;
    while let Some(batch) = rows.try_next().await? {
        let sent = timeout(idle_limit, sender.send(Ok(batch))).await;
        if sent.map_err(|_| too_slow(idle_limit, "take the rows as they come"))?.is_err() {
            return Ok(()); // nobody reads any more
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::physical_plan::EmptyRecordBatchStream;
    use datafusion::physical_plan::stream::RecordBatchStreamAdapter;

    use super::*;
    use crate::error::Kind;
    use crate::limits::Gate;

    const LONG: Limit = Limit::Total(Duration::MAX);

    fn one_place() -> Gate {
        Gate::new("tests", 1, Duration::from_secs(60))
    }

    fn schema() -> SchemaRef {
        Arc::new(Schema::empty())
    }

    /// Empty batches without an end.
    async fn endless() -> Result<SendableRecordBatchStream> {
        let batches = stream::repeat_with(|| Ok(RecordBatch::new_empty(schema())));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema(), batches)))
    }

    #[tokio::test]
    async fn a_reader_that_leaves_stops_the_work_and_frees_its_place() {
        let (workers, gate) = (Workers::new().unwrap(), one_place());
        let mut rows = workers.stream(schema(), gate.enter().await.unwrap(), LONG, endless());
        rows.next().await.unwrap().unwrap();
        drop(rows);
        drop(gate.enter().await.unwrap());
    }

    #[tokio::test]
    async fn what_is_over_its_limit_ends_with_a_timeout() {
        let workers = Workers::new().unwrap();
        for limit in [Limit::Total(Duration::from_millis(1)), Limit::Idle(Duration::from_millis(1))]
        {
            let gate = one_place();
            let rows = workers.stream(schema(), gate.enter().await.unwrap(), limit, endless());
            drop(gate.enter().await.unwrap()); // nobody reads until it has ended
            let error = rows.try_collect::<Vec<_>>().await.unwrap_err();
            assert_eq!(Error::from(error).kind(), Kind::Timeout, "{limit:?}");
        }
    }

    #[tokio::test]
    async fn failures_and_panics_are_the_last_item() {
        let workers = Workers::new().unwrap();
        let failing = async { Err(Error::argument("no")) };
        let place = one_place().enter().await.unwrap();
        let mut rows = workers.stream(schema(), place, LONG, failing);
        let error = Error::from(rows.next().await.unwrap().unwrap_err());
        assert_eq!(error.kind(), Kind::Argument);
        assert!(rows.next().await.is_none());

        let panicking = async { if true { panic!("on purpose") } else { endless().await } };
        let place = one_place().enter().await.unwrap();
        let mut rows = workers.stream(schema(), place, LONG, panicking);
        let error = Error::from(rows.next().await.unwrap().unwrap_err());
        assert_eq!(error.kind(), Kind::Internal);
        assert!(workers.run(async { Ok(1) }).await.is_ok());
    }

    #[tokio::test]
    async fn items_made_ahead_come_in_order_and_a_panic_is_no_end() {
        let workers = Workers::new().unwrap();
        let items = workers.ahead(stream::iter([1, 2, 3]).boxed(), |_| 0);
        assert_eq!(items.collect::<Vec<_>>().await, [1, 2, 3]);
        let panicking = stream::iter([1, 2, 3]).inspect(|item| assert!(*item < 2, "on purpose"));
        let items = workers.ahead(panicking.boxed(), |_| 0);
        assert_eq!(items.collect::<Vec<_>>().await, [1, 0]);
    }

    #[tokio::test]
    async fn an_end_is_an_end() {
        let empty = async {
            Ok(Box::pin(EmptyRecordBatchStream::new(schema())) as SendableRecordBatchStream)
        };
        let place = one_place().enter().await.unwrap();
        let mut rows = Workers::new().unwrap().stream(schema(), place, LONG, empty);
        assert!(rows.next().await.is_none());
    }
}
