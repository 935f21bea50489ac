//! What a connection knows of its exchanges, and of itself beside them.

use std::collections::VecDeque;
use std::time::{Duration, Instant, UNIX_EPOCH};

use http::Method;
use tokio::sync::oneshot;
use xs_proto::http1::{self, RequestHead, ServerCommand, StreamId, http_date};

use super::super::body::Inlet;
use super::super::{Incoming, OnUpgrade, ServerOptions, Upgraded};
use crate::serve::Drain;
use crate::session::{Cause, Registration};
use crate::{Driver, Transport};

/// What needs no pinning.
pub(super) struct State {
    pub(super) options: ServerOptions,
    pub(super) drain: Option<Drain>,
    pub(super) registration: Option<Registration>,
    pub(super) current: Option<Exchange>,
    pub(super) waiting: VecDeque<(Box<RequestHead>, Exchange)>,
    /// For the user who gets the connection when the machine hands it over.
    pub(super) upgrade: Option<oneshot::Sender<Upgraded>>,
    /// Until when the machine's `Date` is right.
    pub(super) date: Option<Instant>,
    /// Something has happened that the exchange under way may wait for.
    pub(super) stir: bool,
    /// The next request waits for earlier answers to be written.
    pub(super) held_back: bool,
    /// What the service said instead of being ready.
    pub(super) unready: Option<Cause>,
    /// No further request is answered.
    pub(super) stopped: bool,
    /// Why it ends, where that is known before it does.
    pub(super) cause: Option<Cause>,
}

/// A request, and what is to be known of it while it is answered.
pub(super) struct Exchange {
    pub(super) stream: StreamId,
    pub(super) head: bool,
    pub(super) connect: bool,
    /// Where its body goes, until all of it has come.
    pub(super) inlet: Option<Inlet>,
    pub(super) upgrade: Option<oneshot::Sender<Upgraded>>,
    pub(super) on_upgrade: Option<OnUpgrade>,
    pub(super) incoming: Option<Incoming>,
}

impl Exchange {
    pub(super) fn new(stream: StreamId, head: &RequestHead, window: usize) -> Exchange {
        let (incoming, inlet) = if head.framing().is_empty() {
            (None, None)
        } else {
            let (incoming, inlet) = Incoming::channel(head.framing(), window, head.expects_continue());
            (Some(incoming), Some(inlet))
        };
        let (upgrade, on_upgrade) = match head.wants_upgrade().then(OnUpgrade::new) {
            Some((sender, promise)) => (Some(sender), Some(promise)),
            None => (None, None),
        };
        Exchange {
            stream,
            head: *head.method() == Method::HEAD,
            connect: *head.method() == Method::CONNECT,
            inlet,
            upgrade,
            on_upgrade,
            incoming,
        }
    }
}

impl State {
    pub(super) fn exchange(&mut self, stream: StreamId) -> Option<&mut Exchange> {
        let waiting = self.waiting.iter_mut().map(|(_, exchange)| exchange);
        self.current.iter_mut().chain(waiting).find(|exchange| exchange.stream == stream)
    }

    pub(super) fn inlet(&mut self, stream: StreamId) -> Option<&Inlet> {
        self.exchange(stream)?.inlet.as_ref()
    }

    /// Tells the machine the calendar's time if a second has passed.
    pub(super) fn refresh_date<Io: Transport + Unpin>(&mut self, driver: &mut Driver<http1::Server, Io>) {
        let now = driver.now();
        if self.date.is_some_and(|until| now < until) {
            return;
        }
        let wall = driver.timer().wall();
        let within = wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
        self.date = now.checked_add(Duration::from_secs(1) - Duration::from_nanos(within.into()));
        let _ = driver.command(ServerCommand::Date(http_date(wall)));
    }
}
