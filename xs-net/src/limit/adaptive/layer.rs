//! The learned limit around a service.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use xs_os::Nanos;

use super::{Adapt, Load, Sample};
use crate::Timer;
use crate::limit::concurrency::refused;
use crate::limit::{Error, Full, Slots};

/// What a result says about the load: any closure, or [`OkIsFine`].
pub trait Classify<T, E> {
    /// What `result` says.
    fn classify(&self, result: &Result<T, E>) -> Load;
}

impl<T, E, F: Fn(&Result<T, E>) -> Load> Classify<T, E> for F {
    fn classify(&self, result: &Result<T, E>) -> Load {
        self(result)
    }
}

/// A response was served, an error says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct OkIsFine;

impl<T, E> Classify<T, E> for OkIsFine {
    fn classify(&self, result: &Result<T, E>) -> Load {
        if result.is_ok() { Load::Served } else { Load::Unknown }
    }
}

/// Lets as many calls be under way as its policy has learned, over all services that it makes and their clones.
pub struct AdaptiveLayer<A, C = OkIsFine> {
    shared: Arc<Shared<A, C>>,
    name: Arc<str>,
}

struct Shared<A, C> {
    policy: Mutex<A>,
    classify: C,
    timer: Timer,
    slots: Slots,
}

impl<A: Adapt> AdaptiveLayer<A> {
    /// A limit by `policy`, where each response counts as served, and no error as anything.
    pub fn new(policy: A, timer: &Timer) -> Self {
        Self::classifying(policy, timer, OkIsFine)
    }
}

impl<A: Adapt, C> AdaptiveLayer<A, C> {
    /// A limit by `policy`, where `classify` says what a result tells about the load.
    pub fn classifying(policy: A, timer: &Timer, classify: C) -> Self {
        let slots = Slots::new(policy.limit());
        let shared = Shared { policy: Mutex::new(policy), classify, timer: timer.clone(), slots };
        AdaptiveLayer { shared: Arc::new(shared), name: "adaptive".into() }
    }

    /// The name in events and counters. Default "adaptive".
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// The places that are shared: how many there are now, and how many are taken.
    pub fn slots(&self) -> &Slots {
        &self.shared.slots
    }
}

impl<A, C> Clone for AdaptiveLayer<A, C> {
    fn clone(&self) -> Self {
        AdaptiveLayer { shared: self.shared.clone(), name: self.name.clone() }
    }
}

impl<A, C> fmt::Debug for AdaptiveLayer<A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdaptiveLayer").field("name", &self.name).field("slots", &self.shared.slots).finish()
    }
}

impl<S, A, C> Layer<S> for AdaptiveLayer<A, C> {
    type Service = Adaptive<S, A, C>;

    fn layer(&self, inner: S) -> Self::Service {
        Adaptive { inner, layer: self.clone() }
    }
}

/// A service behind a learned limit. See [`AdaptiveLayer`].
pub struct Adaptive<S, A, C = OkIsFine> {
    inner: S,
    layer: AdaptiveLayer<A, C>,
}

impl<S, A, C> Adaptive<S, A, C> {
    /// The service behind the limit.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The service without the limit.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Clone, A, C> Clone for Adaptive<S, A, C> {
    fn clone(&self) -> Self {
        Adaptive { inner: self.inner.clone(), layer: self.layer.clone() }
    }
}

impl<S: fmt::Debug, A, C> fmt::Debug for Adaptive<S, A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adaptive").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, R, A, C> Service<R> for Adaptive<S, A, C>
where
    S: Service<R>,
    A: Adapt,
    C: Classify<S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = Measuring<S::Future, A, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = &self.layer.shared;
        let state = match shared.slots.enter() {
            Ok(in_flight) => {
                let running = Running { shared: shared.clone(), started: shared.timer.nanos(), in_flight };
                MeasuringState::Calling { call: self.inner.call(request), running: Some(running) }
            }
            Err(full) => {
                refused(&self.layer.name, &full);
                MeasuringState::Full { full }
            }
        };
        Measuring { state }
    }
}

/// A call that is under way. Dropped, it gives its place back and says nothing.
struct Running<A, C> {
    shared: Arc<Shared<A, C>>,
    started: Nanos,
    in_flight: usize,
}

impl<A, C> Drop for Running<A, C> {
    fn drop(&mut self) {
        self.shared.slots.leave();
    }
}

impl<A: Adapt, C> Running<A, C> {
    fn ended<T, E>(self, result: &Result<T, E>)
    where
        C: Classify<T, E>,
    {
        let overload = match self.shared.classify.classify(result) {
            Load::Served => false,
            Load::Overload => true,
            Load::Unknown => return,
        };
        let (started, in_flight, ended) = (self.started, self.in_flight, self.shared.timer.nanos());
        let mut policy = self.shared.policy.lock();
        policy.update(&Sample { started, ended, in_flight, overload });
        // Under the lock, so that the last word is the latest.
        self.shared.slots.set_max(policy.limit().max(1));
    }
}

pin_project! {
    /// The response of a service behind a learned limit.
    #[must_use = "a call does nothing until it is polled"]
    pub struct Measuring<F, A, C> {
        #[pin]
        state: MeasuringState<F, A, C>,
    }
}

pin_project! {
    #[project = MeasuringProjection]
    enum MeasuringState<F, A, C> {
        Calling { #[pin] call: F, running: Option<Running<A, C>> },
        Full { full: Full },
    }
}

impl<F, T, E, A, C> Future for Measuring<F, A, C>
where
    F: Future<Output = Result<T, E>>,
    A: Adapt,
    C: Classify<T, E>,
{
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            MeasuringProjection::Calling { call, running } => {
                let result = ready!(call.poll(cx));
                if let Some(running) = running.take() {
                    running.ended(&result);
                }
                Poll::Ready(result.map_err(Error::Inner))
            }
            MeasuringProjection::Full { full } => Poll::Ready(Err(Error::Full(*full))),
        }
    }
}

impl<F, A, C> fmt::Debug for Measuring<F, A, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Measuring").finish_non_exhaustive()
    }
}
