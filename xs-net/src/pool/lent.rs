//! The store behind a lock, and what is lent from it: [`Pool`], [`Pooled`] and [`Opening`].

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::store::{PoolOptions, Store, Take, Ticket};
use super::{Error, Reusable};
use crate::Timer;

struct State<K, T> {
    store: Store<K, T>,
    /// Of those who wait.
    wakers: BTreeMap<Ticket, Waker>,
    closed: bool,
}

struct Shared<K, T> {
    timer: Timer,
    state: Mutex<State<K, T>>,
}

impl<K: Ord + Clone, T> State<K, T> {
    /// Wakes those of a key's queue whose turn it is.
    fn wake(&mut self, key: &K) {
        for ticket in self.store.turns(key) {
            // Whoever is woken asks for its turn, and leaves a waker again if somebody was faster.
            if let Some(waker) = self.wakers.remove(&ticket) {
                waker.wake();
            }
        }
    }
}

/// Keeps what is expensive to open, for whoever asks next. Clones are the same pool. See the [module page](super).
pub struct Pool<K, T> {
    shared: Arc<Shared<K, T>>,
}

/// What a pool has for somebody who asks.
#[derive(Debug)]
pub enum Checkout<K: Ord + Clone, T: Reusable> {
    /// One that was idle.
    Idle(Pooled<K, T>),
    /// The right to open one.
    Open(Opening<K, T>),
    /// Nothing at the moment: there are as many as there may be.
    Full,
}

impl<K: Ord + Clone, T: Reusable> Pool<K, T> {
    /// An empty pool by `timer`'s clock.
    pub fn new(options: PoolOptions, timer: &Timer) -> Self {
        let state = State { store: Store::new(options), wakers: BTreeMap::new(), closed: false };
        Pool { shared: Arc::new(Shared { timer: timer.clone(), state: Mutex::new(state) }) }
    }

    /// One of a key's that is idle and sound, or else the right to open one, without waiting.
    #[inline]
    pub fn checkout(&self, key: &K) -> Checkout<K, T> {
        self.checkout_at(key, self.shared.timer.now())
    }

    /// [`checkout`](Pool::checkout) for those who know the time already.
    pub fn checkout_at(&self, key: &K, now: Instant) -> Checkout<K, T> {
        self.take(key, None, now)
    }

    fn take(&self, key: &K, ticket: Option<Ticket>, now: Instant) -> Checkout<K, T> {
        let mut gone = Vec::new();
        let taken = self.shared.state.lock().store.take(key, ticket, now, T::is_sound, &mut gone);
        drop(gone);
        match taken {
            Take::Idle(item, opened) => {
                Checkout::Idle(Pooled { home: self.shared.clone(), key: key.clone(), opened, item: Some(item) })
            }
            Take::Open => Checkout::Open(Opening { home: Some(self.shared.clone()), key: key.clone() }),
            Take::Full => Checkout::Full,
        }
    }

    /// [`checkout`](Pool::checkout) that waits in a queue while there is nothing: first come, first served.
    ///
    /// # Errors
    ///
    /// [`Error::Full`] if the queue is full too, [`Error::TimedOut`] after `longest`.
    pub async fn wait(&self, key: &K, longest: Duration) -> Result<Checkout<K, T>, Error> {
        if let ready @ (Checkout::Idle(_) | Checkout::Open(_)) = self.checkout(key) {
            return Ok(ready);
        }
        let ticket = self.shared.state.lock().store.queue(key).ok_or(Error::Full)?;
        let mut place = Place { shared: &self.shared, key, ticket: Some(ticket) };
        let turn = poll_fn(|cx| self.poll_turn(cx, &mut place));
        self.shared.timer.timeout(longest, turn).await.ok_or(Error::TimedOut)
    }

    fn poll_turn(&self, cx: &mut Context<'_>, place: &mut Place<'_, K, T>) -> Poll<Checkout<K, T>> {
        let Some(ticket) = place.ticket else { return Poll::Ready(Checkout::Full) };
        // The waker first: what comes back between the look and the waker would be missed.
        self.shared.state.lock().wakers.insert(ticket, cx.waker().clone());
        match self.take(place.key, Some(ticket), self.shared.timer.now()) {
            Checkout::Full => Poll::Pending,
            ready => {
                place.ticket = None;
                let mut state = self.shared.state.lock();
                state.wakers.remove(&ticket);
                Poll::Ready(ready)
            }
        }
    }

    /// One of a key's: an idle one, or one that `open` opens, after waiting for at most `longest`.
    ///
    /// # Errors
    ///
    /// What [`wait`](Pool::wait) fails with, and what `open` does.
    pub async fn get<F, E>(&self, key: &K, longest: Duration, open: impl FnOnce() -> F) -> Result<Pooled<K, T>, E>
    where
        F: Future<Output = Result<T, E>>,
        E: From<Error>,
    {
        match self.wait(key, longest).await? {
            Checkout::Idle(pooled) => Ok(pooled),
            Checkout::Open(opening) => Ok(opening.opened(open().await?)),
            Checkout::Full => Err(Error::Full.into()),
        }
    }

    /// How many are idle.
    pub fn idle(&self) -> usize {
        self.shared.state.lock().store.idle()
    }

    /// How many a key has: idle, in use and being opened.
    pub fn open(&self, key: &K) -> usize {
        self.shared.state.lock().store.open(key)
    }

    /// Drops what has been idle for too long, or is too old, and says how many that were.
    pub fn reap(&self) -> usize {
        let gone = self.shared.take_out(Store::reap);
        gone.len()
    }

    /// Drops the idle ones of all keys for which `keep` says no. Those that are in use come back as before.
    pub fn retain(&self, keep: impl FnMut(&K) -> bool) {
        drop(self.shared.take_out(|store, _| store.retain(keep)));
    }

    /// Keeps nothing from now on: idle ones are dropped, those in use are when they come back.
    pub fn close(&self) {
        self.shared.state.lock().closed = true;
        self.retain(|_| false);
    }

    /// [Reaps](Pool::reap) now and then, until the pool is gone. Spawn it; one that is not spawned costs memory, and no more:
    /// what is too old is never given out.
    pub fn reaper(&self) -> impl Future<Output = ()> + Send + use<K, T>
    where
        K: Send,
    {
        let (weak, timer) = (Arc::downgrade(&self.shared), self.shared.timer.clone());
        let state = self.shared.state.lock();
        let options = state.store.options();
        let least = options.lifetime.map_or(options.idle_timeout, |life| life.min(options.idle_timeout));
        let every = (least / 4).clamp(Duration::from_millis(10), Duration::from_secs(60));
        drop(state);
        async move {
            loop {
                timer.sleep(every).await;
                let Some(shared) = weak.upgrade() else { return };
                drop(shared.take_out(Store::reap));
            }
        }
    }
}

impl<K: Ord + Clone, T> Shared<K, T> {
    /// What goes out makes room for those who wait.
    fn take_out(&self, out: impl FnOnce(&mut Store<K, T>, Instant) -> Vec<T>) -> Vec<T> {
        let now = self.timer.now();
        let mut state = self.state.lock();
        let gone = out(&mut state.store, now);
        if !gone.is_empty() {
            let wanted: Vec<K> = state.store.wanted().cloned().collect();
            wanted.iter().for_each(|key| state.wake(key));
        }
        gone
    }

    fn lost(&self, key: &K) {
        let mut state = self.state.lock();
        state.store.lost(key);
        if !state.wakers.is_empty() {
            state.wake(key);
        }
    }
}

impl<K, T> Clone for Pool<K, T> {
    fn clone(&self) -> Self {
        Pool { shared: self.shared.clone() }
    }
}

impl<K: Ord + Clone, T: Reusable> fmt::Debug for Pool<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("idle", &self.idle()).finish_non_exhaustive()
    }
}

/// A place in a queue, given up when it is dropped.
struct Place<'a, K: Ord + Clone, T> {
    shared: &'a Shared<K, T>,
    key: &'a K,
    ticket: Option<Ticket>,
}

impl<K: Ord + Clone, T> Drop for Place<'_, K, T> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut state = self.shared.state.lock();
            state.wakers.remove(&ticket);
            state.store.leave(self.key, ticket);
            // It may have been its turn, which is the next one's then.
            state.wake(self.key);
        }
    }
}

/// One from a pool. Dropping it brings it home if it is [free](Reusable::is_free), and ends it if not.
pub struct Pooled<K: Ord + Clone, T: Reusable> {
    home: Arc<Shared<K, T>>,
    key: K,
    opened: Instant,
    /// Taken out when it is dropped or detached.
    item: Option<T>,
}

impl<K: Ord + Clone, T: Reusable> Pooled<K, T> {
    /// Whose it is.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Since when it has been there.
    pub fn opened_at(&self) -> Instant {
        self.opened
    }

    /// Takes it out for good: it counts no longer.
    pub fn detach(mut self) -> Option<T> {
        let item = self.item.take();
        self.home.lost(&self.key);
        item
    }
}

impl<K: Ord + Clone, T: Reusable> Deref for Pooled<K, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.item {
            Some(item) => item,
            None => unreachable!("only a dropped or detached one is empty"),
        }
    }
}

impl<K: Ord + Clone, T: Reusable> DerefMut for Pooled<K, T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.item {
            Some(item) => item,
            None => unreachable!("only a dropped or detached one is empty"),
        }
    }
}

impl<K: Ord + Clone, T: Reusable> Drop for Pooled<K, T> {
    fn drop(&mut self) {
        if self.item.is_some() {
            self.put(self.home.timer.now());
        }
    }
}

impl<K: Ord + Clone, T: Reusable> Pooled<K, T> {
    /// Dropping it, for those who know the time already.
    pub fn give_back_at(mut self, now: Instant) {
        self.put(now);
    }

    fn put(&mut self, now: Instant) {
        let Some(item) = self.item.take() else { return };
        if !item.is_free() {
            return self.home.lost(&self.key);
        }
        let mut state = self.home.state.lock();
        let gone = if state.closed {
            state.store.lost(&self.key);
            Some(item)
        } else {
            state.store.give(&self.key, item, self.opened, now)
        };
        if !state.wakers.is_empty() {
            state.wake(&self.key);
        }
        drop(state);
        drop(gone);
    }
}

impl<K: Ord + Clone + fmt::Debug, T: Reusable> fmt::Debug for Pooled<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").field("key", &self.key).finish_non_exhaustive()
    }
}

/// The right to open one for a key. It counts as open; dropping it gives the right back.
pub struct Opening<K: Ord + Clone, T> {
    home: Option<Arc<Shared<K, T>>>,
    key: K,
}

impl<K: Ord + Clone, T: Reusable> Opening<K, T> {
    /// It is open.
    pub fn opened(mut self, item: T) -> Pooled<K, T> {
        let Some(home) = self.home.take() else { unreachable!("a right is used once") };
        let opened = home.timer.now();
        Pooled { home, key: self.key.clone(), opened, item: Some(item) }
    }
}

impl<K: Ord + Clone, T> Drop for Opening<K, T> {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.lost(&self.key);
        }
    }
}

impl<K: Ord + Clone + fmt::Debug, T> fmt::Debug for Opening<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opening").field("key", &self.key).finish_non_exhaustive()
    }
}
