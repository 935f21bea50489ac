//! What is kept, for how long, and whose turn it is: [`Store`], which knows no clock, no lock and no stream.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// How much is kept, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolOptions {
    /// How many idle ones are kept for a key. Zero: none, each is used once. Default 32.
    pub idle_per_key: usize,
    /// How many idle ones are kept in all. Default 1,024.
    pub idle: usize,
    /// How long one is kept idle. Less than the other side waits, or else requests meet connections that are being closed.
    /// Default 30 s.
    pub idle_timeout: Duration,
    /// How old one may become before it is not used again, so that a name that has moved is followed. Default: any age.
    pub lifetime: Option<Duration>,
    /// How many there may be for a key: idle, in use and being opened. Default: any number.
    pub per_key: Option<usize>,
    /// How many may wait for one of a key's, where there is such a limit. Default 1,024.
    pub waiting: usize,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
            idle_per_key: 32,
            idle: 1024,
            idle_timeout: Duration::from_secs(30),
            lifetime: None,
            per_key: None,
            waiting: 1024,
        }
    }
}

/// A place in a key's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What somebody who asks for one gets.
#[derive(Debug, PartialEq, Eq)]
pub enum Take<T> {
    /// One that was idle, and since when it has existed.
    Idle(T, Instant),
    /// The right to open one. It counts from now on, until [`Store::lost`] or [`Store::give`].
    Open,
    /// Nothing: there are enough, or others were here before.
    Full,
}

#[derive(Debug)]
struct Kept<T> {
    item: T,
    opened: Instant,
    since: Instant,
}

#[derive(Debug)]
struct Slot<T> {
    /// The one that came last is at the back.
    idle: VecDeque<Kept<T>>,
    /// Idle, in use, and being opened.
    open: usize,
    queue: VecDeque<Ticket>,
}

impl<T> Slot<T> {
    /// How many could be given out now.
    fn available(&self, options: &PoolOptions) -> usize {
        options.per_key.map_or(usize::MAX, |most| most.max(1).saturating_sub(self.open).saturating_add(self.idle.len()))
    }
}

/// The kept ones of each key, the last one first, and the queues of those who wait.
///
/// ```text
///            ┌────────────── give ──────────────┐
///            ▼                                  │
///   idle ── take ──▶ in use ◀── (opened) ── being opened ◀── take: Open
///     │                 │                        │
///     └─ reap, evict    └──────── lost ──────────┘
/// ```
#[derive(Debug)]
pub struct Store<K, T> {
    options: PoolOptions,
    slots: BTreeMap<K, Slot<T>>,
    idle: usize,
    tickets: u64,
}

impl<K: Ord + Clone, T> Store<K, T> {
    /// An empty one.
    pub fn new(options: PoolOptions) -> Self {
        Store { options, slots: BTreeMap::new(), idle: 0, tickets: 0 }
    }

    /// What it goes by.
    pub fn options(&self) -> &PoolOptions {
        &self.options
    }

    /// How many are idle, in all.
    pub fn idle(&self) -> usize {
        self.idle
    }

    /// How many a key has: idle, in use and being opened.
    pub fn open(&self, key: &K) -> usize {
        self.slots.get(key).map_or(0, |slot| slot.open)
    }

    /// How many wait for one of a key's.
    pub fn waiting(&self, key: &K) -> usize {
        self.slots.get(key).map_or(0, |slot| slot.queue.len())
    }

    /// One of a key's, or the right to open one. `ticket` is the caller's place in the queue, if it has waited; it is given
    /// up with success. What turns out to be too old, or not `sound`, goes to `gone`: drop it where that may take time.
    pub fn take(
        &mut self,
        key: &K,
        ticket: Option<Ticket>,
        now: Instant,
        mut sound: impl FnMut(&mut T) -> bool,
        gone: &mut Vec<T>,
    ) -> Take<T> {
        let Some(slot) = self.slots.get_mut(key) else {
            // Whoever has a ticket has a slot.
            self.slots.insert(key.clone(), Slot { idle: VecDeque::new(), open: 1, queue: VecDeque::new() });
            return Take::Open;
        };
        let place = ticket.and_then(|ticket| slot.queue.iter().position(|&other| other == ticket));
        if slot.available(&self.options) <= place.unwrap_or(slot.queue.len()) {
            return Take::Full;
        }
        if let Some(place) = place {
            slot.queue.remove(place);
        }
        while let Some(mut kept) = slot.idle.pop_back() {
            self.idle -= 1;
            if !is_over(&self.options, &kept, now) && sound(&mut kept.item) {
                return Take::Idle(kept.item, kept.opened);
            }
            slot.open -= 1;
            gone.push(kept.item);
        }
        slot.open += 1;
        Take::Open
    }

    /// One comes back. What has to go for it, perhaps itself, is handed out.
    pub fn give(&mut self, key: &K, item: T, opened: Instant, now: Instant) -> Option<T> {
        let kept = Kept { item, opened, since: now };
        let Some(slot) = self.slots.get_mut(key) else { return Some(kept.item) };
        if self.options.idle_per_key == 0 || self.options.idle == 0 || is_over(&self.options, &kept, now) {
            self.lost(key);
            return Some(kept.item);
        }
        slot.idle.push_back(kept);
        self.idle += 1;
        if slot.idle.len() > self.options.idle_per_key {
            return self.evict(&key.clone());
        }
        if self.idle > self.options.idle {
            let oldest = self.slots.iter().filter_map(|(key, slot)| Some((slot.idle.front()?.since, key)));
            let key = oldest.min_by_key(|(since, _)| *since).map(|(_, key)| key.clone());
            return key.and_then(|key| self.evict(&key));
        }
        None
    }

    /// The one that has been idle for longest goes.
    fn evict(&mut self, key: &K) -> Option<T> {
        let kept = self.slots.get_mut(key)?.idle.pop_front()?;
        self.idle -= 1;
        self.lost(key);
        Some(kept.item)
    }

    /// One that was in use or being opened does not come back.
    pub fn lost(&mut self, key: &K) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.open = slot.open.saturating_sub(1);
        }
        self.forget(key);
    }

    /// A key that nobody has anything of needs no memory.
    fn forget(&mut self, key: &K) {
        if self.slots.get(key).is_some_and(|slot| slot.open == 0 && slot.queue.is_empty()) {
            self.slots.remove(key);
        }
    }

    /// A place at the end of a key's queue; `None` if the queue is full.
    pub fn queue(&mut self, key: &K) -> Option<Ticket> {
        let empty = || Slot { idle: VecDeque::new(), open: 0, queue: VecDeque::new() };
        let slot = self.slots.entry(key.clone()).or_insert_with(empty);
        if slot.queue.len() >= self.options.waiting {
            return None;
        }
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        slot.queue.push_back(ticket);
        Some(ticket)
    }

    /// Gives a place up.
    pub fn leave(&mut self, key: &K, ticket: Ticket) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.queue.retain(|&other| other != ticket);
        }
        self.forget(key);
    }

    /// Whose turn it is: those in the queue for whom [`take`](Store::take) would have something now, in their order.
    pub fn turns(&self, key: &K) -> impl Iterator<Item = Ticket> + '_ {
        let slot = self.slots.get(key);
        let available = slot.map_or(0, |slot| slot.available(&self.options));
        slot.into_iter().flat_map(|slot| slot.queue.iter().copied()).take(available)
    }

    /// Takes out what has been idle for too long, or is too old.
    pub fn reap(&mut self, now: Instant) -> Vec<T> {
        let options = self.options.clone();
        self.take_out(|_, kept| is_over(&options, kept, now))
    }

    /// Takes out all idle ones of the keys for which `keep` says no.
    pub fn retain(&mut self, mut keep: impl FnMut(&K) -> bool) -> Vec<T> {
        self.take_out(|key, _| !keep(key))
    }

    fn take_out(&mut self, mut goes: impl FnMut(&K, &Kept<T>) -> bool) -> Vec<T> {
        let mut gone = Vec::new();
        for (key, slot) in &mut self.slots {
            let (out, kept): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut slot.idle).into_iter().partition(|kept| goes(key, kept));
            slot.idle = kept;
            slot.open -= out.len();
            self.idle -= out.len();
            gone.extend(out.into_iter().map(|kept| kept.item));
        }
        self.slots.retain(|_, slot| slot.open > 0 || !slot.queue.is_empty());
        gone
    }

    /// The keys for which somebody waits.
    pub fn wanted(&self) -> impl Iterator<Item = &K> {
        self.slots.iter().filter(|(_, slot)| !slot.queue.is_empty()).map(|(key, _)| key)
    }
}

fn is_over<T>(options: &PoolOptions, kept: &Kept<T>, now: Instant) -> bool {
    let aged = options.lifetime.is_some_and(|most| now.saturating_duration_since(kept.opened) >= most);
    aged || now.saturating_duration_since(kept.since) >= options.idle_timeout
}
