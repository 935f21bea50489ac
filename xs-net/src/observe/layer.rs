//! Watching a service: [`ObserveLayer`] and [`ObserveService`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use tracing::Span;
use tracing::field::Empty;
use xs_os::{Nanos, Rng};

use super::{CANCELLED, Stats, TraceContext};
use crate::Timer;

/// Which operation a request is: its place among those of the [`Stats`]. Any `Fn(&R) -> usize` does.
pub trait Describe<R> {
    /// Which one this request is.
    fn operation(&self, request: &R) -> usize;
}

impl<R, F: Fn(&R) -> usize> Describe<R> for F {
    fn operation(&self, request: &R) -> usize {
        self(request)
    }
}

/// Every request is the first operation.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alike;

impl<R> Describe<R> for Alike {
    fn operation(&self, _: &R) -> usize {
        0
    }
}

/// What a call's outcome is called. Any `Fn(&Result<T, E>) -> &'static str` does.
pub trait Judge<T, E> {
    /// What this result is called: one of a few names.
    fn judge(&self, result: &Result<T, E>) -> &'static str;
}

impl<T, E, F: Fn(&Result<T, E>) -> &'static str> Judge<T, E> for F {
    fn judge(&self, result: &Result<T, E>) -> &'static str {
        self(result)
    }
}

/// A response is called "ok" and an error "error".
#[derive(Debug, Clone, Copy, Default)]
pub struct OkOrError;

impl<T, E> Judge<T, E> for OkOrError {
    fn judge(&self, result: &Result<T, E>) -> &'static str {
        if result.is_ok() { "ok" } else { "error" }
    }
}

/// Where a request carries its place in a trace. A pair of closures does, `Fn(&R) -> Option<TraceContext>` and
/// `Fn(&mut R, &TraceContext)`; for HTTP there is `Headers`.
pub trait Propagate<R> {
    /// What the request came with.
    fn extract(&self, request: &R) -> Option<TraceContext>;

    /// What it goes on with.
    fn inject(&self, request: &mut R, context: &TraceContext);
}

impl<R, F: Fn(&R) -> Option<TraceContext>, G: Fn(&mut R, &TraceContext)> Propagate<R> for (F, G) {
    fn extract(&self, request: &R) -> Option<TraceContext> {
        self.0(request)
    }

    fn inject(&self, request: &mut R, context: &TraceContext) {
        self.1(request, context);
    }
}

/// Gives requests their place in a trace: [`Untraced`] or [`Traced`].
pub trait Trace<R> {
    /// The request's own place, which it goes on with.
    fn trace(&self, request: &mut R) -> Option<TraceContext>;
}

/// Requests are in no trace.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untraced;

impl<R> Trace<R> for Untraced {
    fn trace(&self, _: &mut R) -> Option<TraceContext> {
        None
    }
}

/// Requests are children of what they came with; those that came with nothing begin a trace.
#[derive(Debug, Clone)]
pub struct Traced<P> {
    propagate: P,
    rng: Arc<Mutex<Rng>>,
}

impl<R, P: Propagate<R>> Trace<R> for Traced<P> {
    fn trace(&self, request: &mut R) -> Option<TraceContext> {
        let parent = self.propagate.extract(request);
        let context = {
            let rng = &mut *self.rng.lock();
            match parent {
                Some(parent) => parent.child(rng),
                // Whether anything records is not known here: the specification's default is not to say so.
                None => TraceContext::root(false, rng),
            }
        };
        self.propagate.inject(request, &context);
        Some(context)
    }
}

/// Counts calls, times them, and puts a span around each. See the [module page](super).
#[derive(Debug, Clone)]
pub struct ObserveLayer<D = Alike, J = OkOrError, X = Untraced> {
    shared: Arc<Shared>,
    describe: D,
    judge: J,
    trace: X,
}

#[derive(Debug)]
struct Shared {
    stats: Stats,
    timer: Timer,
}

impl ObserveLayer {
    /// Counts calls in `stats`: every request as its first operation, and outcomes as "ok" and "error".
    pub fn new(stats: &Stats, timer: &Timer) -> Self {
        let shared = Arc::new(Shared { stats: stats.clone(), timer: timer.clone() });
        ObserveLayer { shared, describe: Alike, judge: OkOrError, trace: Untraced }
    }
}

impl<D, J, X> ObserveLayer<D, J, X> {
    /// Requests are the operations that `describe` says.
    pub fn describe<E>(self, describe: E) -> ObserveLayer<E, J, X> {
        ObserveLayer { shared: self.shared, describe, judge: self.judge, trace: self.trace }
    }

    /// Outcomes are called what `judge` says.
    pub fn judge<K>(self, judge: K) -> ObserveLayer<D, K, X> {
        ObserveLayer { shared: self.shared, describe: self.describe, judge, trace: self.trace }
    }

    /// Requests get their place in a trace, which they carry as `propagate` says. New ids come from `rng`; ids that nobody
    /// should guess, or that must differ between two runs, need one that is seeded so.
    pub fn traced<P>(self, propagate: P, rng: Rng) -> ObserveLayer<D, J, Traced<P>> {
        let trace = Traced { propagate, rng: Arc::new(Mutex::new(rng)) };
        ObserveLayer { shared: self.shared, describe: self.describe, judge: self.judge, trace }
    }

    /// Where it counts.
    pub fn stats(&self) -> &Stats {
        &self.shared.stats
    }
}

impl<S, D: Clone, J: Clone, X: Clone> Layer<S> for ObserveLayer<D, J, X> {
    type Service = ObserveService<S, D, J, X>;

    fn layer(&self, inner: S) -> Self::Service {
        ObserveService { inner, layer: self.clone() }
    }
}

/// A service that is watched. Clones, and services of the same layer, count together.
#[derive(Debug, Clone)]
pub struct ObserveService<S, D = Alike, J = OkOrError, X = Untraced> {
    inner: S,
    layer: ObserveLayer<D, J, X>,
}

impl<S, D, J, X> ObserveService<S, D, J, X> {
    /// The service that is watched.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<R, S, D, J, X> Service<R> for ObserveService<S, D, J, X>
where
    S: Service<R>,
    D: Describe<R>,
    J: Judge<S::Response, S::Error> + Clone,
    X: Trace<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ObserveFuture<S::Future, J>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let ObserveLayer { shared, describe, judge, trace } = &self.layer;
        let operation = describe.operation(&request);
        let context = trace.trace(&mut request);
        let span = tracing::info_span!(
            "request",
            name = shared.stats.name(),
            operation = shared.stats.operation_name(operation),
            trace_id = context.as_ref().map(|context| display(context.trace_id)),
            span_id = context.as_ref().map(|context| display(context.span_id)),
            outcome = Empty,
        );
        let began = shared.timer.nanos();
        shared.stats.began(operation);
        // From here on the call ends, also if the next line panics.
        let watch = Watch { shared: shared.clone(), operation, began, span, ended: false };
        let call = watch.span.in_scope(|| self.inner.call(request));
        ObserveFuture { call, watch, judge: judge.clone() }
    }
}

/// A call under way. Dropped, it is one that was cancelled.
struct Watch {
    shared: Arc<Shared>,
    operation: usize,
    began: Nanos,
    span: Span,
    ended: bool,
}

impl Watch {
    fn end(&mut self, outcome: &'static str) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let took = self.shared.timer.nanos() - self.began;
        self.shared.stats.ended(self.operation, outcome, took);
        if !self.span.is_disabled() {
            // The field is looked for by its name, for which nobody should pay who listens to nothing.
            self.span.record("outcome", outcome);
        }
        tracing::debug!(parent: &self.span, outcome, ?took, "ended");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end(CANCELLED);
    }
}

pin_project! {
    /// A call that is watched.
    #[must_use = "a call does nothing until it is polled"]
    pub struct ObserveFuture<F, J> {
        #[pin]
        call: F,
        watch: Watch,
        judge: J,
    }
}

impl<F, J, T, E> Future for ObserveFuture<F, J>
where
    F: Future<Output = Result<T, E>>,
    J: Judge<T, E>,
{
    type Output = Result<T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let result = {
            let _inside = this.watch.span.enter();
            ready!(this.call.poll(cx))
        };
        this.watch.end(this.judge.judge(&result));
        Poll::Ready(result)
    }
}

impl<F, J> fmt::Debug for ObserveFuture<F, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Watch { shared, operation, ended, .. } = &self.watch;
        let operation = shared.stats.operation_name(*operation);
        f.debug_struct("ObserveFuture").field("operation", &operation).field("ended", ended).finish_non_exhaustive()
    }
}
