//! The places around a service: [`BulkheadLayer`] and [`BulkheadService`].

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use super::{BulkheadOptions, Entry, Error, Full, Places, Waiting};
use crate::timer::Sleep;
use crate::{Timer, count::count};

struct Shared {
    name: Arc<str>,
    options: BulkheadOptions,
    timer: Timer,
    places: Places<Waker>,
}

impl Shared {
    fn leave(&self) {
        // Woken without the lock: a waker may do anything.
        if let Some((_, waker)) = self.places.leave() {
            waker.wake();
        }
    }

    /// Whom to wake for a call that waits. False when it has got its place.
    fn keep(&self, waiting: Waiting, waker: &Waker) -> bool {
        let change = |kept: &mut Waker| (!kept.will_wake(waker)).then(|| std::mem::replace(kept, waker.clone()));
        // The old one is dropped without the lock, as well.
        self.places.kept(waiting, change).is_some()
    }

    /// A call does not want to wait any longer. False when it has got its place.
    fn give_up(&self, waiting: Waiting) -> bool {
        self.places.give_up(waiting).is_some()
    }

    fn full(&self, full: Full) -> Full {
        count("xs_bulkhead_rejected_total", &self.name);
        tracing::debug!(name = &*self.name, running = full.running, waited = full.waited, "full");
        full
    }
}

/// Lets so many calls run at once, and so many wait. See the [module page](super).
#[derive(Clone)]
pub struct BulkheadLayer {
    shared: Arc<Shared>,
}

impl BulkheadLayer {
    /// Places for everything that this layer is put around, together; `name` is what events and counters call it.
    pub fn new(name: &str, options: BulkheadOptions, timer: &Timer) -> Self {
        let options = BulkheadOptions { running: options.running.max(1), ..options };
        let places = Places::new(options.running, options.waiting);
        BulkheadLayer { shared: Arc::new(Shared { name: name.into(), options, timer: timer.clone(), places }) }
    }

    /// How many calls run.
    pub fn running(&self) -> usize {
        self.shared.places.running()
    }

    /// How many calls wait.
    pub fn waiting(&self) -> usize {
        self.shared.places.waiting()
    }
}

impl<S> Layer<S> for BulkheadLayer {
    type Service = BulkheadService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BulkheadService { inner, shared: self.shared.clone() }
    }
}

impl fmt::Debug for BulkheadLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadLayer")
            .field("name", &self.shared.name)
            .field("running", &self.running())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// A service with a number of places. Clones, and services of the same layer, share the places.
#[derive(Clone)]
pub struct BulkheadService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> fmt::Debug for BulkheadService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BulkheadService").field("name", &self.shared.name).finish_non_exhaustive()
    }
}

impl<R, S: Service<R> + Clone> Service<R> for BulkheadService<S> {
    type Response = S::Response;
    type Error = Error<S::Error>;
    type Future = BulkheadFuture<S, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Error::Inner)
    }

    fn call(&mut self, request: R) -> Self::Future {
        match self.shared.places.enter(|| Waker::noop().clone()) {
            Entry::Run => {
                // Made before the call, which may panic.
                let place = Some(Place { shared: self.shared.clone(), waiting: None, held: true });
                BulkheadFuture { state: State::Runs { call: self.inner.call(request) }, place }
            }
            Entry::Wait(waiting) => {
                let place = Some(Place { shared: self.shared.clone(), waiting: Some(waiting), held: true });
                // The one that is ready waits with the request, and leaves a clone.
                let clone = self.inner.clone();
                let inner = std::mem::replace(&mut self.inner, clone);
                let sleep = self.shared.timer.sleep(self.shared.options.wait);
                BulkheadFuture { state: State::Waits { call: Some((inner, request)), sleep }, place }
            }
            Entry::Full => {
                let BulkheadOptions { running, wait, .. } = self.shared.options;
                let full = Full { running, waited: false, retry_after: wait };
                BulkheadFuture { state: State::Rejected { error: Some(self.shared.full(full)) }, place: None }
            }
        }
    }
}

/// A place, or a claim to one. Dropped, it is given to whoever is next.
struct Place {
    shared: Arc<Shared>,
    /// The claim, as long as it may be open.
    waiting: Option<Waiting>,
    /// Whether there is anything left to hand on.
    held: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        let gave_up = self.waiting.is_some_and(|waiting| self.shared.give_up(waiting));
        // Either it ran, or its place came while nobody looked.
        if !gave_up {
            self.shared.leave();
        }
    }
}

pin_project! {
    /// A call that runs or waits.
    pub struct BulkheadFuture<S, R>
    where
        S: Service<R>,
    {
        #[pin]
        state: State<S, S::Future, R>,
        place: Option<Place>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, F, R> {
        Runs { #[pin] call: F },
        Waits { call: Option<(S, R)>, #[pin] sleep: Sleep },
        Rejected { error: Option<Full> },
    }
}

impl<S: Service<R>, R> Future for BulkheadFuture<S, R> {
    type Output = Result<S::Response, Error<S::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let next = match this.state.as_mut().project() {
                StateProjection::Runs { call } => {
                    let result = ready!(call.poll(cx));
                    // The place is free now, not when the caller gets round to dropping this future.
                    *this.place = None;
                    return Poll::Ready(result.map_err(Error::Inner));
                }
                StateProjection::Waits { call, sleep } => {
                    let place = this.place.as_mut().expect("who waits has a claim");
                    let waits = place.waiting.is_some_and(|waiting| place.shared.keep(waiting, cx.waker()));
                    if waits {
                        ready!(sleep.poll(cx));
                        let gave_up = place.waiting.is_some_and(|waiting| place.shared.give_up(waiting));
                        if !gave_up {
                            continue; // its place came just now
                        }
                        let options = &place.shared.options;
                        let full = Full { running: options.running, waited: true, retry_after: options.wait };
                        let full = place.shared.full(full);
                        place.held = false;
                        return Poll::Ready(Err(Error::Full(full)));
                    }
                    place.waiting = None;
                    let (mut service, request) = call.take().expect("it waits with its request");
                    State::Runs { call: service.call(request) }
                }
                StateProjection::Rejected { error } => {
                    return Poll::Ready(Err(Error::Full(error.take().expect("a future is not polled after its end"))));
                }
            };
            this.state.set(next);
        }
    }
}

impl<S: Service<R>, R> fmt::Debug for BulkheadFuture<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Runs { .. } => "runs",
            State::Waits { .. } => "waits",
            State::Rejected { .. } => "rejected",
        };
        f.debug_struct("BulkheadFuture").field("state", &state).finish_non_exhaustive()
    }
}
