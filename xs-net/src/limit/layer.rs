//! The limit around a service: refusing at once, or letting requests wait for their place.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Denied, Error, Limit};
use crate::Timer;
use crate::count::count;
use crate::timer::Sleep;

/// Who pays for a request, and how much: any closure from a request to a key and a cost, or [`Flat`].
pub trait Charge<R> {
    /// Who pays.
    type Key;

    /// Who pays for `request`, and how many units.
    fn charge(&self, request: &R) -> (Self::Key, u64);
}

impl<R, K, F: Fn(&R) -> (K, u64)> Charge<R> for F {
    type Key = K;

    fn charge(&self, request: &R) -> (K, u64) {
        self(request)
    }
}

/// Everybody pays together, one unit a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Flat;

impl<R> Charge<R> for Flat {
    type Key = ();

    fn charge(&self, _: &R) -> ((), u64) {
        ((), 1)
    }
}

/// Requests over the limit are refused at once.
#[derive(Debug, Clone, Copy)]
pub struct Refuse;

/// Requests over the limit wait for their place, in the order in which they came, if it is at most so far away.
#[derive(Debug, Clone, Copy)]
pub struct Wait(Duration);

/// Puts a limit around services. All services that it makes, and their clones, share the one limit.
///
/// ```
/// use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
/// use xs_net::Timer;
/// use xs_net::limit::{Error, Gcra, Keyed, Rate, RateLimitLayer};
/// use xs_os::Rng;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// struct Request { user: String }
///
/// // Ten a second for each user, two of them at once; at most 10,000 users are remembered.
/// let rule = Gcra::new(Rate::per_second(10)?, 2);
/// let limit = Keyed::new(rule, 10_000, Rng::from_entropy().next_u64());
/// let layer = RateLimitLayer::charging(limit, &Timer::system(), |request: &Request| (request.user.clone(), 1));
///
/// let greet = service_fn(|request: Request| async move { Ok::<_, std::io::Error>(format!("hello {}", request.user)) });
/// let mut greet = ServiceBuilder::new().layer(layer).service(greet);
/// for nth in 0..3 {
///     match greet.ready().await?.call(Request { user: "ann".into() }).await {
///         Ok(answer) => assert!(nth < 2 && answer == "hello ann"),
///         Err(Error::Denied(denied)) => assert!(nth == 2 && denied.retry_after().is_some()),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct RateLimitLayer<L, F = Flat, M = Refuse> {
    handle: Handle<L, F>,
    mode: M,
}

/// What the layer and its services share.
struct Handle<L, F> {
    shared: Arc<Shared<L, F>>,
    name: Arc<str>,
}

struct Shared<L, F> {
    limit: L,
    charge: F,
    timer: Timer,
}

impl<L> RateLimitLayer<L> {
    /// One limit for all requests, of which each costs one unit.
    pub fn new(limit: L, timer: &Timer) -> Self {
        Self::charging(limit, timer, Flat)
    }
}

impl<L, F> RateLimitLayer<L, F> {
    /// Requests are charged as `charge` says: to whom, and how much.
    pub fn charging(limit: L, timer: &Timer, charge: F) -> Self {
        let shared = Arc::new(Shared { limit, charge, timer: timer.clone() });
        RateLimitLayer { handle: Handle { shared, name: "limit".into() }, mode: Refuse }
    }

    /// Lets requests wait for their place, up to `longest`. A request that is dropped while it waits has used its place.
    ///
    /// The service is cloned for a request that waits, so that those that need not wait can pass.
    pub fn waiting(self, longest: Duration) -> RateLimitLayer<L, F, Wait> {
        RateLimitLayer { handle: self.handle, mode: Wait(longest) }
    }
}

impl<L, F, M> RateLimitLayer<L, F, M> {
    /// The name in events and counters. Default "limit".
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.handle.name = name.into();
        self
    }

    /// The limit that is shared.
    pub fn limit(&self) -> &L {
        &self.handle.shared.limit
    }
}

impl<L, F, M: Clone> Clone for RateLimitLayer<L, F, M> {
    fn clone(&self) -> Self {
        RateLimitLayer { handle: self.handle.clone(), mode: self.mode.clone() }
    }
}

impl<S, L, F, M: Clone> Layer<S> for RateLimitLayer<L, F, M> {
    type Service = RateLimit<S, L, F, M>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit { inner, handle: self.handle.clone(), mode: self.mode.clone() }
    }
}

impl<L, F> Handle<L, F> {
    #[inline]
    fn reserve<R>(&self, request: &R, patience: Duration) -> Result<Duration, Denied>
    where
        F: Charge<R>,
        L: Limit<F::Key>,
    {
        let Shared { limit, charge, timer } = &*self.shared;
        let (key, cost) = charge.charge(request);
        limit.reserve_by(&key, timer, cost, patience).inspect_err(|denied| self.refused(denied))
    }

    #[cold]
    fn refused(&self, denied: &Denied) {
        tracing::debug!(name = &*self.name, %denied, "refused");
        count("xs_limit_refused_total", &self.name);
    }
}

impl<L, F> Clone for Handle<L, F> {
    fn clone(&self) -> Self {
        Handle { shared: self.shared.clone(), name: self.name.clone() }
    }
}

impl<L: fmt::Debug, F> fmt::Debug for Handle<L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).field("limit", &self.shared.limit).finish_non_exhaustive()
    }
}

/// A service behind a limit. See [`RateLimitLayer`].
#[derive(Debug)]
pub struct RateLimit<S, L, F = Flat, M = Refuse> {
    inner: S,
    handle: Handle<L, F>,
    mode: M,
}

impl<S, L, F, M> RateLimit<S, L, F, M> {
    /// The service behind the limit.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service without the limit.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, L, F, M: Clone> Clone for RateLimit<S, L, F, M> {
    fn clone(&self) -> Self {
        RateLimit { inner: self.inner.clone(), handle: self.handle.clone(), mode: self.mode.clone() }
    }
}

impl<S, R, L, F> Service<R> for RateLimit<S, L, F, Refuse>
where
    S: Service<R>,
    F: Charge<R>,
    L: Limit<F::Key>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Refusing<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let state = match self.handle.reserve(&request, Duration::ZERO) {
            Ok(_) => RefusingState::Calling { call: self.inner.call(request) },
            Err(denied) => RefusingState::Denied { denied },
        };
        Refusing { state }
    }
}

pin_project! {
    /// The response of a service that refuses at once.
    #[derive(Debug)]
    #[must_use = "a call does nothing until it is polled"]
    pub struct Refusing<C> {
        #[pin]
        state: RefusingState<C>,
    }
}

pin_project! {
    #[project = RefusingProjection]
    #[derive(Debug)]
    enum RefusingState<C> {
        Calling { #[pin] call: C },
        Denied { denied: Denied },
    }
}

impl<C: Future<Output = Result<T, E>>, T, E> Future for Refusing<C> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            RefusingProjection::Calling { call } => call.poll(cx).map_err(Error::Inner),
            RefusingProjection::Denied { denied } => Poll::Ready(Err(Error::Denied(*denied))),
        }
    }
}

impl<S, R, L, F> Service<R> for RateLimit<S, L, F, Wait>
where
    S: Service<R> + Clone,
    F: Charge<R>,
    L: Limit<F::Key>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Waiting<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let state = match self.handle.reserve(&request, self.mode.0) {
            Ok(Duration::ZERO) => WaitingState::Calling { call: self.inner.call(request) },
            Ok(wait) => {
                tracing::trace!(name = &*self.handle.name, ?wait, "waits");
                count("xs_limit_waited_total", &self.handle.name);
                let sleep = self.handle.shared.timer.sleep(wait);
                WaitingState::Sleeping { sleep, next: Some((self.inner.clone(), request)) }
            }
            Err(denied) => WaitingState::Denied { denied },
        };
        Waiting { state }
    }
}

pin_project! {
    /// The response of a service that lets requests wait.
    #[must_use = "a call does nothing until it is polled"]
    pub struct Waiting<S: Service<R>, R> {
        #[pin]
        state: WaitingState<S, R, S::Future>,
    }
}

pin_project! {
    #[project = WaitingProjection]
    enum WaitingState<S, R, C> {
        Sleeping { sleep: Sleep, next: Option<(S, R)> },
        Readying { next: Option<(S, R)> },
        Calling { #[pin] call: C },
        Denied { denied: Denied },
    }
}

impl<S: Service<R>, R> Future for Waiting<S, R> {
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            match state.as_mut().project() {
                WaitingProjection::Sleeping { sleep, next } => {
                    ready!(Pin::new(sleep).poll(cx));
                    let next = next.take();
                    state.set(WaitingState::Readying { next });
                }
                WaitingProjection::Readying { next } => {
                    if let Some((service, _)) = next {
                        ready!(service.poll_ready(cx)).map_err(Error::Inner)?;
                    }
                    let (mut service, request) = next.take().expect("it is taken once, on leaving this state");
                    state.set(WaitingState::Calling { call: service.call(request) });
                }
                WaitingProjection::Calling { call } => return call.poll(cx).map_err(Error::Inner),
                WaitingProjection::Denied { denied } => return Poll::Ready(Err(Error::Denied(*denied))),
            }
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for Waiting<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
