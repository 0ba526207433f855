//! How much of a shared limit one client may take.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::caller::Client;

/// The shares of all clients. Only the shares of clients that hold or wait for something take memory.
#[derive(Debug)]
pub(crate) struct Shares {
    /// The share of one client.
    pub each: usize,
    /// What a client may have of everything, in percent.
    pub percent: u8,
    taken: Mutex<TakenShares>,
}

#[derive(Debug, Default)]
struct TakenShares {
    shares: HashMap<Client, Weak<Semaphore>>,
    /// With so many clients in the map, those that hold nothing are removed.
    swept_at: usize,
}

impl Shares {
    /// Shares of so many percent of `most` for each client.
    pub(crate) fn new(most: usize, percent: u8) -> Self {
        Self { each: share_of(most, percent), percent, taken: Mutex::default() }
    }

    /// The semaphore with what is left of a client's share.
    pub(crate) fn for_client(&self, client: Client) -> Arc<Semaphore> {
        let mut taken = self.taken.lock();
        if taken.shares.len() >= taken.swept_at {
            taken.shares.retain(|_, share| share.strong_count() > 0);
            taken.swept_at = 64 + 2 * taken.shares.len();
        }
        taken.shares.get(&client).and_then(Weak::upgrade).unwrap_or_else(|| {
            let share = Arc::new(Semaphore::new(self.each.min(Semaphore::MAX_PERMITS)));
            taken.shares.insert(client, Arc::downgrade(&share));
            share
        })
    }
}

/// The share of one client of `most` things: at least one.
pub fn share_of(most: usize, percent: u8) -> usize {
    let percent = usize::from(percent.min(100));
    (most / 100 * percent + most % 100 * percent / 100).max(1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn clients_that_are_gone_are_forgotten() {
        let shares = Shares::new(4, 50);
        for address in 0..10_000 {
            shares.for_client(Client::from_address(Ipv4Addr::from_bits(address).into()));
        }
        assert!(shares.taken.lock().shares.len() <= 64);
    }

    #[test]
    fn a_share_is_never_nothing_and_never_more_than_all() {
        for (most, percent, share) in
            [(128, 50, 64), (1, 50, 1), (3, 50, 1), (7, 100, 7), (250, 10, 25), (0, 50, 1)]
        {
            assert_eq!(share_of(most, percent), share, "{most} {percent}");
        }
        assert_eq!(share_of(usize::MAX, 100), usize::MAX);
    }
}
