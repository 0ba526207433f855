//! The statements that run in this process, by the id in their ticket, so that a client can cancel one: its stream then ends with an error.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_flight::FlightData;
use futures::stream::{self, BoxStream, StreamExt};
use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;
use tonic::Status;

type Data = BoxStream<'static, Result<FlightData, Status>>;

/// How often each id runs, and what cancels it. Cheap to clone; all clones share it.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<HashMap<String, (usize, CancellationToken)>>>);

impl Running {
    /// The same data until the id is cancelled, then an error. A ticket may be redeemed more than once at a time.
    pub(crate) fn until_cancelled(&self, id: String, data: Data) -> Data {
        let run = self.enter(id);
        stream::unfold(Some((run, data)), |state| async {
            let (run, mut data) = state?;
            tokio::select! {
                biased;
                () = run.cancelled.cancelled() => {
                    Some((Err(Status::cancelled("the statement was cancelled")), None))
                }
                next = data.next() => Some((next?, Some((run, data)))),
            }
        })
        .boxed()
    }

    /// Stops what runs under the id. Returns whether anything did.
    pub(crate) fn cancel(&self, id: &str) -> bool {
        let runs = self.runs();
        let found = runs.get(id);
        found.inspect(|(_, cancelled)| cancelled.cancel()).is_some()
    }

    fn enter(&self, id: String) -> RunningStatement {
        let mut runs = self.runs();
        let (count, cancelled) = runs.entry(id.clone()).or_default();
        *count += 1;
        RunningStatement { running: self.clone(), id, cancelled: cancelled.clone() }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<String, (usize, CancellationToken)>> {
        self.0.lock()
    }
}

/// One stream under an id, for as long as it lives.
struct RunningStatement {
    running: Running,
    id: String,
    cancelled: CancellationToken,
}

impl Drop for RunningStatement {
    fn drop(&mut self) {
        let mut runs = self.running.runs();
        if let Some((count, _)) = runs.get_mut(&self.id) {
            *count -= 1;
            if *count == 0 {
                runs.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use tonic::Code;

    use super::*;

    fn endless() -> Data {
        stream::repeat_with(|| Ok(FlightData::new())).boxed()
    }

    #[tokio::test]
    async fn a_cancelled_id_ends_all_its_streams_and_no_other() {
        let running = Running::default();
        let [one, two, other] =
            ["a", "a", "b"].map(|id| running.until_cancelled(id.into(), endless()));
        let mut other = other;
        assert!(running.cancel("a"));
        for data in [one, two] {
            let error = data.try_collect::<Vec<_>>().await.unwrap_err();
            assert_eq!(error.code(), Code::Cancelled);
        }
        assert!(other.next().await.unwrap().is_ok());
        assert!(!running.cancel("a"));
    }

    #[tokio::test]
    async fn what_has_ended_or_was_dropped_does_not_run() {
        let running = Running::default();
        let short =
            running.until_cancelled("a".into(), stream::iter([Ok(FlightData::new())]).boxed());
        assert_eq!(short.count().await, 1);
        drop(running.until_cancelled("b".into(), endless()));
        assert!(!running.cancel("a") && !running.cancel("b"));
        assert!(running.runs().is_empty());
    }
}
