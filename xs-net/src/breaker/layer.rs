//! The breaker around a service: [`BreakerLayer`], [`BreakerService`], and the [`BreakerHandle`] that controls them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tower::{Layer, Service};

use super::{Breaker, BreakerOptions, Classify, Error, Errors, Outcome, Rejected, State, Status, Ticket, Totals};
use crate::{Timer, count::count};

/// What everybody shares who goes through one breaker, and the means to control it. Clones share it.
#[derive(Clone)]
pub struct BreakerHandle {
    shared: Arc<Shared>,
}

struct Shared {
    breaker: Mutex<Breaker>,
    timer: Timer,
    name: Arc<str>,
    watched: watch::Sender<Status>,
}

impl BreakerHandle {
    /// A closed breaker; `name` is what events and counters call it.
    pub fn new(name: &str, options: BreakerOptions, timer: &Timer) -> Self {
        let breaker = Breaker::new(options, timer.now());
        let watched = watch::Sender::new(breaker.status());
        let shared = Shared { breaker: Mutex::new(breaker), timer: timer.clone(), name: name.into(), watched };
        BreakerHandle { shared: Arc::new(shared) }
    }

    /// What it is since its last change.
    pub fn status(&self) -> Status {
        self.shared.breaker.lock().status()
    }

    /// What its window held when the last call ended.
    pub fn totals(&self) -> Totals {
        self.shared.breaker.lock().totals()
    }

    /// Its changes as they come; whoever looks late sees the newest.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.shared.watched.subscribe()
    }

    /// Rejects every call from now on.
    pub fn force_open(&self) {
        let now = self.shared.timer.now();
        self.change(|breaker| breaker.force_open(now));
    }

    /// Lets every call through from now on.
    pub fn force_closed(&self) {
        let now = self.shared.timer.now();
        self.change(|breaker| breaker.force_closed(now));
    }

    /// Begins anew: closed, with nothing counted.
    pub fn reset(&self) {
        let now = self.shared.timer.now();
        self.change(|breaker| breaker.reset(now));
    }

    pub(super) fn begin(&self) -> Result<Permit, Rejected> {
        let now = self.shared.timer.now();
        match self.change(|breaker| breaker.begin(now)) {
            Ok(ticket) => Ok(Permit { handle: self.clone(), ticket: Some(ticket) }),
            Err(rejected) => Err(self.rejected(rejected)),
        }
    }

    pub(super) fn rejection(&self) -> Option<Rejected> {
        let now = self.shared.timer.now();
        self.shared.breaker.lock().rejection(now)
    }

    fn rejected(&self, rejected: Rejected) -> Rejected {
        tracing::debug!(name = &*self.shared.name, state = ?rejected.state, after = ?rejected.retry_after, "rejected");
        count("xs_breaker_rejected_total", &self.shared.name);
        rejected
    }

    /// Lets `act` have the breaker, and tells the world if it is another one afterwards.
    fn change<T>(&self, act: impl FnOnce(&mut Breaker) -> T) -> T {
        let (before, after, answer) = {
            let mut breaker = self.shared.breaker.lock();
            let before = breaker.status();
            let answer = act(&mut breaker);
            (before, breaker.status(), answer)
        };
        if before.generation != after.generation {
            self.announce(before, after);
        }
        answer
    }

    #[cold]
    fn announce(&self, before: Status, after: Status) {
        // The lock is given back by now, and somebody may have been faster with a later change: that one stays.
        self.shared.watched.send_if_modified(|seen| {
            let newer = after.generation > seen.generation;
            if newer {
                *seen = after;
            }
            newer
        });
        let (name, from, to) = (&*self.shared.name, before.state, after.state);
        match to {
            State::Open | State::ForcedOpen => {
                count("xs_breaker_opened_total", &self.shared.name);
                tracing::warn!(name, ?from, "open");
            }
            State::HalfOpen => tracing::info!(name, ?from, "half open"),
            State::Closed | State::ForcedClosed => {
                count("xs_breaker_closed_total", &self.shared.name);
                tracing::info!(name, ?from, "closed");
            }
        }
    }
}

impl fmt::Debug for BreakerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerHandle")
            .field("name", &self.shared.name)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

/// A call under way. Dropped, it takes itself back.
#[derive(Debug)]
pub(super) struct Permit {
    handle: BreakerHandle,
    ticket: Option<Ticket>,
}

impl Permit {
    pub(super) fn end(&mut self, outcome: Outcome) {
        if let Some(ticket) = self.ticket.take() {
            let now = self.handle.shared.timer.now();
            self.handle.change(|breaker| breaker.end(ticket, outcome, now));
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.handle.change(|breaker| breaker.cancel(ticket));
        }
    }
}

/// Puts one breaker around every service that it is given. See the [module page](super).
#[derive(Debug, Clone)]
pub struct BreakerLayer<C = Errors> {
    handle: BreakerHandle,
    classify: C,
}

impl BreakerLayer {
    /// A breaker that takes every error for a failure; `name` is what events and counters call it.
    pub fn new(name: &str, options: BreakerOptions, timer: &Timer) -> Self {
        BreakerLayer { handle: BreakerHandle::new(name, options, timer), classify: Errors }
    }
}

impl<C> BreakerLayer<C> {
    /// The same breaker, with another idea of failure: any `Fn(&Result<T, E>) -> Outcome`.
    ///
    /// ```
    /// # use std::io;
    /// # use xs_net::{Timer, breaker::{BreakerLayer, BreakerOptions, Outcome}};
    /// let layer = BreakerLayer::new("files", BreakerOptions::default(), &Timer::system());
    /// // That there is no such file is a good answer.
    /// let layer = layer.classify(|result: &io::Result<Vec<u8>>| match result {
    ///     Err(error) if error.kind() != io::ErrorKind::NotFound => Outcome::Failure,
    ///     _ => Outcome::Success,
    /// });
    /// ```
    pub fn classify<D>(self, classify: D) -> BreakerLayer<D> {
        BreakerLayer { handle: self.handle, classify }
    }

    /// The means to control the breaker and to watch it.
    pub fn handle(&self) -> BreakerHandle {
        self.handle.clone()
    }
}

impl<S, C: Clone> Layer<S> for BreakerLayer<C> {
    type Service = BreakerService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        BreakerService { inner, refused: None, handle: self.handle.clone(), classify: self.classify.clone() }
    }
}

/// A service behind a breaker. Clones, and services of the same layer, share the breaker.
#[derive(Debug)]
pub struct BreakerService<S, C = Errors> {
    inner: S,
    /// Why it said that it is ready although `inner` is not: what the next call will hear.
    refused: Option<Rejected>,
    handle: BreakerHandle,
    classify: C,
}

impl<S, C> BreakerService<S, C> {
    /// The means to control the breaker and to watch it.
    pub fn handle(&self) -> &BreakerHandle {
        &self.handle
    }
}

impl<S: Clone, C: Clone> Clone for BreakerService<S, C> {
    fn clone(&self) -> Self {
        let (inner, handle, classify) = (self.inner.clone(), self.handle.clone(), self.classify.clone());
        BreakerService { inner, refused: None, handle, classify }
    }
}

impl<R, S, C> Service<R> for BreakerService<S, C>
where
    S: Service<R>,
    C: Classify<S::Response, S::Error> + Clone,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = BreakerFuture<S::Future, C>;

    /// Ready when the inner service is, or when a call would be rejected without it.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let inner = self.inner.poll_ready(cx);
        self.refused = if inner.is_pending() { self.handle.rejection() } else { None };
        if self.refused.is_some() { Poll::Ready(Ok(())) } else { inner.map_err(Error::Inner) }
    }

    fn call(&mut self, request: R) -> Self::Future {
        if let Some(rejected) = self.refused.take() {
            // Also if it has become half open since: the inner service isn't ready to hear a trial call.
            return BreakerFuture { kind: Kind::Rejected { error: Some(self.handle.rejected(rejected)) } };
        }
        let kind = match self.handle.begin() {
            Ok(permit) => Kind::Called { call: self.inner.call(request), permit, classify: self.classify.clone() },
            Err(rejected) => Kind::Rejected { error: Some(rejected) },
        };
        BreakerFuture { kind }
    }
}

pin_project! {
    /// A call through a breaker.
    #[derive(Debug)]
    pub struct BreakerFuture<F, C> {
        #[pin]
        kind: Kind<F, C>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F, C> {
        Called { #[pin] call: F, permit: Permit, classify: C },
        Rejected { error: Option<Rejected> },
    }
}

impl<F, C, T, E> Future for BreakerFuture<F, C>
where
    F: Future<Output = Result<T, E>>,
    C: Classify<T, E>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Called { call, permit, classify } => {
                let result = std::task::ready!(call.poll(cx));
                permit.end(classify.classify(&result));
                Poll::Ready(result.map_err(Error::Inner))
            }
            KindProjection::Rejected { error } => {
                Poll::Ready(Err(Error::Rejected(error.take().expect("a future is not polled after its end"))))
            }
        }
    }
}
