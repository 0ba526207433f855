//! The open connections. A new one gets a [`Slot`]; if all are taken, it replaces one for which the server does nothing, so that idle
//! clients keep nobody out.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use crate::limits::{Client, ServerOptions, share_of};
use crate::telemetry::Metrics;

/// The open connections of a server.
#[derive(Clone)]
pub(crate) struct Connections {
    most: usize,
    /// How many connections one client may have.
    most_each: usize,
    held: Arc<Mutex<OpenConnections>>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct OpenConnections {
    connections: HashMap<u64, Connection>,
    last: u64,
}

struct Connection {
    client: Client,
    activity: Arc<Activity>,
    evicted: CancellationToken,
}

/// How many connections may be evicted and not yet closed: so many more than the limit can be open for a moment.
const MOST_CLOSING: usize = 64;

/// The place of a connection, free again when it is dropped.
pub(crate) struct Slot {
    connections: Connections,
    number: u64,
    pub activity: Arc<Activity>,
    /// Cancelled when another one needs the slot.
    pub evicted: CancellationToken,
}

impl Connections {
    pub(crate) fn new(options: &ServerOptions, metrics: Arc<Metrics>) -> Self {
        let most = options.max_connections;
        let most_each = share_of(most, options.max_share_percent);
        Self { most, most_each, held: Arc::default(), metrics }
    }

    fn held(&self) -> MutexGuard<'_, OpenConnections> {
        self.held.lock()
    }

    /// Takes a slot. A proxy has connections of many clients, so its own are not limited to a share. `None` if the server is working for
    /// every connection that could be evicted.
    pub(crate) fn admit(&self, client: Client, is_proxy: bool) -> Option<Slot> {
        let most_each = if is_proxy { self.most } else { self.most_each };
        let mut held = self.held();
        let of_client = held.of_clients();
        let own = of_client.get(&client).copied().unwrap_or_default();
        let all = of_client.values().sum::<usize>();
        let has_room = match (own >= most_each, all >= self.most) {
            (true, _) => held.evict(&of_client, Some(client)),
            (false, true) => held.evict(&of_client, None),
            (false, false) => true,
        };
        if own >= most_each || all >= self.most {
            self.metrics.evicted.inc();
        }
        has_room.then(|| {
            let (activity, evicted) = (Activity::begin(), CancellationToken::new());
            held.last += 1;
            let number = held.last;
            let connection =
                Connection { client, activity: activity.clone(), evicted: evicted.clone() };
            held.connections.insert(number, connection);
            self.metrics.connections.inc();
            Slot { connections: self.clone(), number, activity, evicted }
        })
    }
}

impl OpenConnections {
    /// The number of connections that are not being closed.
    fn staying(&self) -> impl Iterator<Item = (&u64, &Connection)> {
        self.connections.iter().filter(|(_, connection)| !connection.evicted.is_cancelled())
    }

    fn of_clients(&self) -> HashMap<Client, usize> {
        let mut counts = HashMap::new();
        for (_, connection) in self.staying() {
            *counts.entry(connection.client).or_default() += 1;
        }
        counts
    }

    /// Evicts the connection that has been idle for the longest, of the given client, or else of the client with the most connections.
    /// `false` if there is none, or if too many evicted ones are not closed yet.
    fn evict(&mut self, of_client: &HashMap<Client, usize>, own: Option<Client>) -> bool {
        if self.connections.len() - self.staying().count() >= MOST_CLOSING {
            return false;
        }
        let may = |client| own.is_none_or(|own| own == client);
        let idle = self.staying().filter(|(_, connection)| may(connection.client));
        let idle = idle.filter_map(|(_, connection)| {
            let count = of_client.get(&connection.client).copied().unwrap_or_default();
            Some((Reverse(count), connection.activity.idle_since()?, connection))
        });
        let first = idle.min_by_key(|(count, since, _)| (*count, *since));
        first.map(|(_, _, connection)| connection.evicted.cancel()).is_some()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.held().connections.remove(&self.number);
        self.connections.metrics.connections.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections() -> Connections {
        let options = ServerOptions { max_connections: 4, ..ServerOptions::DEFAULT };
        Connections::new(&options, Arc::new(Metrics::default()))
    }

    fn client(last: u8) -> Client {
        Client::from_address([192, 0, 2, last].into())
    }

    #[test]
    fn who_has_been_without_a_request_for_the_longest_is_evicted() {
        let connections = connections();
        let mut slots: Vec<_> = [1, 1, 2, 2]
            .map(|last| connections.admit(client(last), false).unwrap())
            .into_iter()
            .collect();
        let working = slots[0].activity.request();
        slots.push(connections.admit(client(3), false).unwrap());
        let away: Vec<_> = slots.iter().map(|slot| slot.evicted.is_cancelled()).collect();
        assert_eq!(away, [false, true, false, false, false]);
        drop(working);
    }

    #[test]
    fn who_only_waits_for_its_client_is_evicted_and_first_of_the_client_with_the_most() {
        let connections = connections();
        let slots = [2, 1, 1, 3].map(|last| connections.admit(client(last), false).unwrap());
        let requests: Vec<_> = slots.iter().map(|slot| slot.activity.request()).collect();
        assert!(connections.admit(client(4), false).is_none(), "the server works for each");
        requests.iter().for_each(|request| request.set_waiting(true));
        assert!(connections.admit(client(4), false).is_some());
        let evicted: Vec<_> = slots.iter().map(|slot| slot.evicted.is_cancelled()).collect();
        assert_eq!(evicted, [false, true, false, false]);
    }

    #[test]
    fn those_that_are_being_closed_are_few() {
        let connections = connections();
        let admitted: Vec<_> =
            (0..100).map_while(|last| connections.admit(client(last), false)).collect();
        assert_eq!(admitted.len(), 4 + MOST_CLOSING);
        drop(admitted);
        assert!(connections.admit(client(1), false).is_some());
    }

    #[test]
    fn a_client_evicts_its_own_and_nobody_is_evicted_for_one_too_many() {
        let connections = connections();
        let [one, two, other] =
            [1, 1, 2].map(|last| connections.admit(client(last), false).unwrap());
        let mut working = vec![one.activity.request()];
        let three = connections.admit(client(1), false).unwrap();
        assert!(two.evicted.is_cancelled() && !other.evicted.is_cancelled());
        working.extend([three.activity.request(), other.activity.request()]);
        assert!(connections.admit(client(1), false).is_none(), "all of its share is at work");
        let last = connections.admit(client(3), false).unwrap();
        working.push(last.activity.request());
        assert!(connections.admit(client(4), false).is_none(), "everybody is at work");
        drop((one, working));
        assert!(connections.admit(client(4), false).is_some());
        assert_eq!(connections.metrics.evicted.get(), 3);
    }
}
