//! Faults around a service: [`FaultLayer`], [`FaultService`], and the [`FaultHandle`] that changes them.

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

use super::{Error, Faults, Injected};
use crate::timer::Sleep;
use crate::{Timer, count::count};

/// Changes the faults of a layer while it runs. Clones change the same ones.
#[derive(Clone)]
pub struct FaultHandle {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    timer: Timer,
    state: Mutex<(Faults, Rng)>,
}

impl FaultHandle {
    /// What may happen from now on. `Faults::default()` is nothing.
    pub fn set(&self, faults: Faults) {
        self.shared.state.lock().0 = faults;
        tracing::info!(name = &*self.shared.name, ?faults, "changed");
    }

    /// What may happen now.
    pub fn get(&self) -> Faults {
        self.shared.state.lock().0
    }
}

impl fmt::Debug for FaultHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultHandle")
            .field("name", &self.shared.name)
            .field("faults", &self.get())
            .finish_non_exhaustive()
    }
}

/// Makes calls fail and come late. See the [module page](super).
#[derive(Debug, Clone)]
pub struct FaultLayer {
    handle: FaultHandle,
}

impl FaultLayer {
    /// Faults from `rng`; `name` is what events and counters call them.
    pub fn new(name: &str, faults: Faults, timer: &Timer, rng: Rng) -> Self {
        let shared = Shared { name: name.into(), timer: timer.clone(), state: Mutex::new((faults, rng)) };
        FaultLayer { handle: FaultHandle { shared: Arc::new(shared) } }
    }

    /// The means to change the faults.
    pub fn handle(&self) -> FaultHandle {
        self.handle.clone()
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        FaultService { inner, handle: self.handle.clone() }
    }
}

/// A service that fails on purpose. Clones, and services of the same layer, draw from one generator.
#[derive(Debug, Clone)]
pub struct FaultService<S> {
    inner: S,
    handle: FaultHandle,
}

impl<R, S: Service<R>> Service<R> for FaultService<S> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = FaultFuture<S::Future, S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let shared = &self.handle.shared;
        let fault = {
            let (faults, rng) = &mut *shared.state.lock();
            faults.draw(rng)
        };
        if let Some(injected) = fault.injected {
            count("xs_fault_injected_total", &shared.name);
            tracing::debug!(name = &*shared.name, ?injected, "failing on purpose");
        }
        let state = match fault.injected {
            Some(Injected::Refused) => State::Late {
                sleep: shared.timer.sleep(fault.delay),
                result: Some(Err(Error::Injected(Injected::Refused))),
            },
            lost => State::Calling {
                call: self.inner.call(request),
                lost: lost.is_some(),
                delay: fault.delay,
                timer: shared.timer.clone(),
            },
        };
        FaultFuture { state }
    }
}

pin_project! {
    /// A call that may fail on purpose.
    pub struct FaultFuture<F, T, E> {
        #[pin]
        state: State<F, T, E>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, T, E> {
        Calling { #[pin] call: F, lost: bool, delay: Duration, timer: Timer },
        Late { #[pin] sleep: Sleep, result: Option<Result<T, Error<E>>> },
    }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for FaultFuture<F, T, E> {
    type Output = Result<T, Error<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Calling { call, lost, delay, timer } => {
                    let result = ready!(call.poll(cx)).map_err(Error::Inner);
                    let result = if *lost { Err(Error::Injected(Injected::Lost)) } else { result };
                    if delay.is_zero() {
                        return Poll::Ready(result);
                    }
                    State::Late { sleep: timer.sleep(*delay), result: Some(result) }
                }
                StateProjection::Late { sleep, result } => {
                    ready!(sleep.poll(cx));
                    return Poll::Ready(result.take().expect("a future is not polled after its end"));
                }
            };
            state.set(next);
        }
    }
}

impl<F, T, E> fmt::Debug for FaultFuture<F, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let late = matches!(self.state, State::Late { .. });
        f.debug_struct("FaultFuture").field("late", &late).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::by_hand::by_hand;
    use std::sync::atomic::{AtomicU32, Ordering};
    use tower::service_fn;
    use xs_os::VirtualClock;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn refused_calls_do_not_arrive_lost_ones_do_and_late_ones_are_late() {
        let clock = VirtualClock::new();
        let timer = Timer::new(Arc::new(clock.clone()));
        let layer = FaultLayer::new("test", Faults::default(), &timer, Rng::from_seed(1));
        let arrived = AtomicU32::new(0);
        let mut service = layer.layer(service_fn(|()| {
            arrived.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, &str>(()) }
        }));
        assert!(matches!(by_hand(service.call(())).poll(), Poll::Ready(Ok(()))));
        layer.handle().set(Faults { refuse: 1.0, ..Faults::default() });
        assert!(matches!(by_hand(service.call(())).poll(), Poll::Ready(Err(Error::Injected(Injected::Refused)))));
        assert_eq!(arrived.load(Ordering::SeqCst), 1);
        let late = Faults { delay: 1.0, delay_least: 5 * MS, delay_most: 5 * MS, ..Faults::default() };
        layer.handle().set(Faults { lose: 1.0, ..late });
        let mut lost = by_hand(service.call(()));
        assert!(lost.poll().is_pending());
        assert_eq!(arrived.load(Ordering::SeqCst), 2);
        clock.advance(4 * MS);
        assert!(lost.poll().is_pending());
        clock.advance(MS);
        assert!(matches!(lost.poll(), Poll::Ready(Err(Error::Injected(Injected::Lost)))));
    }

    #[test]
    fn faults_come_as_often_as_asked_and_one_does_not_move_the_others() {
        let faults = Faults { refuse: 0.1, lose: 0.2, delay: 0.3, delay_least: 10 * MS, delay_most: 30 * MS };
        let draw = |faults: Faults| {
            let mut rng = Rng::from_seed(9);
            (0..10_000).map(|_| faults.draw(&mut rng)).collect::<Vec<_>>()
        };
        let drawn = draw(faults);
        let share = |injected| drawn.iter().filter(|fault| fault.injected == Some(injected)).count();
        assert!((900..1_100).contains(&share(Injected::Refused)));
        assert!((1_650..1_950).contains(&share(Injected::Lost)));
        let late: Vec<Duration> = drawn.iter().map(|fault| fault.delay).filter(|delay| !delay.is_zero()).collect();
        assert!((2_800..3_200).contains(&late.len()));
        assert!(late.iter().all(|delay| (10 * MS..=30 * MS).contains(delay)));
        let without_delays = draw(Faults { delay: 0.0, ..faults });
        assert!(drawn.iter().zip(&without_delays).all(|(a, b)| a.injected == b.injected && b.delay.is_zero()));
    }
}
