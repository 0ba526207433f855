//! A bounded number of permits, or blocks of memory, that all clients share. A caller gets a [`Grant`], which is free again when it is
//! dropped, or learns which bound is met.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::caller::Caller;
use super::share::Shares;

/// A bounded supply. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Supply(Arc<Bounds>);

#[derive(Debug)]
struct Bounds {
    most: usize,
    has_reserve: bool,
    all: Arc<Semaphore>,
    /// The part that callers without the token may use, too.
    open: Arc<Semaphore>,
    shares: Shares,
}

/// A part of a supply, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Grant {
    all: OwnedSemaphorePermit,
    open: Option<OwnedSemaphorePermit>,
    share: Option<OwnedSemaphorePermit>,
}

/// The bound that a request exceeds.
pub(super) enum Full {
    /// The client has used up its share.
    Share(usize),
    All(usize),
}

impl Supply {
    pub(super) fn new(most: usize) -> Self {
        Self::with(most, 100, false)
    }

    /// The same supply, of another size.
    pub(super) fn with_most(&self, most: usize) -> Self {
        Self::with(most, self.0.shares.percent, self.0.has_reserve)
    }

    /// The same supply, of which one client gets at most so many percent.
    pub(super) fn with_share(&self, percent: u8) -> Self {
        Self::with(self.0.most, percent, self.0.has_reserve)
    }

    /// The same supply, with a quarter reserved for callers with the token, but never the last one.
    pub(super) fn with_reserve(&self) -> Self {
        Self::with(self.0.most, self.0.shares.percent, true)
    }

    fn with(most: usize, percent: u8, has_reserve: bool) -> Self {
        let reserved = if has_reserve { most.div_ceil(4).min(most.saturating_sub(1)) } else { 0 };
        let (all, open) = (semaphore(most), semaphore(most - reserved));
        Self(Arc::new(Bounds { most, has_reserve, all, open, shares: Shares::new(most, percent) }))
    }

    /// Waits until one is free.
    pub(super) async fn one(&self, caller: Caller) -> Option<Grant> {
        // A client that wants more than its share waits for its own work to end, and does not hold up others in the common queue.
        let share = match self.share(caller) {
            Some(share) => Some(share.acquire_owned().await.ok()?),
            None => None,
        };
        let open = match self.open(caller) {
            Some(open) => Some(open.acquire_owned().await.ok()?),
            None => None,
        };
        Some(Grant { all: self.0.all.clone().acquire_owned().await.ok()?, open, share })
    }

    /// Takes `many`, if they are free.
    pub(super) fn now(&self, many: usize, caller: Caller) -> Result<Grant, Full> {
        let all = Full::All(self.0.most);
        let Ok(many) = u32::try_from(many) else { return Err(all) };
        let take = |from: Arc<Semaphore>| from.try_acquire_many_owned(many).ok();
        let share = self.share(caller).map(take);
        let open = self.open(caller).map(take);
        match (share, open) {
            (Some(None), _) => Err(Full::Share(self.0.shares.each)),
            (_, Some(None)) => Err(all),
            (share, open) => {
                let (open, share) = (open.flatten(), share.flatten());
                take(self.0.all.clone()).map(|all| Grant { all, open, share }).ok_or(all)
            }
        }
    }

    /// The bound that this caller meets now, if any.
    pub(super) fn full(&self, caller: Caller) -> Full {
        match self.share(caller).filter(|share| share.available_permits() == 0) {
            Some(_) => Full::Share(self.0.shares.each),
            None => Full::All(self.0.most),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.0.most
    }

    pub(super) fn free(&self) -> usize {
        self.0.all.available_permits()
    }

    fn share(&self, caller: Caller) -> Option<Arc<Semaphore>> {
        let client = caller.client.filter(|_| self.0.shares.each < self.0.most);
        client.map(|client| self.0.shares.for_client(client))
    }

    fn open(&self, caller: Caller) -> Option<Arc<Semaphore>> {
        (!caller.has_token).then(|| self.0.open.clone())
    }
}

impl Grant {
    /// Adds what another grant has.
    pub(super) fn merge(&mut self, other: Self) {
        self.all.merge(other.all);
        for (mine, other) in [(&mut self.open, other.open), (&mut self.share, other.share)] {
            match (mine.as_mut(), other) {
                (Some(mine), Some(other)) => mine.merge(other),
                (_, other) => *mine = other,
            }
        }
    }

    /// Gives `many` back, or all if it has fewer.
    pub(super) fn give_back(&mut self, many: usize) {
        let all = [Some(&mut self.all), self.open.as_mut(), self.share.as_mut()];
        for permits in all.into_iter().flatten() {
            drop(permits.split(many.min(permits.num_permits())));
        }
    }
}

fn semaphore(most: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))
}
