//! The retries around a service: [`RetryLayer`] and [`RetryService`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use pin_project_lite::pin_project;
use tower::{Layer, Service};
use xs_os::Rng;

use super::{RetryOptions, SharedBudget, Verdict};
use crate::client::Backoff;
use crate::timer::Sleep;
use crate::{Timer, count::count};

struct Shared {
    name: Arc<str>,
    options: RetryOptions,
    budget: SharedBudget,
    timer: Timer,
    /// Seeds the back-off of each call that needs one.
    rng: Mutex<Rng>,
}

/// Repeats calls that failed and are safe to repeat. See the [module page](super).
#[derive(Clone)]
pub struct RetryLayer<P, C> {
    shared: Arc<Shared>,
    replay: P,
    classify: C,
}

impl<P, C> RetryLayer<P, C> {
    /// - `name` is what events and counters call it.
    /// - `budget` may be shared with other layers that cause calls of their own; inside of one of them, take it
    ///   [`nested`](SharedBudget::nested).
    /// - `replay`, `Fn(&R) -> Option<R>`, is asked before each attempt for what could be sent after it: `None` says that
    ///   this request must not be sent twice, or cannot be.
    /// - `classify`, `Fn(&Result<T, E>) -> Verdict`, says whether sending it again may help and does no harm.
    pub fn new(
        name: &str,
        options: RetryOptions,
        budget: SharedBudget,
        timer: &Timer,
        rng: Rng,
        replay: P,
        classify: C,
    ) -> Self {
        let shared = Shared { name: name.into(), options, budget, timer: timer.clone(), rng: Mutex::new(rng) };
        RetryLayer { shared: Arc::new(shared), replay, classify }
    }
}

impl<S, P: Clone, C: Clone> Layer<S> for RetryLayer<P, C> {
    type Service = RetryService<S, P, C>;

    fn layer(&self, inner: S) -> Self::Service {
        let (shared, replay, classify) = (self.shared.clone(), self.replay.clone(), self.classify.clone());
        RetryService { inner, shared, replay, classify }
    }
}

impl<P, C> fmt::Debug for RetryLayer<P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "RetryLayer")
    }
}

/// A service whose calls are repeated. Clones, and services of the same layer, share the budget.
#[derive(Clone)]
pub struct RetryService<S, P, C> {
    inner: S,
    shared: Arc<Shared>,
    replay: P,
    classify: C,
}

impl<S, P, C> fmt::Debug for RetryService<S, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.debug(f, "RetryService")
    }
}

impl Shared {
    fn debug(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        f.debug_struct(what).field("name", &self.name).field("budget", &self.budget).finish_non_exhaustive()
    }

    fn backoff(&self) -> Backoff {
        let RetryOptions { base, cap, decorrelated, .. } = self.options;
        let rng = Rng::from_seed(self.rng.lock().next_u64());
        if decorrelated { Backoff::decorrelated(base, cap, rng) } else { Backoff::new(base, cap, rng) }
    }

    /// How long to wait before the next attempt, after so many; `None`: that was the last one.
    fn pause(&self, attempts: u32, verdict: Verdict, backoff: &mut Option<Backoff>) -> Option<Duration> {
        let hint = match verdict {
            Verdict::Done => return None,
            Verdict::Again => Duration::ZERO,
            Verdict::After(hint) => hint,
        };
        let name = &*self.name;
        if attempts >= self.options.max_attempts {
            count("xs_retry_gave_up_total", &self.name);
            tracing::debug!(name, attempts, "every attempt failed");
            return None;
        }
        if hint > self.options.longest_hint {
            count("xs_retry_gave_up_total", &self.name);
            tracing::debug!(name, ?hint, "asked to come again too late");
            return None;
        }
        if !self.budget.withdraw() {
            count("xs_retry_budget_exhausted_total", &self.name);
            tracing::debug!(name, attempts, "no budget for another attempt");
            return None;
        }
        let pause = backoff.get_or_insert_with(|| self.backoff()).pause().max(hint);
        count("xs_retry_retries_total", &self.name);
        tracing::debug!(name, attempts, ?pause, "trying again");
        Some(pause)
    }
}

impl<R, S, P, C> Service<R> for RetryService<S, P, C>
where
    S: Service<R> + Clone,
    P: Fn(&R) -> Option<R> + Clone,
    C: Fn(&Result<S::Response, S::Error>) -> Verdict + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = RetryFuture<S, R, P, C>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        self.shared.budget.deposit();
        let spare = if self.shared.options.max_attempts > 1 { (self.replay)(&request) } else { None };
        let (call, again) = match spare {
            Some(spare) => {
                // The future goes on with the service that is ready, and leaves a clone.
                let clone = self.inner.clone();
                let mut service = std::mem::replace(&mut self.inner, clone);
                let call = service.call(request);
                let (replay, classify) = (self.replay.clone(), self.classify.clone());
                let shared = self.shared.clone();
                (
                    call,
                    Some(Again { service, spare: Some(spare), replay, classify, shared, attempts: 1, backoff: None }),
                )
            }
            None => (self.inner.call(request), None),
        };
        RetryFuture { state: State::Calling { call }, again }
    }
}

pin_project! {
    /// A call that may be made more than once.
    pub struct RetryFuture<S, R, P, C>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S::Future>,
        // What another attempt needs; a request that must not be sent twice has none.
        again: Option<Again<S, R, P, C>>,
    }
}

struct Again<S, R, P, C> {
    service: S,
    /// What to send next, if there is to be a next attempt.
    spare: Option<R>,
    replay: P,
    classify: C,
    shared: Arc<Shared>,
    attempts: u32,
    backoff: Option<Backoff>,
}

pin_project! {
    #[project = StateProjection]
    enum State<F> {
        Calling { #[pin] call: F },
        Resting { #[pin] sleep: Sleep },
        Readying,
    }
}

impl<S, R, P, C> Future for RetryFuture<S, R, P, C>
where
    S: Service<R>,
    P: Fn(&R) -> Option<R>,
    C: Fn(&Result<S::Response, S::Error>) -> Verdict,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Calling { call } => {
                    let result = ready!(call.poll(cx));
                    let Some(again) = this.again else { return Poll::Ready(result) };
                    let verdict = (again.classify)(&result);
                    // The last attempt has no spare either; whoever replayed once may also decline a second time.
                    let declined = again.spare.is_none() && again.attempts < again.shared.options.max_attempts;
                    let verdict = if declined { Verdict::Done } else { verdict };
                    let Some(pause) = again.shared.pause(again.attempts, verdict, &mut again.backoff) else {
                        return Poll::Ready(result);
                    };
                    State::Resting { sleep: again.shared.timer.sleep(pause) }
                }
                StateProjection::Resting { sleep } => {
                    ready!(sleep.poll(cx));
                    State::Readying
                }
                StateProjection::Readying => {
                    let again = this.again.as_mut().expect("only a call that can be repeated rests");
                    ready!(again.service.poll_ready(cx))?;
                    let request = again.spare.take().expect("there is one while it rests");
                    again.attempts += 1;
                    if again.attempts < again.shared.options.max_attempts {
                        again.spare = (again.replay)(&request);
                    }
                    State::Calling { call: again.service.call(request) }
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<R>, R, P, C> fmt::Debug for RetryFuture<S, R, P, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.again.as_ref().map_or(1, |again| again.attempts);
        f.debug_struct("RetryFuture").field("attempts", &attempts).finish_non_exhaustive()
    }
}
