//! How many calls may be under way at once.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Error, Full};
use crate::count::count;

/// A number of places for calls. Clones share the places.
#[derive(Clone)]
pub struct Slots {
    shared: Arc<Shared>,
}

/// Nothing is published through these counters, so relaxed is enough: changes of one word have one order.
struct Shared {
    max: AtomicUsize,
    used: AtomicUsize,
}

impl Slots {
    /// `max` places.
    pub fn new(max: usize) -> Self {
        Slots { shared: Arc::new(Shared { max: AtomicUsize::new(max), used: AtomicUsize::new(0) }) }
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> usize {
        self.shared.used.load(Ordering::Relaxed)
    }

    /// How many may be.
    pub fn max(&self) -> usize {
        self.shared.max.load(Ordering::Relaxed)
    }

    /// Changes how many may be. Calls that are under way stay.
    pub fn set_max(&self, max: usize) {
        self.shared.max.store(max, Ordering::Relaxed);
    }

    /// A place, until it is dropped.
    ///
    /// # Errors
    ///
    /// [`Full`] if there is none.
    pub fn take(&self) -> Result<Slot, Full> {
        self.enter().map(|_| Slot { slots: self.clone() })
    }

    /// Takes a place that [`Slots::leave`] gives back, and answers how many are taken with it.
    #[inline]
    pub(super) fn enter(&self) -> Result<usize, Full> {
        let limit = self.max();
        let taken = self.shared.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            // The counter cannot overflow: each place is an object in memory.
            (used < limit).then(|| used + 1)
        });
        taken.map(|before| before + 1).map_err(|_| Full { limit })
    }

    #[inline]
    pub(super) fn leave(&self) {
        self.shared.used.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Slots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots").field("in_flight", &self.in_flight()).field("max", &self.max()).finish()
    }
}

/// One call's place, free again when dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.leave();
    }
}

/// Lets so many calls be under way at once, over all services that it makes and their clones, and refuses the others.
///
/// A place is taken by `call` and never by `poll_ready`, so a service that is ready and not used takes nothing away. It
/// is free when the response is there (its body may still be on the way), or when the call is dropped.
///
/// ```
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use xs_net::limit::ConcurrencyLayer;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let echo = service_fn(|n: u32| async move { Ok::<_, std::io::Error>(n) });
/// let service = ServiceBuilder::new().layer(ConcurrencyLayer::new(100)).service(echo);
/// assert_eq!(service.oneshot(7).await.unwrap(), 7);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConcurrencyLayer {
    slots: Slots,
    name: Arc<str>,
}

impl ConcurrencyLayer {
    /// `max` calls at once.
    pub fn new(max: usize) -> Self {
        Self::sharing(Slots::new(max))
    }

    /// As many as there are `slots`, which others may use, too.
    pub fn sharing(slots: Slots) -> Self {
        ConcurrencyLayer { slots, name: "concurrency".into() }
    }

    /// The name in events and counters. Default "concurrency".
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The places that are shared.
    pub fn slots(&self) -> &Slots {
        &self.slots
    }
}

impl<S> Layer<S> for ConcurrencyLayer {
    type Service = Concurrency<S>;

    fn layer(&self, inner: S) -> Concurrency<S> {
        Concurrency { inner, slots: self.slots.clone(), name: self.name.clone() }
    }
}

/// A service of which so many calls may be under way. See [`ConcurrencyLayer`].
#[derive(Debug, Clone)]
pub struct Concurrency<S> {
    inner: S,
    slots: Slots,
    name: Arc<str>,
}

impl<S> Concurrency<S> {
    /// The service behind the limit.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service without the limit.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<R>, R> Service<R> for Concurrency<S> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Holding<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let state = match self.slots.take() {
            Ok(slot) => HoldingState::Calling { call: self.inner.call(request), slot: Some(slot) },
            Err(full) => {
                refused(&self.name, &full);
                HoldingState::Full { full }
            }
        };
        Holding { state }
    }
}

#[cold]
pub(super) fn refused(name: &Arc<str>, full: &Full) {
    tracing::debug!(name = &**name, limit = full.limit, "refused");
    count("xs_limit_full_total", name);
}

pin_project! {
    /// The response of a service of which so many calls may be under way.
    #[derive(Debug)]
    #[must_use = "a call does nothing until it is polled"]
    pub struct Holding<C> {
        #[pin]
        state: HoldingState<C>,
    }
}

pin_project! {
    #[project = HoldingProjection]
    #[derive(Debug)]
    enum HoldingState<C> {
        Calling { #[pin] call: C, slot: Option<Slot> },
        Full { full: Full },
    }
}

impl<C: Future<Output = Result<T, E>>, T, E> Future for Holding<C> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            HoldingProjection::Calling { call, slot } => {
                let answer = ready!(call.poll(cx));
                // Whoever keeps the finished future around keeps no place.
                *slot = None;
                Poll::Ready(answer.map_err(Error::Inner))
            }
            HoldingProjection::Full { full } => Poll::Ready(Err(Error::Full(*full))),
        }
    }
}
