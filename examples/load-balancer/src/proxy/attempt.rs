//! A request and its endpoint: who gets it, what comes back, and whether it can be tried elsewhere.
//!
//! ```text
//!   pick ──▶ connection ──▶ send ──▶ response ──▶ its body holds endpoint and connection until it ends
//!    ▲  nobody: 503  │ refused: 502   │ broken: 502   │ a status that is tried again
//!    │               │ late: 504      │ late: 504     │
//!    └───────────────┴────────────────┴───────────────┘  if it is safe, and the budget allows it
//! ```

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;
use http_body::Body;
use parking_lot::Mutex;
use tower::Service;
use xs_net::balance::{Outcome, Outstanding, Token};
use xs_net::breaker::Ticket;
use xs_net::client::Retry;
use xs_net::http::{ClientError, Message, OnUpgrade};
use xs_net::pool::Checkout;
use xs_proto::http1::{RequestHead, ResponseHead};

use super::body::{Answer, Held, Sending, Use};
use super::heads::{cookie, strip_response};
use super::limit::key;
use super::table::Entry;
use super::{Asked, Refusal, Reply, Visit};
use crate::config::Sticky;
use crate::upstream::{Call, Lent, OpenError, Upstream};

/// A call to an endpoint that has not ended. Dropped, it says nothing about the endpoint.
#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) call: Option<Call>,
    ticket: Option<Ticket>,
}

impl Trial {
    /// It has ended so.
    pub(crate) fn end(self, outcome: Outcome, now: Instant) {
        drop(self.answered(outcome, now));
    }

    /// It was answered so, and goes on: it counts as under way until what this answers is dropped.
    pub(crate) fn answered(mut self, outcome: Outcome, now: Instant) -> Option<Outstanding> {
        let call = self.call.take()?;
        if let (Some(breaker), Some(ticket)) = (&call.service.breaker, self.ticket.take()) {
            breaker.lock().end(ticket, outcome, now);
        }
        call.answered(outcome)
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
    head: Option<RequestHead>,
    held: Option<Arc<Mutex<Held>>>,
    once: Option<Sending>,
    idempotent: bool,
}

impl Parcel {
    fn new(head: RequestHead, body: xs_net::http::Incoming, again: bool) -> Parcel {
        let idempotent = head.method().is_idempotent();
        let (held, once) = if body.is_end_stream() {
            (None, None)
        } else if again {
            (Some(Held::new(body)), None)
        } else {
            (None, Some(Sending::Once(body)))
        };
        Parcel { head: Some(head), held, once, idempotent }
    }

    /// The request, of which a copy is kept if it may be needed once more.
    fn take(&mut self, again: bool) -> Option<Message<RequestHead, Sending>> {
        let head = if again { self.head.clone() } else { self.head.take() };
        let body = match (&self.held, self.once.take()) {
            (Some(held), _) => Sending::Again(held.clone()),
            (None, Some(once)) => once,
            (None, None) => Sending::Empty,
        };
        Some(Message::new(head?, body))
    }

    /// Whether its body could be sent again.
    fn is_whole(&self) -> bool {
        self.held.as_ref().is_none_or(|held| held.lock().is_whole())
    }
}

impl Visit {
    /// Sends a request to an endpoint of its pool, and another one if that fails and is safe.
    pub(super) async fn exchange(self: &Arc<Self>, entry: &Entry, asked: Asked) -> Result<Reply, Refusal> {
        let upstream = &*entry.upstream;
        let Asked { came, head, body, upgrade } = asked;
        upstream.stats.requests.add(1);
        upstream.budget.deposit_at(came);
        let hash = self.hash(upstream, &head);
        let mut left = if entry.route.retry && upgrade.is_none() { upstream.config.retry.attempts } else { 1 };
        let mut parcel = Parcel::new(head, body, left > 1);
        let mut tried = Vec::new();
        let (mut now, mut fresh) = (came, false);
        loop {
            let Some(trial) = pick(upstream, hash, &mut tried, now) else {
                upstream.stats.nobody.add(1);
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "no endpoint can take the request"));
            };
            let failed = match self.attempt(upstream, trial, &mut parcel, left > 1, fresh, now).await {
                Ok((response, using, theirs)) => {
                    return self.reply(entry, came, hash, response, using, upgrade.zip(theirs));
                }
                Err(failed) => failed,
            };
            now = self.timer().now();
            if failed.stale && !fresh {
                // Once, on a connection that is new.
                fresh = true;
                tried.pop();
                continue;
            }
            left -= 1;
            if left == 0 || !failed.again {
                return Err(failed.refusal);
            }
            if !upstream.budget.withdraw() {
                upstream.stats.over_budget.add(1);
                return Err(failed.refusal);
            }
            upstream.stats.retries.add(1);
        }
    }

    /// One try. With success the response's head, and its body with what it holds.
    async fn attempt(
        &self,
        upstream: &Upstream,
        trial: Trial,
        parcel: &mut Parcel,
        again: bool,
        fresh: bool,
        now: Instant,
    ) -> Result<
        (Message<ResponseHead, xs_net::http::ResponseBody<tokio::net::TcpStream, Sending>>, Use, Option<OnUpgrade>),
        Failed,
    > {
        let Some(call) = &trial.call else { unreachable!("a trial has its call until it ends") };
        let backend = call.service.clone();
        backend.stats.requests.add(1);
        let Some(address) = backend.address else {
            trial.end(Outcome::Failure, now);
            return Err(Failed::before(Refusal::new(StatusCode::BAD_GATEWAY, "the endpoint has no address")));
        };
        let connections = &upstream.connections[self.thread];
        let checkout =
            if fresh { upstream.fresh(connections, &address) } else { connections.checkout_at(&address, now) };
        let (mut lent, kept): (Lent, bool) = match checkout {
            Checkout::Idle(lent) => (lent, true),
            other => match Box::pin(upstream.open(connections, other, address, &backend.stats)).await {
                Ok(lent) => (lent, false),
                Err(error) => {
                    // Too few connections are the balancer's own rule.
                    let outcome = if matches!(error, OpenError::Busy(_)) { Outcome::Ignored } else { Outcome::Failure };
                    tracing::debug!(pool = &*upstream.name, %address, %error, "no connection");
                    trial.end(outcome, self.timer().now());
                    return Err(Failed::before(error.refusal()));
                }
            },
        };
        let Some(message) = parcel.take(again || kept) else {
            return Err(Failed::before(Refusal::new(StatusCode::BAD_GATEWAY, "the request is gone")));
        };
        match lent.call(message).await {
            Ok(mut response) => {
                let theirs = response.extensions.remove::<OnUpgrade>();
                let status = response.head.status();
                let outcome = if status.is_server_error() {
                    backend.stats.errors.add(1);
                    Outcome::Failure
                } else {
                    Outcome::Success
                };
                let retried = again
                    && outcome == Outcome::Failure
                    && upstream.config.retry.statuses.contains(&status)
                    && parcel.idempotent
                    && parcel.is_whole();
                if retried && theirs.is_none() && upstream.budget.balance() > 0 {
                    trial.end(Outcome::Failure, self.timer().now());
                    // The body is not read, which costs the connection.
                    return Err(Failed::before(Refusal::new(status, "the endpoint has failed")));
                }
                Ok((response, Use { trial, lent, outcome, began: now }, theirs))
            }
            Err(error) => {
                let now = self.timer().now();
                drop(lent);
                let failed = self.failure(&error, kept, parcel);
                let outcome =
                    if failed.stale || error.retry() == Retry::Useless { Outcome::Ignored } else { Outcome::Failure };
                if outcome == Outcome::Failure {
                    let late = failed.refusal.status == StatusCode::GATEWAY_TIMEOUT;
                    if late { &backend.stats.timeouts } else { &backend.stats.breaks }.add(1);
                }
                tracing::debug!(pool = &*upstream.name, %address, %error, stale = failed.stale, "an attempt failed");
                trial.end(outcome, now);
                Err(failed)
            }
        }
    }

    /// What an error means for the client, and whether it can be tried again.
    #[cold]
    fn failure(&self, error: &ClientError, kept: bool, parcel: &Parcel) -> Failed {
        if error.retry() == Retry::Useless {
            return Failed {
                refusal: Refusal::new(StatusCode::BAD_REQUEST, "the request cannot be passed on"),
                again: false,
                stale: false,
            };
        }
        let whole = parcel.is_whole();
        let again = whole && (error.retry() == Retry::Safe || parcel.idempotent);
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

    /// What this request's endpoint is chosen by.
    fn hash(&self, upstream: &Upstream, head: &RequestHead) -> Option<u64> {
        if let Some(Sticky::Cookie { name, .. }) = &upstream.config.sticky {
            let token = std::str::from_utf8(cookie(head.fields(), name)?).ok()?;
            return token.parse::<Token>().ok().map(|token| token.0);
        }
        key(upstream.hashed()?, head, self.source)
    }

    /// The response as the client gets it.
    fn reply(
        self: &Arc<Self>,
        entry: &Entry,
        came: Instant,
        hash: Option<u64>,
        response: Message<ResponseHead, xs_net::http::ResponseBody<tokio::net::TcpStream, Sending>>,
        using: Use,
        upgrades: Option<(OnUpgrade, OnUpgrade)>,
    ) -> Result<Reply, Refusal> {
        let Message { mut head, body, .. } = response;
        let status = head.status().as_u16();
        let wrong = |_| Refusal::new(StatusCode::BAD_GATEWAY, "the response cannot be passed on");
        strip_response(&mut head, upgrades.is_some()).map_err(wrong)?;
        entry.response.apply(head.fields_mut()).map_err(wrong)?;
        if let Some(stuck) = using.stuck()
            && hash != Some(stuck.token)
        {
            head.fields_mut().append("set-cookie", stuck.line.as_bytes()).map_err(wrong)?;
        }
        if let Some((ours, theirs)) = upgrades {
            let visit = self.clone();
            tokio::spawn(super::upgrade::relay(ours, theirs, using, visit));
            self.note(came, self.timer().now(), status / 100);
            return Ok(Message::new(head, Answer::nothing(self.clone())));
        }
        Ok(Message::new(head, Answer::theirs(body, using, self.clone(), came, status)))
    }
}

impl Failed {
    /// Nothing was sent, or what came back says that it can be sent again.
    fn before(refusal: Refusal) -> Failed {
        Failed { refusal, again: true, stale: false }
    }
}

/// An endpoint whose breaker lets the call through; its name is added to those tried.
pub(crate) fn pick(upstream: &Upstream, hash: Option<u64>, tried: &mut Vec<Arc<str>>, now: Instant) -> Option<Trial> {
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
        let Some(breaker) = &call.service.breaker else {
            tried.push(call.name.clone());
            return Some(Trial { call: Some(call), ticket: None });
        };
        let begun = breaker.lock().begin(now);
        tried.push(call.name.clone());
        match begun {
            Ok(ticket) => return Some(Trial { call: Some(call), ticket: Some(ticket) }),
            Err(_) => refused.push(call.name.clone()),
        }
    }
}
