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
    shared: Arc<Shared>,
    limit: Duration,
    carry: C,
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    timer: Timer,
}

impl TimeoutLayer {
    /// A limit for each call; `name` is what events and counters call it. [`Duration::MAX`] is no limit but the
    /// request's own deadline.
    pub fn new(name: &str, limit: Duration, timer: &Timer) -> Self {
        let shared = Arc::new(Shared { name: name.into(), timer: timer.clone() });
        TimeoutLayer { shared, limit, carry: Alone }
    }
}

impl<C> TimeoutLayer<C> {
    /// The same limit, for requests that carry a deadline.
    pub fn carry<D>(self, carry: D) -> TimeoutLayer<D> {
        TimeoutLayer { shared: self.shared, limit: self.limit, carry }
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
        let TimeoutLayer { shared, limit, carry } = &self.layer;
        let now = shared.timer.nanos();
        let deadline = carry.read(&request).earlier(Deadline::after(now, *limit));
        let shared = shared.clone();
        if deadline.has_passed(now) {
            return TimeoutFuture { call: None, deadline, sleep: None, shared };
        }
        carry.write(&mut request, deadline);
        TimeoutFuture { call: Some(self.inner.call(request)), deadline, sleep: None, shared }
    }
}

pin_project! {
    /// A call with a deadline.
    #[derive(Debug)]
    pub struct TimeoutFuture<F> {
        // `None`: the deadline had passed before the call, or has passed since.
        #[pin]
        call: Option<F>,
        deadline: Deadline,
        // Made when the call is first found not to be ready: most never need it.
        sleep: Option<Sleep>,
        shared: Arc<Shared>,
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
                let Some(at) = this.deadline.instant() else { return Poll::Pending };
                let sleep = this.sleep.get_or_insert_with(|| this.shared.timer.sleep_until(at));
                std::task::ready!(Pin::new(sleep).poll(cx));
                // Gone now, not when the caller gets round to dropping this future.
                this.call.set(None);
                true
            }
        };
        count("xs_timeout_elapsed_total", &this.shared.name);
        tracing::debug!(name = &*this.shared.name, called, "the time is up");
        Poll::Ready(Err(Error::Elapsed(Elapsed { called })))
    }
}
