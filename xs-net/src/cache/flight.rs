//! One call for everybody who asks for the same thing at the same time: who makes it, and who waits for it.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;
#[cfg(not(xs_loom))]
use parking_lot::Mutex;
use xs_storage::cache;

#[cfg(xs_loom)]
use self::loom_mutex::Mutex;
use super::{Error, Lifetime, Stored};
use crate::{Timer, count::count};

/// What all clones of a caching service share. Locks are taken in the order `state`, then a flight's `seats`.
pub(super) struct Shared<K, T, E, C> {
    pub(super) name: Arc<str>,
    pub(super) timer: Timer,
    state: Mutex<State<K, T, E, C>>,
}

struct State<K, T, E, C> {
    store: C,
    flights: HashMap<K, Arc<Flight<T, E>>, FixedState>,
}

/// A call under way, and everybody who waits for it.
struct Flight<T, E> {
    seats: Mutex<Seats<T, E>>,
}

struct Seats<T, E> {
    /// Somebody makes the call. If not, whoever waits and looks first does.
    led: bool,
    landed: Option<Result<T, Arc<E>>>,
    waiting: BTreeMap<u64, Waker>,
    next: u64,
}

/// What is to be done about a request.
pub(super) enum Plan<K, T, E, C>
where
    K: Hash + Eq + Clone,
    T: Clone,
    C: cache::Cache<K, Stored<T>>,
{
    /// The answer is here.
    Answer(T),
    /// The answer is here, but it is old: make the call all the same.
    Refresh(T, Lead<K, T, E, C>),
    /// Make the call.
    Lead(Lead<K, T, E, C>),
    /// Somebody makes the call.
    Wait(Seat<K, T, E, C>),
}

impl<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> Shared<K, T, E, C> {
    pub(super) fn new(name: &str, timer: &Timer, store: C) -> Self {
        let state = Mutex::new(State { store, flights: HashMap::default() });
        Shared { name: name.into(), timer: timer.clone(), state }
    }

    /// How many calls are under way.
    pub(super) fn flights(&self) -> usize {
        self.state.lock().flights.len()
    }

    pub(super) fn plan(self: &Arc<Self>, key: K) -> Plan<K, T, E, C> {
        let now = self.timer.now();
        let mut state = self.state.lock();
        let state = &mut *state;
        let mut old = None;
        if let Some(stored) = state.store.get(&key) {
            if now < stored.fresh_until {
                count("xs_cache_hits_total", &self.name);
                return Plan::Answer(stored.value.clone());
            }
            if now < stored.stale_until {
                count("xs_cache_stale_total", &self.name);
                old = Some(stored.value.clone());
            }
        }
        if let Some(flight) = state.flights.get(&key) {
            if let Some(value) = old {
                return Plan::Answer(value);
            }
            count("xs_cache_joined_total", &self.name);
            let mut seats = flight.seats.lock();
            let number = seats.next;
            seats.next += 1;
            seats.waiting.insert(number, Waker::noop().clone());
            drop(seats);
            return Plan::Wait(Seat { shared: self.clone(), flight: flight.clone(), key, number: Some(number) });
        }
        count("xs_cache_misses_total", &self.name);
        let seats = Seats { led: true, landed: None, waiting: BTreeMap::new(), next: 0 };
        let flight = Arc::new(Flight { seats: Mutex::new(seats) });
        state.flights.insert(key.clone(), flight.clone());
        let lead = Lead { shared: self.clone(), flight: Some(flight), key };
        match old {
            Some(value) => Plan::Refresh(value, lead),
            None => Plan::Lead(lead),
        }
    }

    /// Forgets a key. A call for it that is under way answers those who wait for it, and is not stored.
    pub(super) fn remove(&self, key: &K) {
        let mut state = self.state.lock();
        state.flights.remove(key);
        let gone = state.store.remove(key);
        drop(state); // what is dropped may be large
        drop(gone);
    }

    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.flights.clear();
        state.store.clear();
    }

    /// Stores what a call brought, unless somebody has forgotten the key since, and ends the flight.
    fn land(&self, key: &K, flight: &Arc<Flight<T, E>>, stored: Option<Stored<T>>) {
        let mut state = self.state.lock();
        if state.flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            state.flights.remove(key);
            let gone = stored.map(|stored| state.store.insert(key.clone(), stored));
            drop(state);
            drop(gone);
        }
    }

    /// Forgets a flight that nobody leads and nobody waits for.
    fn abandon(&self, key: &K, flight: &Arc<Flight<T, E>>) {
        let mut state = self.state.lock();
        // Looked at under the lock that everybody takes who joins: nobody can do so now.
        let abandoned = {
            let seats = flight.seats.lock();
            !seats.led && seats.waiting.is_empty()
        };
        if abandoned && state.flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
            state.flights.remove(key);
        }
    }
}

/// The duty to make a call. Dropped, it passes to somebody who waits.
pub(super) struct Lead<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> {
    shared: Arc<Shared<K, T, E, C>>,
    flight: Option<Arc<Flight<T, E>>>,
    key: K,
}

impl<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> Lead<K, T, E, C> {
    /// The call has ended: everybody who waits gets its result.
    pub(super) fn finish(mut self, result: Result<T, E>, lifetime: impl FnOnce(&T) -> Lifetime) -> Result<T, Error<E>> {
        // The lead is held up to the end: what is the user's here (the lifetime, the clones, the store) may panic, and then
        // it passes on.
        let Some(flight) = self.flight.clone() else { return result.map_err(Error::Inner) };
        let stored =
            result.as_ref().ok().and_then(|value| Stored::new(value, lifetime(value), self.shared.timer.now()));
        self.shared.land(&self.key, &flight, stored);
        // Nobody can join from here on.
        let mut seats = flight.seats.lock();
        let (landed, answer) = match result {
            result if seats.waiting.is_empty() => {
                drop(seats);
                self.flight = None;
                return result.map_err(Error::Inner);
            }
            Ok(value) => (Ok(value.clone()), Ok(value)),
            Err(error) => {
                let error = Arc::new(error);
                (Err(error.clone()), Err(Error::Shared(error)))
            }
        };
        seats.landed = Some(landed);
        let waiting = std::mem::take(&mut seats.waiting);
        drop(seats);
        self.flight = None;
        waiting.into_values().for_each(Waker::wake);
        answer
    }
}

impl<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> Drop for Lead<K, T, E, C> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        // All of them: the first may be a future that nobody polls.
        let wakers: Vec<Waker> = {
            let mut seats = flight.seats.lock();
            seats.led = false;
            seats.waiting.values().cloned().collect()
        };
        if wakers.is_empty() {
            self.shared.abandon(&self.key, &flight);
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// A place among those who wait for a call.
pub(super) struct Seat<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> {
    shared: Arc<Shared<K, T, E, C>>,
    flight: Arc<Flight<T, E>>,
    key: K,
    /// `None`: it got up.
    number: Option<u64>,
}

/// What waiting comes to.
pub(super) enum News<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> {
    Landed(Result<T, Error<E>>),
    /// Whoever made the call is gone: make it.
    Lead(Lead<K, T, E, C>),
}

impl<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> Seat<K, T, E, C> {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<News<K, T, E, C>> {
        let mut seats = self.flight.seats.lock();
        if let Some(landed) = &seats.landed {
            self.number = None;
            return Poll::Ready(News::Landed(landed.clone().map_err(Error::Shared)));
        }
        if seats.led {
            let waker = self.number.and_then(|number| seats.waiting.get_mut(&number));
            let other = waker.filter(|waker| !waker.will_wake(cx.waker()));
            let old = other.map(|waker| std::mem::replace(waker, cx.waker().clone()));
            drop(seats);
            drop(old);
            return Poll::Pending;
        }
        seats.led = true;
        let old = self.number.take().and_then(|number| seats.waiting.remove(&number));
        drop(seats);
        drop(old);
        let flight = Some(self.flight.clone());
        Poll::Ready(News::Lead(Lead { shared: self.shared.clone(), flight, key: self.key.clone() }))
    }
}

impl<K: Hash + Eq + Clone, T: Clone, E, C: cache::Cache<K, Stored<T>>> Drop for Seat<K, T, E, C> {
    fn drop(&mut self) {
        let Some(number) = self.number.take() else { return };
        let mut seats = self.flight.seats.lock();
        let waker = seats.waiting.remove(&number);
        // Everybody else who waits knows that nobody leads, and will: each was woken for it.
        let last = !seats.led && seats.waiting.is_empty();
        drop(seats);
        drop(waker);
        if last {
            self.shared.abandon(&self.key, &self.flight);
        }
    }
}

impl<T: Clone> Stored<T> {
    fn new(value: &T, lifetime: Lifetime, now: Instant) -> Option<Self> {
        // What no instant can hold is for ever, and thirty years are as good.
        const FOREVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);
        let fresh_until = now.checked_add(lifetime.fresh.min(FOREVER))?;
        let stale_until = fresh_until.checked_add(lifetime.stale.min(FOREVER))?;
        (stale_until > now).then(|| Stored { value: value.clone(), fresh_until, stale_until })
    }
}

/// A lock whose every interleaving is tried.
#[cfg(xs_loom)]
mod loom_mutex {
    pub(super) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().expect("nobody panics with it")
        }
    }
}
