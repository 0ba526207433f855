//! Concurrency limits. A caller gets a [`Permit`], or a `Busy` error that names the limit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use tokio::time::timeout;
use tracing::Span;

use super::caller::Caller;
use super::clocked;
use super::supply::{Full, Grant, Supply};
use crate::error::{Error, Kind, Result};

/// The permission to work. It is given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    _part: Grant,
}

/// A bounded number of permits for one kind of work.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What the permits are for, in the plural.
    work: &'static str,
    /// The setting that allows more of it.
    setting: Option<&'static str>,
    queue_limit: Duration,
    permits: Supply,
    /// The places for callers that wait for a permit.
    queue: Supply,
    caller: Caller,
    counts: Arc<GateCounts>,
}

/// What happened at a gate since the start.
#[derive(Debug)]
pub struct GateCounts {
    /// How long those waited who could not enter at once, in seconds.
    pub waits: Histogram,
    /// Those who were refused.
    pub refused: Counter,
}

impl Default for GateCounts {
    fn default() -> Self {
        // From a millisecond to half a minute.
        let waits = Histogram::new(exponential_buckets(0.001, 2.0, 16));
        Self { waits, refused: Counter::default() }
    }
}

/// A gate, for the metrics.
#[derive(Clone, Debug)]
pub struct GateUse {
    /// What the permits are for, in the plural.
    pub work: &'static str,
    /// Permits in all.
    pub most: usize,
    /// Permits that are taken.
    pub taken: usize,
    /// What happened since the start.
    pub counts: Arc<GateCounts>,
}

impl Gate {
    /// A gate with `most` permits. When all are taken, a caller waits for up to `queue_limit`.
    pub fn new(work: &'static str, most: usize, queue_limit: Duration) -> Self {
        let (permits, queue) = (Supply::new(most), Supply::new(usize::MAX));
        let queue_limit = clocked(queue_limit);
        let (caller, counts) = (Caller::default(), Arc::default());
        Self { work, setting: None, queue_limit, permits, queue, caller, counts }
    }

    /// The same gate, whose refusals name the setting that allows more.
    pub fn with_setting(self, setting: &'static str) -> Self {
        Self { setting: Some(setting), ..self }
    }

    /// The same gate, at which one client gets at most so many percent of the permits and of the queue.
    pub(super) fn with_share(self, percent: u8) -> Self {
        let (permits, queue) = (self.permits.with_share(percent), self.queue.with_share(percent));
        Self { permits, queue, ..self }
    }

    /// The same gate, with a quarter of the permits reserved for callers with the token.
    pub(super) fn with_reserve(self) -> Self {
        Self { permits: self.permits.with_reserve(), ..self }
    }

    /// The same gate, with at most so many callers waiting; more are refused at once.
    pub(super) fn with_queue(self, waiting: usize) -> Self {
        Self { queue: self.queue.with_most(waiting), ..self }
    }

    /// The same gate, as a caller meets it.
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// Waits for a permit, up to the queue limit; then it is a `Busy` error.
    pub async fn enter(&self) -> Result<Permit> {
        let part = match self.permits.now(1, self.caller) {
            Ok(part) => Some(part),
            Err(_) => self.wait().await,
        };
        part.map(|part| Permit { _part: part }).ok_or_else(|| {
            self.counts.refused.inc();
            self.refusal()
        })
    }

    async fn wait(&self) -> Option<Grant> {
        let _waiting = self.queue.now(1, self.caller).ok()?;
        let began = Instant::now();
        let part = timeout(self.queue_limit, self.permits.one(self.caller)).await;
        let waited_s = began.elapsed().as_secs_f64();
        self.counts.waits.observe(waited_s);
        Span::current().record("waited_s", waited_s);
        part.ok()?
    }

    fn refusal(&self) -> Error {
        let work = self.work;
        let (most, whose) = match self.permits.full(self.caller) {
            Full::Share(most) => (most, " from one address"),
            Full::All(most) => (most, ""),
        };
        let setting = self.setting.map(|setting| format!(" ({setting})")).unwrap_or_default();
        let text =
            format!("over capacity: {most} {work} at once{whose} is the limit{setting}; try again");
        Error::new(Kind::Busy, text)
    }

    /// Permits that are free.
    pub fn free(&self) -> usize {
        self.permits.free()
    }

    /// How it is used.
    pub fn usage(&self) -> GateUse {
        let (most, counts) = (self.permits.most(), self.counts.clone());
        GateUse { work: self.work, most, taken: most.saturating_sub(self.free()), counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Client;

    fn client(last: u8) -> Caller {
        Some(Client::from_address([192, 0, 2, last].into())).into()
    }

    const TOKEN_HOLDER: Caller = Caller { client: None, has_token: true };

    #[tokio::test]
    async fn no_client_has_more_than_its_share() {
        let gate = Gate::new("tests", 4, Duration::ZERO).with_share(50);
        let (one, other) = (gate.for_caller(client(1)), gate.for_caller(client(2)));
        let places = [one.enter().await.unwrap(), one.enter().await.unwrap()];
        let error = one.enter().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("2 tests at once from one address"), "{error}");
        let more = [other.enter().await.unwrap(), other.enter().await.unwrap()];
        let error = gate.for_caller(client(3)).enter().await.unwrap_err();
        assert!(error.to_string().contains("4 tests at once is"), "{error}");
        drop(places);
        drop(one.enter().await.unwrap());
        drop(more);
        assert_eq!(gate.free(), 4);
    }

    #[tokio::test]
    async fn what_is_reserved_is_there_for_token_holders_when_others_took_the_rest() {
        let gate = Gate::new("tests", 4, Duration::ZERO).with_reserve();
        let holder = gate.for_caller(TOKEN_HOLDER);
        let mut taken = Vec::new();
        for _ in 0..3 {
            taken.push(gate.enter().await.unwrap());
        }
        let error = gate.enter().await.unwrap_err();
        assert_eq!(error.kind(), Kind::Busy);
        assert!(error.to_string().contains("4 tests"), "{error}");
        taken.push(holder.enter().await.unwrap());
        assert!(holder.enter().await.is_err());
        taken.remove(0);
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn one_place_alone_is_for_everybody() {
        let gate = Gate::new("tests", 1, Duration::ZERO).with_reserve();
        assert!(gate.enter().await.is_ok());
    }

    #[tokio::test]
    async fn who_finds_the_queue_full_does_not_wait() {
        let gate = Gate::new("tests", 1, Duration::MAX).with_queue(0);
        let _taken = gate.enter().await.unwrap();
        assert_eq!(gate.enter().await.unwrap_err().kind(), Kind::Busy);
    }
}
