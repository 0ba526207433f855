//! A second runtime with its own threads for long work, such as bulk reads and SQL statements, so that the threads that answer lookups stay
//! free.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, StreamExt, TryStreamExt};
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc::{self, Permit, Sender};
use tokio::task::JoinError;
use tokio::time::{timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use crate::error::{Error, Result};
use crate::limits::{deadline, too_slow};

/// Stack of a thread. Planning recurses as deeply as a statement is nested, and needs more stack in a debug build.
const STACK_BYTES: usize = 32 << 20;

/// Batches that are made ahead of their reader, beside the one being made.
const BATCHES_AHEAD: usize = 1;

/// The time limits of a piece of work.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// From the start of the work to its last item.
    pub total: Duration,
    /// How long the reader may take to read the next item.
    pub idle: Duration,
}

impl Limit {
    /// No limit.
    pub const NONE: Self = Self { total: Duration::MAX, idle: Duration::MAX };

    /// A limit on the whole work.
    pub fn total(total: Duration) -> Self {
        Self { total, ..Self::NONE }
    }

    /// A limit on the reader.
    pub fn idle(idle: Duration) -> Self {
        Self { idle, ..Self::NONE }
    }
}

/// The threads. Cheap to clone; they end with the last clone, even in the middle of work.
#[derive(Clone, Debug)]
pub struct Workers {
    handle: Handle,
    /// Ends the threads when dropped; `None` for threads of another runtime.
    _owned: Option<Arc<Owned>>,
}

#[derive(Debug)]
struct Owned(Option<Runtime>);

impl Drop for Owned {
    fn drop(&mut self) {
        // A runtime must not be dropped, and waited for, within an asynchronous task.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Workers {
    /// Starts as many threads as there are cores.
    pub fn new() -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .thread_name("diaflight-worker")
            .thread_stack_size(STACK_BYTES)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self { handle, _owned: Some(Arc::new(Owned(Some(runtime)))) })
    }

    /// The threads of the current runtime, for short work under the same rules. Panics outside of a runtime.
    pub fn current() -> Self {
        Self { handle: Handle::current(), _owned: None }
    }

    /// Starts a piece of work that ends by itself.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Runs a piece of work. Dropping the future stops the work at its next await.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let work = AbortOnDropHandle::new(self.handle.spawn(work.in_current_span()));
        work.await.map_err(failed)?
    }

    /// Runs a stream of rows. `place` is held until the last batch is made. Over the limit, an item is a `Timeout` error. Dropping the
    /// returned stream stops the work at its next await.
    pub fn stream(
        &self,
        schema: SchemaRef,
        place: impl Send + 'static,
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

    /// Runs a stream, one item ahead of its reader; `failure` makes the last item after a panic or over the limit. `place` is held until
    /// the last item is taken, since until then the items are in memory. Over the limit all waiting items are dropped, even if the reader
    /// never polls again. Dropping the returned stream stops the work at its next await.
    pub fn ahead<T: Send + 'static>(
        &self,
        items: BoxStream<'static, T>,
        place: impl Send + 'static,
        limit: Limit,
        failure: fn(Error) -> T,
    ) -> BoxStream<'static, T> {
        let (sender, receiver) = mpsc::channel(1);
        let work = self.handle.spawn(async move {
            let _place = place;
            let waiting = Waiting::default();
            let made = timeout_at(deadline(limit.total), make(items, sender, &waiting, limit.idle));
            let made =
                made.await.unwrap_or_else(|_| Err(too_slow(limit.total, "ask for less at once")));
            made.inspect_err(|_| waiting.clear())
        });
        let made = (receiver, Some(AbortOnDropHandle::new(work)));
        let received = stream::unfold(made, move |(mut receiver, mut work)| async move {
            let item: Option<Item<T>> = receiver.recv().await;
            if let Some(item) = item.and_then(|item| item.lock().take()) {
                return Some((item, (receiver, work)));
            }
            match work.take()?.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((failure(error), (receiver, None))),
                Err(error) => Some((failure(failed(error)), (receiver, None))),
            }
        });
        received.boxed()
    }
}

/// An item on its way to a reader, which the sender can take back.
type Item<T> = Arc<Mutex<Option<T>>>;

/// The last item sent.
struct Waiting<T>(Mutex<Option<Item<T>>>);

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T> Waiting<T> {
    fn send(&self, to: Permit<'_, Item<T>>, item: T) {
        let item = Arc::new(Mutex::new(Some(item)));
        *self.0.lock() = Some(item.clone());
        to.send(item);
    }

    fn clear(&self) {
        if let Some(item) = self.0.lock().take() {
            item.lock().take();
        }
    }
}

/// Sends all items, and returns when the reader has taken the last one.
async fn make<T>(
    mut items: BoxStream<'static, T>,
    sender: Sender<Item<T>>,
    waiting: &Waiting<T>,
    idle_limit: Duration,
) -> Result<()> {
    while let Some(item) = items.next().await {
        match room(&sender, idle_limit).await? {
            Some(room) => waiting.send(room, item),
            None => return Ok(()), // nobody reads any more
        }
    }
    drop(items);
    room(&sender, idle_limit).await.map(|_| ())
}

/// Waits until the last item is taken; `None` if the reader is gone.
async fn room<T>(sender: &Sender<T>, idle_limit: Duration) -> Result<Option<Permit<'_, T>>> {
    let room = timeout(idle_limit, sender.reserve()).await;
    room.map(Result::ok).map_err(|_| too_slow(idle_limit, "read the rows without pauses"))
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
    timeout_at(deadline(limit.total), send(rows, &sender, limit.idle))
        .await
        .unwrap_or_else(|_| Err(too_slow(limit.total, "ask for less at once")))
}

async fn send(
    rows: impl Future<Output = Result<SendableRecordBatchStream>>,
    sender: &Batches,
    idle_limit: Duration,
) -> Result<()> {
    let mut rows = rows.await?;
    while let Some(batch) = rows.try_next().await? {
        let sent = timeout(idle_limit, sender.send(Ok(batch))).await;
        if sent.map_err(|_| too_slow(idle_limit, "read the rows without pauses"))?.is_err() {
            return Ok(()); // nobody reads any more
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
