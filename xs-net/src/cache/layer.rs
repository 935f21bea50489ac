//! The cache around a service: [`CacheLayer`] and [`CacheService`].

use std::fmt;
use std::future::Future;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};
use xs_storage::cache;

use super::flight::{Lead, News, Plan, Seat, Shared};
use super::{Error, Lasts, Stored};
use crate::Timer;

/// Keeps responses, and makes one call for all who ask for the same thing at once. See the [module page](super).
///
/// The type says what it keeps: responses `T` under keys `K` in a store `C`, of a service that fails with `E`.
pub struct CacheLayer<K, T, E, C, L, F> {
    shared: Arc<Shared<K, T, E, C>>,
    lifetime: L,
    key: F,
}

impl<K, T, E, C, L, F> CacheLayer<K, T, E, C, L, F>
where
    K: Hash + Eq + Clone,
    T: Clone,
    C: cache::Cache<K, Stored<T>>,
{
    /// - `name` is what counters call it.
    /// - `store` is any cache of [`xs_storage::cache`], which decides what has to go when it is full.
    /// - `lifetime` says how long a response is good: a [`Lifetime`](super::Lifetime), or a `Fn(&T) -> Lifetime`.
    /// - `key`, `Fn(&R) -> Option<K>`: requests with the same key have the same answer; `None` goes past the cache.
    pub fn new(name: &str, store: C, lifetime: L, timer: &Timer, key: F) -> Self {
        CacheLayer { shared: Arc::new(Shared::new(name, timer, store)), lifetime, key }
    }

    /// Forgets a key. A call for it that is under way is not stored, and nobody who comes from now on waits for it.
    pub fn remove(&self, key: &K) {
        self.shared.remove(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.shared.clear();
    }

    /// How many keys are being asked for at this moment.
    pub fn in_flight(&self) -> usize {
        self.shared.flights()
    }
}

impl<K, T, E, C, L: Clone, F: Clone> Clone for CacheLayer<K, T, E, C, L, F> {
    fn clone(&self) -> Self {
        CacheLayer { shared: self.shared.clone(), lifetime: self.lifetime.clone(), key: self.key.clone() }
    }
}

impl<K, T, E, C, L, F> fmt::Debug for CacheLayer<K, T, E, C, L, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheLayer").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl<S, K, T, E, C, L: Clone, F: Clone> Layer<S> for CacheLayer<K, T, E, C, L, F> {
    type Service = CacheService<S, K, T, E, C, L, F>;

    fn layer(&self, inner: S) -> Self::Service {
        CacheService { inner, layer: self.clone() }
    }
}

/// A service behind a cache. Clones, and services of the same layer, share it.
#[derive(Debug)]
pub struct CacheService<S, K, T, E, C, L, F> {
    inner: S,
    layer: CacheLayer<K, T, E, C, L, F>,
}

impl<S: Clone, K, T, E, C, L: Clone, F: Clone> Clone for CacheService<S, K, T, E, C, L, F> {
    fn clone(&self) -> Self {
        CacheService { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<R, S, K, C, L, F> Service<R> for CacheService<S, K, S::Response, S::Error, C, L, F>
where
    R: Send + 'static,
    S: Service<R> + Clone + Send + 'static,
    S::Future: Send,
    S::Response: Clone + Send + 'static,
    S::Error: Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + 'static,
    C: cache::Cache<K, Stored<S::Response>> + Send + 'static,
    L: Lasts<S::Response> + Clone + Send + 'static,
    F: Fn(&R) -> Option<K>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = CacheFuture<S, R, K, C, L>;

    /// Always ready: what is cached needs no inner service. A miss waits for it in the call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        let lifetime = self.layer.lifetime.clone();
        let key = (self.layer.key)(&request);
        let ask = |request, lead| State::Readying { call: Some((self.inner.clone(), request)), lead };
        let state = match key {
            None => ask(request, None),
            Some(key) => match self.layer.shared.plan(key) {
                Plan::Answer(value) => State::Done { result: Some(Ok(value)) },
                Plan::Lead(lead) => ask(request, Some(lead)),
                Plan::Wait(seat) => State::Waiting { call: Some((self.inner.clone(), request)), seat },
                Plan::Refresh(value, lead) => match tokio::runtime::Handle::try_current() {
                    Ok(runtime) => {
                        let refresh = CacheFuture { state: ask(request, Some(lead)), lifetime: lifetime.clone() };
                        // Its result is in the cache, or it has failed and the next one tries again.
                        runtime.spawn(async move { drop(refresh.await) });
                        State::Done { result: Some(Ok(value)) }
                    }
                    // Nobody but the caller can make the call here, so it waits.
                    Err(_) => ask(request, Some(lead)),
                },
            },
        };
        CacheFuture { state, lifetime }
    }
}

pin_project! {
    /// A call through a cache.
    pub struct CacheFuture<S, R, K, C, L>
    where
        S: Service<R>,
        S::Response: Clone,
        K: Hash,
        K: Eq,
        K: Clone,
        C: cache::Cache<K, Stored<S::Response>>,
    {
        #[pin]
        state: State<S, S::Future, R, K, S::Response, S::Error, C>,
        lifetime: L,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, R, K, T, E, C>
    where
        T: Clone,
        K: Hash,
        K: Eq,
        K: Clone,
        C: cache::Cache<K, Stored<T>>,
    {
        Done { result: Option<Result<T, Error<E>>> },
        Waiting { call: Option<(S, R)>, seat: Seat<K, T, E, C> },
        Readying { call: Option<(S, R)>, lead: Option<Lead<K, T, E, C>> },
        Calling { #[pin] call: F, lead: Option<Lead<K, T, E, C>> },
    }
}

impl<S, R, K, C, L> Future for CacheFuture<S, R, K, C, L>
where
    S: Service<R>,
    S::Response: Clone,
    K: Hash + Eq + Clone,
    C: cache::Cache<K, Stored<S::Response>>,
    L: Lasts<S::Response>,
{
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let lifetime = this.lifetime;
        let finish = |lead: &mut Option<Lead<_, _, _, _>>, result: Result<S::Response, S::Error>| match lead.take() {
            Some(lead) => lead.finish(result, |value| lifetime.lasts(value)),
            None => result.map_err(Error::Inner),
        };
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Done { result } => {
                    return Poll::Ready(result.take().expect("a future is not polled after its end"));
                }
                StateProjection::Waiting { call, seat } => match ready!(seat.poll(cx)) {
                    News::Landed(result) => return Poll::Ready(result),
                    News::Lead(lead) => State::Readying { call: call.take(), lead: Some(lead) },
                },
                StateProjection::Readying { call, lead } => {
                    let (service, _) = call.as_mut().expect("there is a request until it is made");
                    if let Err(error) = ready!(service.poll_ready(cx)) {
                        return Poll::Ready(finish(lead, Err(error)));
                    }
                    let (mut service, request) = call.take().expect("it was there a moment ago");
                    State::Calling { call: service.call(request), lead: lead.take() }
                }
                StateProjection::Calling { call, lead } => {
                    let result = ready!(call.poll(cx));
                    return Poll::Ready(finish(lead, result));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S, R, K, C, L> fmt::Debug for CacheFuture<S, R, K, C, L>
where
    S: Service<R>,
    S::Response: Clone,
    K: Hash + Eq + Clone,
    C: cache::Cache<K, Stored<S::Response>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Done { .. } => "done",
            State::Waiting { .. } => "waits for another's call",
            State::Readying { .. } | State::Calling { .. } => "calls",
        };
        f.debug_struct("CacheFuture").field("state", &state).finish_non_exhaustive()
    }
}
