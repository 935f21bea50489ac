//! Shedding around a service: [`ShedLayer`] and [`ShedService`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{Codel, CodelOptions, Error, Shed};
use crate::{Timer, count::count};

struct Shared {
    name: Arc<str>,
    options: CodelOptions,
    timer: Timer,
    codel: Mutex<Codel>,
}

/// Refuses calls that have waited too long in a queue that stands. See the [module page](super).
#[derive(Clone)]
pub struct ShedLayer<A> {
    shared: Arc<Shared>,
    arrived: A,
}

impl<A> ShedLayer<A> {
    /// `arrived`, `Fn(&R) -> Instant`, tells when a request came, by the clock of `timer`; `name` is what events and
    /// counters call the layer.
    pub fn new(name: &str, options: CodelOptions, timer: &Timer, arrived: A) -> Self {
        let codel = Mutex::new(Codel::new(options));
        ShedLayer { shared: Arc::new(Shared { name: name.into(), options, timer: timer.clone(), codel }), arrived }
    }
}

impl<S, A: Clone> Layer<S> for ShedLayer<A> {
    type Service = ShedService<S, A>;

    fn layer(&self, inner: S) -> Self::Service {
        ShedService { inner, layer: self.clone() }
    }
}

impl<A> fmt::Debug for ShedLayer<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShedLayer").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

/// A service that refuses what comes too late. Clones, and services of the same layer, share what they know.
#[derive(Debug, Clone)]
pub struct ShedService<S, A> {
    inner: S,
    layer: ShedLayer<A>,
}

impl<R, S: Service<R>, A: Fn(&R) -> Instant> Service<R> for ShedService<S, A> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = ShedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = &self.layer.shared;
        let now = shared.timer.now();
        let waited = now.saturating_duration_since((self.layer.arrived)(&request));
        if shared.codel.lock().admits(waited, now) {
            return ShedFuture { kind: Kind::Called { call: self.inner.call(request) } };
        }
        count("xs_shed_rejected_total", &shared.name);
        tracing::debug!(name = &*shared.name, ?waited, "shed");
        ShedFuture { kind: Kind::Shed { error: Some(Shed { waited, retry_after: shared.options.interval }) } }
    }
}

pin_project! {
    /// A call that may be refused.
    #[derive(Debug)]
    pub struct ShedFuture<F> {
        #[pin]
        kind: Kind<F>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<F> {
        Called { #[pin] call: F },
        Shed { error: Option<Shed> },
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for ShedFuture<F> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().kind.project() {
            KindProjection::Called { call } => call.poll(cx).map_err(Error::Inner),
            KindProjection::Shed { error } => {
                Poll::Ready(Err(Error::Shed(error.take().expect("a future is not polled after its end"))))
            }
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::time::Duration;
    use tower::{ServiceExt, service_fn};
    use xs_os::{Clock, VirtualClock};

    #[tokio::test]
    async fn clones_share_what_they_know() {
        let ms = Duration::from_millis;
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let came = clock.now();
        let layer = ShedLayer::new("test", CodelOptions::default(), &timer, |came: &Instant| *came);
        let mut one = layer.layer(service_fn(|_| async { Ok::<_, &str>(()) }));
        let mut other = one.clone();
        clock.advance(ms(50));
        one.ready().await.unwrap().call(came).await.unwrap();
        clock.advance(ms(100));
        let shed = other.ready().await.unwrap().call(came).await;
        assert!(
            matches!(shed, Err(Error::Shed(Shed { waited, retry_after })) if (waited, retry_after) == (ms(150), ms(100)))
        );
        other.ready().await.unwrap().call(clock.now()).await.unwrap();
    }
}
