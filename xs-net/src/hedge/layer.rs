//! Second calls around a service: [`HedgeLayer`] and [`HedgeService`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use xs_os::Nanos;

use super::{HedgeOptions, Hedger};
use crate::retry::SharedBudget;
use crate::timer::Sleep;
use crate::{Timer, count::count};

struct Shared {
    name: Arc<str>,
    timer: Timer,
    budget: SharedBudget,
    hedger: Mutex<Hedger>,
}

/// Calls a second time when the first call is late. See the [module page](super).
#[derive(Clone)]
pub struct HedgeLayer<P> {
    shared: Arc<Shared>,
    replay: P,
}

impl<P> HedgeLayer<P> {
    /// - `name` is what events and counters call it.
    /// - `budget` may be shared with a retry layer; inside of that, take it [`nested`](SharedBudget::nested).
    /// - `replay`, `Fn(&R) -> Option<R>`, gives the second request before the first is gone: `None` says that this request
    ///   must not be sent twice, or cannot be.
    pub fn new(name: &str, options: HedgeOptions, budget: SharedBudget, timer: &Timer, replay: P) -> Self {
        let hedger = Mutex::new(Hedger::new(options, timer.nanos()));
        HedgeLayer { shared: Arc::new(Shared { name: name.into(), timer: timer.clone(), budget, hedger }), replay }
    }

    /// After how long a call that begins now would be made a second time; `None`: too little is known.
    pub fn delay(&self) -> Option<Duration> {
        self.shared.hedger.lock().delay()
    }
}

impl<S, P: Clone> Layer<S> for HedgeLayer<P> {
    type Service = HedgeService<S, P>;

    fn layer(&self, inner: S) -> Self::Service {
        HedgeService { inner, layer: self.clone() }
    }
}

impl<P> fmt::Debug for HedgeLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HedgeLayer")
            .field("name", &self.shared.name)
            .field("delay", &self.delay())
            .finish_non_exhaustive()
    }
}

/// A service that is called again when it is late. Clones, and services of the same layer, measure together.
#[derive(Debug, Clone)]
pub struct HedgeService<S, P> {
    inner: S,
    layer: HedgeLayer<P>,
}

impl<R, S, P> Service<R> for HedgeService<S, P>
where
    S: Service<R> + Clone,
    P: Fn(&R) -> Option<R>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = HedgeFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = &self.layer.shared;
        let began = shared.timer.nanos();
        shared.budget.deposit_at(began);
        let delay = shared.hedger.lock().delay();
        let spare = delay.and_then(|delay| Some((began.checked_add(delay)?, (self.layer.replay)(&request)?)));
        let second = match spare {
            None => Second::None,
            Some((late, spare)) => {
                Second::Later { late, sleep: None, spare: Some((self.inner.clone(), spare)), due: false }
            }
        };
        let first = Some(self.inner.call(request));
        HedgeFuture { first, second, failed: None, began, shared: shared.clone() }
    }
}

pin_project! {
    /// A call that may be made twice.
    pub struct HedgeFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        first: Option<S::Future>,
        #[pin]
        second: Second<S, S::Future, R>,
        // What the one failed with while the other is under way.
        failed: Option<S::Error>,
        began: Nanos,
        shared: Arc<Shared>,
    }
}

pin_project! {
    #[project = SecondProjection]
    enum Second<S, F, R> {
        // There will be none any more.
        None,
        // The sleep is made when the first call is first found not to be ready.
        Later { late: Nanos, sleep: Option<Sleep>, spare: Option<(S, R)>, due: bool },
        Called { #[pin] call: F },
    }
}

impl<S: Service<R>, R> Future for HedgeFuture<S, R> {
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(first) = this.first.as_mut().as_pin_mut()
            && let Poll::Ready(result) = first.poll(cx)
        {
            match result {
                Ok(response) => {
                    this.shared.record(*this.began);
                    // Gone now, not when the caller gets round to dropping this future.
                    this.second.set(Second::None);
                    return Poll::Ready(Ok(response));
                }
                // An error before the second call is an error: repeating is another layer's business.
                Err(error) if !matches!(*this.second, Second::Called { .. }) => return Poll::Ready(Err(error)),
                Err(error) => {
                    this.first.set(None);
                    *this.failed = Some(error);
                }
            }
        }
        loop {
            let next = match this.second.as_mut().project() {
                SecondProjection::None => return Poll::Pending,
                SecondProjection::Later { late, sleep, spare, due } => {
                    if !*due {
                        let sleep = sleep.get_or_insert_with(|| this.shared.timer.sleep_until((*late).into()));
                        std::task::ready!(Pin::new(sleep).poll(cx));
                        *due = true;
                        if !this.shared.budget.withdraw() {
                            count("xs_hedge_budget_exhausted_total", &this.shared.name);
                            tracing::debug!(name = &*this.shared.name, "late, and no budget for a second call");
                            this.second.set(Second::None);
                            return Poll::Pending;
                        }
                    }
                    let ready = match spare {
                        Some((service, _)) => std::task::ready!(service.poll_ready(cx)),
                        None => Ok(()),
                    };
                    match (ready, spare.take()) {
                        (Ok(()), Some((mut service, request))) => {
                            count("xs_hedge_hedges_total", &this.shared.name);
                            tracing::debug!(name = &*this.shared.name, "late: calling a second time");
                            Second::Called { call: service.call(request) }
                        }
                        // The first call goes on alone.
                        _ => Second::None,
                    }
                }
                SecondProjection::Called { call } => match std::task::ready!(call.poll(cx)) {
                    Ok(response) => {
                        count("xs_hedge_won_total", &this.shared.name);
                        this.shared.record(*this.began);
                        this.first.set(None);
                        return Poll::Ready(Ok(response));
                    }
                    Err(error) if this.first.is_none() => {
                        // Both failed: the first call's error tells more, it was not under the second one's haste.
                        return Poll::Ready(Err(this.failed.take().unwrap_or(error)));
                    }
                    Err(_) => Second::None,
                },
            };
            this.second.set(next);
        }
    }
}

impl Shared {
    fn record(&self, began: Nanos) {
        let now = self.timer.nanos();
        self.hedger.lock().record(now - began, now);
    }
}

impl<S: Service<R>, R> fmt::Debug for HedgeFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let twice = matches!(self.second, Second::Called { .. });
        f.debug_struct("HedgeFuture").field("twice", &twice).finish_non_exhaustive()
    }
}
