//! What a connection is doing, and until when it may go on like this.
//!
//! A connection is without a request, or a request waits for its client, to send more of it or to take more of its answer, or the server
//! works on it. The first two have a limit; a client that reads slowly and goes on reading is within it. Bytes prove nothing: a head
//! that trickles in is no request yet, and an HTTP/2 client that reads no answer can still send pings.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

/// How long a connection may stay in one state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// Until its first request is there.
    pub first: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Until the client sends the next piece of a request, or takes the next one of an answer.
    pub stalled: Duration,
}

impl Timeouts {
    /// The shortest limit. With checks at this interval, no state lasts for more than twice its own limit.
    pub(crate) fn shortest(&self) -> Duration {
        self.first.min(self.idle).min(self.stalled)
    }
}

#[derive(Debug)]
pub(crate) struct Activity(Mutex<ConnectionState>);

#[derive(Debug)]
struct ConnectionState {
    /// For each request, since when it waits for its client; `None` while the server works on it.
    requests: HashMap<u64, Option<Instant>>,
    begun: u64,
    /// Since when the client has read nothing although there is something to write; `None` while it reads.
    stuck_since: Option<Instant>,
    /// When the last answer was written, or the connection was opened.
    quiet_since: Instant,
    /// Whether the body of a request was left unread.
    left_over: bool,
}

impl Activity {
    pub(crate) fn begin() -> Arc<Self> {
        Arc::new(Self(Mutex::new(ConnectionState {
            requests: HashMap::new(),
            begun: 0,
            stuck_since: None,
            quiet_since: Instant::now(),
            left_over: false,
        })))
    }

    fn state(&self) -> MutexGuard<'_, ConnectionState> {
        self.0.lock()
    }

    /// Begins a request. It ends when the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>) -> Answering {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.requests.insert(number, None);
        Answering { activity: self.clone(), number }
    }

    /// Since when the connection has no request; `None` while it has one, or the answer is still being written.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests.is_empty() && state.stuck_since.is_none()).then_some(state.quiet_since)
    }

    /// Since when the server has nothing to do: there is no request, or all of them wait for the client.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.quiet_since().or_else(|| self.state().waiting_since())
    }

    /// Records that the client has stopped, or started, reading what is written.
    pub(crate) fn set_stuck(&self, stuck: bool) {
        let (mut state, now) = (self.state(), Instant::now());
        state.stuck_since = stuck.then_some(now);
        state.quiet_since = now;
    }

    /// When the first of the timeouts expires, unless the state changes before.
    pub(crate) fn due(&self, timeouts: &Timeouts) -> Option<Instant> {
        let state = self.state();
        if state.requests.is_empty() && state.stuck_since.is_none() {
            let limit = if state.begun == 0 { timeouts.first } else { timeouts.idle };
            return Some(state.quiet_since + limit);
        }
        Some(state.waiting_since()? + timeouts.stalled)
    }

    /// Whether the body of a request was left unread.
    pub(crate) fn left_over(&self) -> bool {
        self.state().left_over
    }
}

impl ConnectionState {
    /// Since when all requests wait for the client: since the last one does. `None` while the server works on one.
    fn waiting_since(&self) -> Option<Instant> {
        let mut requests = self.requests.values().copied();
        let last =
            requests.try_fold(None, |last, waiting| waiting.map(|since| last.max(Some(since))));
        last?.max(self.stuck_since)
    }
}

/// A request, until the last byte of its answer is handed over.
#[derive(Debug)]
pub(crate) struct Answering {
    activity: Arc<Activity>,
    number: u64,
}

impl Answering {
    /// Sets whether the request waits for its client from now on.
    pub(super) fn set_waiting(&self, waiting: bool) {
        self.activity.state().requests.insert(self.number, waiting.then(Instant::now));
    }

    /// Records that the body of the request was left unread.
    pub(super) fn leave_over(&self) {
        self.activity.state().left_over = true;
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests.remove(&self.number);
        state.quiet_since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Poll;

    use axum::body::{Body, HttpBody};
    use futures::future::poll_fn;

    use super::super::bodies::{AnswerBody, OpenRequest, Received, RequestBody};
    use super::*;

    const TIMEOUTS: Timeouts = Timeouts {
        first: Duration::from_secs(1),
        idle: Duration::from_secs(2),
        stalled: Duration::from_secs(3),
    };

    /// Its time runs out a limit after something that has just happened.
    fn is_due(activity: &Activity, limit: Duration, since: Instant) -> bool {
        let due = activity.due(&TIMEOUTS).unwrap();
        since + limit <= due && due <= Instant::now() + limit
    }

    #[tokio::test]
    async fn what_has_no_limit_is_an_answer_in_the_making() {
        let start = Instant::now();
        let activity = Activity::begin();
        assert!(is_due(&activity, TIMEOUTS.first, start));
        let answering = activity.request();
        assert_eq!((activity.due(&TIMEOUTS), activity.quiet_since()), (None, None));
        let request =
            Arc::new(OpenRequest { answering: Arc::new(answering), _held: Default::default() });
        let mut answer = AnswerBody { body: Body::from("rows"), request };
        let asked = Instant::now();
        let taken = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await;
        let piece = taken.unwrap().unwrap();
        assert!(is_due(&activity, TIMEOUTS.stalled, asked));
        let other = activity.request();
        assert_eq!((activity.due(&TIMEOUTS), activity.idle_since()), (None, None));
        drop((answer, other));
        assert!(is_due(&activity, TIMEOUTS.stalled, asked), "its last piece is not handed over");
        assert!(activity.quiet_since().is_none() && activity.idle_since().is_some());
        let ended = Instant::now();
        drop(piece);
        assert!(is_due(&activity, TIMEOUTS.idle, ended));
        let stuck = Instant::now();
        activity.set_stuck(true);
        assert!(is_due(&activity, TIMEOUTS.stalled, stuck));
        let taken = Instant::now();
        activity.set_stuck(false);
        assert!(is_due(&activity, TIMEOUTS.idle, taken));
    }

    #[tokio::test]
    async fn a_request_that_does_not_come_waits_for_its_client() {
        let activity = Activity::begin();
        let body = Body::from_stream(futures::stream::pending::<crate::error::Result<Vec<u8>>>());
        let answering = Arc::new(activity.request());
        let mut asked = RequestBody { body, state: Received::Part, answering: answering.clone() };
        assert!(activity.idle_since().is_none());
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut asked).poll_frame(cx).is_pending()));
        assert!(polled.await && activity.idle_since().is_some());
        drop(asked);
        assert!(activity.idle_since().is_none(), "now it is refused");
        drop(answering);
    }

    #[tokio::test]
    async fn a_body_is_left_over_unless_it_was_taken() {
        for (body, taken, left_over) in [
            (Body::empty(), false, false),
            (Body::from("{}"), false, true),
            (Body::from("{}"), true, false),
        ] {
            let activity = Activity::begin();
            let answering = Arc::new(activity.request());
            let mut asked = RequestBody { body, state: Received::Part, answering };
            while taken && poll_fn(|cx| Pin::new(&mut asked).poll_frame(cx)).await.is_some() {}
            drop(asked);
            assert_eq!(activity.left_over(), left_over);
        }
    }
}
