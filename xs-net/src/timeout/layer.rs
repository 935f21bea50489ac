//! The limit around a service: [`TimeoutLayer`] and [`TimeoutService`].

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Alone, Carry, Deadline, Elapsed, Error};
use crate::timer::Sleep;
use crate::{Timer, count::count};

/// Gives each call a deadline. See the [module page](super).
#[derive(Debug, Clone)]
pub struct TimeoutLayer<C = Alone> {
    name: Arc<str>,
    limit: Duration,
    timer: Timer,
    carry: C,
}

impl TimeoutLayer {
    /// A limit for each call; `name` is what events and counters call it. [`Duration::MAX`] is no limit but the
    /// request's own deadline.
    pub fn new(name: &str, limit: Duration, timer: &Timer) -> Self {
        TimeoutLayer { name: name.into(), limit, timer: timer.clone(), carry: Alone }
    }
}

impl<C> TimeoutLayer<C> {
    /// The same limit, for requests that carry a deadline.
    pub fn carry<D>(self, carry: D) -> TimeoutLayer<D> {
        TimeoutLayer { name: self.name, limit: self.limit, timer: self.timer, carry }
    }
}

impl<S, C: Clone> Layer<S> for TimeoutLayer<C> {
    type Service = TimeoutService<S, C>;

    fn layer(&self, inner: S) -> Self::Service {
        TimeoutService { inner, layer: self.clone() }
    }
}

/// A service whose calls have deadlines.
#[derive(Debug, Clone)]
pub struct TimeoutService<S, C = Alone> {
    inner: S,
    layer: TimeoutLayer<C>,
}

impl<R, S: Service<R>, C: Carry<R>> Service<R> for TimeoutService<S, C> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, mut request: R) -> Self::Future {
        let TimeoutLayer { name, limit, timer, carry } = &self.layer;
        let now = timer.now();
        let deadline = carry.read(&request).earlier(Deadline::after(now, *limit));
        if deadline.has_passed(now) {
            return TimeoutFuture { call: None, sleep: None, name: name.clone() };
        }
        carry.write(&mut request, deadline);
        let sleep = deadline.instant().map(|at| timer.sleep_until(at));
        TimeoutFuture { call: Some(self.inner.call(request)), sleep, name: name.clone() }
    }
}

pin_project! {
    /// A call with a deadline.
    #[derive(Debug)]
    pub struct TimeoutFuture<F> {
        // `None`: the deadline had passed before the call, or has passed since.
        #[pin]
        call: Option<F>,
        #[pin]
        sleep: Option<Sleep>,
        name: Arc<str>,
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for TimeoutFuture<F> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let called = match this.call.as_mut().as_pin_mut() {
            None => false,
            Some(call) => {
                if let Poll::Ready(result) = call.poll(cx) {
                    return Poll::Ready(result.map_err(Error::Inner));
                }
                let Some(sleep) = this.sleep.as_pin_mut() else { return Poll::Pending };
                std::task::ready!(sleep.poll(cx));
                // Gone now, not when the caller gets round to dropping this future.
                this.call.set(None);
                true
            }
        };
        count("xs_timeout_elapsed_total", this.name);
        tracing::debug!(name = &**this.name, called, "the time is up");
        Poll::Ready(Err(Error::Elapsed(Elapsed { called })))
    }
}
