//! A request and its endpoint: who gets it, what comes back, and whether it can be tried elsewhere.
//!
//! ```text
//!   pick ──▶ connection ──▶ send ──▶ response ──▶ its body holds endpoint and connection until it ends
//!    ▲  nobody: 503  │ refused: 502   │ broken: 502   │ a status that is tried again
//!    │               │ late: 504      │ late: 504     │
//!    └───────────────┴────────────────┴───────────────┘  if it is safe, and the budget allows it
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http_body::Body;
use parking_lot::Mutex;
use xs_net::Addr;
use xs_net::balance::{Outcome, Outstanding, Token};
use xs_net::breaker::Ticket;
use xs_net::client::Retry;
use xs_net::http::{ClientError, Incoming, Message, OnUpgrade, ResponseBody};
use xs_net::pool::Checkout;
use xs_net::proxy_protocol::Header;
use xs_proto::http1::{CommandError, RequestHead, ResponseHead};

use super::body::{Answer, Held, Sending, Use};
use super::heads::{cookie, strip_response};
use super::limit::key;
use super::table::Entry;
use super::{Asked, Refusal, Reply, Visit};
use crate::config::Sticky;
use crate::dial::Stream;
use crate::stats::{EndpointStats, ListenerStats};
use crate::upstream::{Call, Connection, Lent, OpenError, Upstream};

/// A call to an endpoint that has not ended. Dropped, it says nothing about the endpoint.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) call: Option<Call>,
    ticket: Option<Ticket>,
}

impl Trial {
    /// An endpoint whose breaker lets the call through. Those whose breakers don't are added to those tried.
    pub(crate) fn pick(
        upstream: &Upstream,
        hash: Option<u64>,
        tried: &mut Vec<Arc<str>>,
        now: Instant,
    ) -> Option<Trial> {
        let mut refused: Vec<Arc<str>> = Vec::new();
        loop {
            let call = match upstream.members.pick(now, hash, tried) {
                Some(call) => call,
                // All were tried: then once more from the start, but for those whose breakers are open.
                None if tried.len() > refused.len() => {
                    tried.clone_from(&refused);
                    continue;
                }
                None => return None,
            };
            let Some(breaker) = &call.service.breaker else { return Some(Trial { call: Some(call), ticket: None }) };
            let begun = breaker.lock().begin(now);
            match begun {
                Ok(ticket) => return Some(Trial { call: Some(call), ticket: Some(ticket) }),
                Err(_) => {
                    refused.push(call.name.clone());
                    tried.push(call.name.clone());
                }
            }
        }
    }

    /// It has ended so.
    pub(crate) fn end(self, outcome: Outcome, now: Instant) {
        drop(self.answered(outcome, now));
    }

    /// It was answered so, and goes on: it counts as under way until what this answers is dropped.
    pub(crate) fn answered(mut self, outcome: Outcome, now: Instant) -> Option<Outstanding> {
        self.judge(outcome, now);
        self.call.take()?.answered_at(outcome, now)
    }

    /// The request leaves now, which the endpoint's latency is counted from.
    fn asked(&mut self, now: Instant) {
        if let Some(call) = &mut self.call {
            call.asked_at(now);
        }
    }

    /// The head of the response is there. How long that took is the endpoint's latency, and what the breaker wants to know: a
    /// body may go on for hours, and a breaker that is half open would let nobody else through. The call goes on.
    pub(super) fn head(&mut self, outcome: Outcome, now: Instant) {
        self.judge(outcome, now);
        if let Some(call) = &mut self.call {
            call.head_at(outcome, now);
        }
    }

    fn judge(&mut self, outcome: Outcome, now: Instant) {
        if let (Some(call), Some(ticket)) = (&self.call, self.ticket.take())
            && let Some(breaker) = &call.service.breaker
        {
            breaker.lock().end(ticket, outcome, now);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let (Some(call), Some(ticket)) = (&self.call, self.ticket.take())
            && let Some(breaker) = &call.service.breaker
        {
            breaker.lock().cancel(ticket);
        }
    }
}

/// Why an attempt came to nothing.
struct Failed {
    refusal: Refusal,
    /// Nothing speaks against sending the request to another endpoint.
    again: bool,
    /// A connection from the pool turned out to be closed: that says nothing about the endpoint.
    stale: bool,
}

/// What there is to send, as often as it takes.
struct Parcel {
    head: RequestHead,
    held: Option<Arc<Mutex<Held>>>,
    once: Option<Sending>,
}

impl Parcel {
    fn new(head: RequestHead, body: Incoming, again: bool, stats: &Arc<ListenerStats>) -> Parcel {
        let (held, once) = if body.is_end_stream() {
            (None, None)
        } else if again {
            (Some(Held::new(body, stats.clone())), None)
        } else {
            (None, Some(Sending::Once(body, stats.clone())))
        };
        Parcel { head, held, once }
    }

    fn body(&mut self) -> Sending {
        match (&self.held, self.once.take()) {
            (Some(held), _) => Sending::Again(held.clone()),
            (None, Some(once)) => once,
            (None, None) => Sending::Empty,
        }
    }

    /// Whether its body could be sent again, if it had to be.
    fn is_whole(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.lock().is_whole())
    }

    fn is_idempotent(&self) -> bool {
        self.head.method().is_idempotent()
    }
}

/// A request while it is tried.
struct Exchange<'a> {
    entry: &'a Entry,
    upstream: &'a Arc<Upstream>,
    came: Instant,
    parcel: Parcel,
    upgrade: Option<OnUpgrade>,
    hash: Option<u64>,
    /// Tries that are left, this one included.
    left: u32,
    /// The names of those that were tried, and failed.
    tried: Vec<Arc<str>>,
    /// The next connection must be a new one.
    fresh: bool,
}

impl Visit {
    /// Sends a request to an endpoint of its pool, and to another one if that fails and is safe.
    pub(super) async fn exchange(self: &Arc<Self>, entry: &Entry, asked: Asked) -> Result<Reply, Refusal> {
        let upstream = &entry.upstream;
        let Asked { came, head, body, upgrade } = asked;
        upstream.stats.requests.add(1);
        upstream.budget.deposit_at(came);
        let hash = self.hash(upstream, &head);
        let left = if entry.route.retry && upgrade.is_none() { upstream.config.retry.attempts } else { 1 };
        let parcel = Parcel::new(head, body, left > 1, &self.listener.stats);
        let mut exchange =
            Exchange { entry, upstream, came, parcel, upgrade, hash, left, tried: Vec::new(), fresh: false };
        let mut now = came;
        loop {
            let Some(trial) = exchange.pick(now) else {
                upstream.stats.nobody.add(1);
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no endpoint can take the request"));
            };
            let failed = match self.attempt(&mut exchange, trial, now).await {
                Ok(reply) => return Ok(reply),
                Err(failed) => failed,
            };
            exchange.may_go_on(failed)?;
            now = self.timer().now();
        }
    }

    /// One try. With success the response, whose body holds what it uses.
    async fn attempt(
        self: &Arc<Self>,
        exchange: &mut Exchange<'_>,
        mut trial: Trial,
        mut now: Instant,
    ) -> Result<Reply, Failed> {
        let upstream = exchange.upstream;
        let Some(backend) = trial.call.as_ref().map(|call| call.service.clone()) else {
            unreachable!("a trial has its call until it ends")
        };
        backend.stats.requests.add(1);
        let Some(address) = backend.address else {
            exchange.end(trial, Outcome::Failure, now);
            return Err(Failed::before(Refusal::new(StatusCode::BAD_GATEWAY, "the endpoint has no address")));
        };
        let connections = &upstream.connections[self.thread];
        let tied = upstream.dialer.tells();
        let own = if tied { self.tied.take(upstream, &address, exchange.fresh, now) } else { None };
        let checkout = match (own, exchange.fresh) {
            (Some(own), _) => Checkout::Idle(own),
            (None, false) => connections.checkout_at(&address, now),
            (None, true) => upstream.fresh(connections, &address),
        };
        let (lent, kept): (Lent, bool) = match checkout {
            Checkout::Idle(lent) => (lent, true),
            other => match Box::pin(self.open(upstream, other, address, &backend.stats)).await {
                Ok(lent) => {
                    now = self.timer().now();
                    trial.asked(now);
                    (lent, false)
                }
                Err(error) => {
                    // Too few connections are the balancer's own rule.
                    let own = matches!(error, OpenError::Busy(_));
                    let outcome = if own { Outcome::Ignored } else { Outcome::Failure };
                    tracing::debug!(pool = &*upstream.name, %address, %error, "no connection");
                    exchange.end(trial, outcome, self.timer().now());
                    return Err(Failed::before(error.refusal()));
                }
            },
        };
        let body = exchange.parcel.body();
        let error = match lent.begin(&exchange.parcel.head, body) {
            Ok(begun) => match begun.await {
                Ok(response) => {
                    let tied = tied.then(|| upstream.clone());
                    return self.respond(exchange, response, Use { trial, lent, began: now, tied });
                }
                Err(error) => error,
            },
            Err(error) => error,
        };
        let now = self.timer().now();
        drop(lent);
        let failed = failure(&error, kept && !exchange.fresh, &exchange.parcel);
        tracing::debug!(pool = &*upstream.name, %address, %error, stale = failed.stale, "an attempt failed");
        if failed.stale {
            trial.end(Outcome::Ignored, now);
        } else if error.retry() == Retry::Useless {
            exchange.end(trial, Outcome::Ignored, now);
        } else {
            let late = failed.refusal.status == StatusCode::GATEWAY_TIMEOUT;
            if late { &backend.stats.timeouts } else { &backend.stats.breaks }.add(1);
            exchange.end(trial, Outcome::Failure, now);
        }
        Err(failed)
    }

    /// A connection that was not kept, on this client's behalf.
    async fn open(
        &self,
        upstream: &Upstream,
        checkout: Checkout<SocketAddr, Connection>,
        address: SocketAddr,
        stats: &EndpointStats,
    ) -> Result<Lent, OpenError> {
        let header = match (&self.peer, &self.local) {
            (Addr::Tcp(source), Addr::Tcp(destination)) => Header::proxied(*source, *destination),
            _ => Header::unknown(),
        };
        upstream.open(&upstream.connections[self.thread], checkout, address, &header, stats).await
    }

    /// The response as the client gets it; unless its status is one that is tried again.
    fn respond(
        self: &Arc<Self>,
        exchange: &mut Exchange<'_>,
        response: Message<ResponseHead, ResponseBody<Stream, Sending>>,
        using: Use,
    ) -> Result<Reply, Failed> {
        let Message { mut head, body, mut extensions } = response;
        let status = head.status();
        if status.is_server_error() {
            if let Some(call) = &using.trial.call {
                call.service.stats.errors.add(1);
            }
            if exchange.tries_again(status) {
                // What is left of the body is not read, which costs the connection.
                exchange.end(using.trial, Outcome::Failure, self.timer().now());
                return Err(Failed::before(Refusal::new(status, "the endpoint has failed")));
            }
        }
        let upgrades = match exchange.upgrade.take() {
            Some(ours) => extensions.remove::<OnUpgrade>().map(|theirs| (ours, theirs)),
            None => None,
        };
        let edited = self.edit(exchange, &mut head, &using, upgrades.is_some());
        if edited.is_err() {
            let refusal = Refusal::new(StatusCode::BAD_GATEWAY, "the response cannot be passed on");
            return Err(Failed { refusal, again: false, stale: false });
        }
        if let Some((ours, theirs)) = upgrades {
            let now = self.timer().now();
            tokio::spawn(super::upgrade::relay(ours, theirs, using.switch(now), self.clone()));
            self.note(exchange.came, now, status.as_u16() / 100);
            return Ok(Message::new(head, Answer::nothing(self.clone())));
        }
        Ok(Message::new(head, Answer::theirs(body, using, self.clone(), exchange.came, status)))
    }

    /// Makes the endpoint's head the one that the client gets.
    fn edit(
        &self,
        exchange: &Exchange<'_>,
        head: &mut ResponseHead,
        using: &Use,
        switches: bool,
    ) -> Result<(), CommandError> {
        strip_response(head, switches)?;
        exchange.entry.response.apply(head.fields_mut())?;
        if let Some(stuck) = using.stuck()
            && exchange.hash != Some(stuck.token)
        {
            head.fields_mut().append("set-cookie", stuck.line.as_bytes())?;
        }
        Ok(())
    }

    /// What this request's endpoint is chosen by.
    fn hash(&self, upstream: &Upstream, head: &RequestHead) -> Option<u64> {
        if let Some(Sticky::Cookie { name, .. }) = &upstream.config.sticky {
            let token = std::str::from_utf8(cookie(head.fields(), name)?).ok()?;
            return token.parse::<Token>().ok().map(|token| token.0);
        }
        key(upstream.hashed()?, head, self.source)
    }
}

impl Exchange<'_> {
    fn pick(&mut self, now: Instant) -> Option<Trial> {
        Trial::pick(self.upstream, self.hash, &mut self.tried, now)
    }

    /// A trial has failed: the next one goes elsewhere.
    fn end(&mut self, trial: Trial, outcome: Outcome, now: Instant) {
        if let Some(call) = &trial.call {
            self.tried.push(call.name.clone());
        }
        trial.end(outcome, now);
    }

    /// Whether a response of this status is thrown away for another one.
    fn tries_again(&self, status: StatusCode) -> bool {
        self.left > 1
            && self.upstream.config.retry.statuses.contains(&status)
            && self.parcel.is_idempotent()
            && self.parcel.is_whole()
            && self.upstream.budget.balance() > 0
    }

    /// Whether there is another try after this failure. If not, it is what the client is told.
    #[cold]
    fn may_go_on(&mut self, failed: Failed) -> Result<(), Refusal> {
        if failed.stale {
            // Once, and free: the endpoint has had no fair chance.
            self.fresh = true;
            return Ok(());
        }
        self.left -= 1;
        if self.left == 0 || !failed.again {
            return Err(failed.refusal);
        }
        let stats = &self.upstream.stats;
        if !self.upstream.budget.withdraw() {
            stats.over_budget.add(1);
            return Err(failed.refusal);
        }
        stats.retries.add(1);
        Ok(())
    }
}

/// What an error means for the client, and whether it can be tried again. `kept`: the connection was from the pool.
#[cold]
fn failure(error: &ClientError, kept: bool, parcel: &Parcel) -> Failed {
    if error.retry() == Retry::Useless {
        return Failed {
            refusal: Refusal::new(StatusCode::BAD_REQUEST, "the request cannot be passed on"),
            again: false,
            stale: false,
        };
    }
    let whole = parcel.is_whole();
    let again = whole && (error.retry() == Retry::Safe || parcel.is_idempotent());
    let status = match error.protocol() {
        Some(fault) => fault.gateway_status(),
        None if error.io().is_some_and(|error| error.kind() == std::io::ErrorKind::TimedOut) => {
            StatusCode::GATEWAY_TIMEOUT
        }
        None => StatusCode::BAD_GATEWAY,
    };
    let closed = matches!(error.protocol(), None | Some(xs_proto::http1::Error::NoResponse));
    let late = status == StatusCode::GATEWAY_TIMEOUT;
    let text = if late { "the endpoint did not answer in time" } else { "the endpoint's answer broke off" };
    // One that is late may be at work on it still: a second one beside it would make things worse.
    Failed { refusal: Refusal::new(status, text), again, stale: again && kept && closed && !late }
}

impl Failed {
    /// Nothing was sent, or what came back says that it can be sent again.
    fn before(refusal: Refusal) -> Failed {
        Failed { refusal, again: true, stale: false }
    }
}
