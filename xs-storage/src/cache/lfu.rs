//! Least frequently used, in constant time: a list of the frequencies that occur, each with a list of its entries.
//!
//! ```text
//!   frequencies:   1 ⇄ 2 ⇄ 7          a hit moves an entry from its list to the next frequency's, made if missing
//!                  │   │   │
//!                  D   A   B          the tail of the first list goes: the least used, of these the least recent
//!                  C
//! ```

use super::entries::{Entries, List, NIL};
use super::*;

/// A cache that evicts what was used least often, and of these what was not used for longest.
#[derive(Debug, Clone)]
pub struct LfuCache<K, V, S = FixedState, W = One> {
    entries: Entries<K, V, S, W>,
    steps: Vec<Step>,
    /// Free places in `steps`, threaded by `next`.
    free: u32,
    lowest: u32,
}

/// A frequency that occurs.
#[derive(Debug, Clone)]
struct Step {
    uses: u64,
    list: List,
    prev: u32,
    next: u32,
}

impl<K: Hash + Eq, V> LfuCache<K, V> {
    /// A cache of `capacity` entries.
    pub fn new(capacity: u64) -> Self {
        Self::with_parts(capacity, FixedState::default(), One)
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> LfuCache<K, V, S, W> {
    /// A cache of a total weight of `capacity`, with a hasher and a scale.
    pub fn with_parts(capacity: u64, hasher: S, weigher: W) -> Self {
        LfuCache { entries: Entries::new(capacity, hasher, weigher), steps: Vec::new(), free: NIL, lowest: NIL }
    }

    /// How often the entry was asked for since it came, its arrival counted.
    pub fn uses<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        Some(self.steps[self.entries.queue(at) as usize].uses)
    }

    /// The step for `uses`, right after `prev` (or first of all, if that is `NIL`).
    fn step_after(&mut self, prev: u32, uses: u64) -> u32 {
        let next = if prev == NIL { self.lowest } else { self.steps[prev as usize].next };
        if next != NIL && self.steps[next as usize].uses == uses {
            return next;
        }
        let step = Step { uses, list: List::EMPTY, prev, next };
        let at = if self.free == NIL {
            self.steps.push(step);
            (self.steps.len() - 1) as u32
        } else {
            let at = self.free;
            self.free = std::mem::replace(&mut self.steps[at as usize], step).next;
            at
        };
        match prev {
            NIL => self.lowest = at,
            prev => self.steps[prev as usize].next = at,
        }
        if next != NIL {
            self.steps[next as usize].prev = at;
        }
        at
    }

    fn enter(&mut self, at: u32, step: u32) {
        self.entries.node(at).queue = step;
        self.steps[step as usize].list.push_front(&mut self.entries, at);
    }

    fn leave(&mut self, at: u32) {
        let step = self.entries.node(at).queue;
        let Step { list, prev, next, .. } = &mut self.steps[step as usize];
        list.unlink(&mut self.entries, at);
        if !list.is_empty() {
            return;
        }
        let (prev, next) = (*prev, *next);
        match prev {
            NIL => self.lowest = next,
            prev => self.steps[prev as usize].next = next,
        }
        if next != NIL {
            self.steps[next as usize].prev = prev;
        }
        self.steps[step as usize].next = std::mem::replace(&mut self.free, step);
    }

    fn touch(&mut self, at: u32) {
        let step = self.entries.node(at).queue;
        let next = self.step_after(step, self.steps[step as usize].uses + 1);
        self.leave(at);
        self.enter(at, next);
    }

    /// The next to go, other than `spare`.
    fn victim(&self, spare: u32) -> Option<u32> {
        let lowest = self.steps.get(self.lowest as usize)?;
        let last = lowest.list.last()?;
        if last != spare {
            return Some(last);
        }
        match self.entries.prev(last) {
            NIL => self.steps.get(lowest.next as usize)?.list.last(),
            before => Some(before),
        }
    }

    fn make_room(&mut self, weight: u64, spare: u32, gone: &mut Evicted<K, V>) {
        while self.entries.weight + weight > self.entries.capacity {
            let Some(victim) = self.victim(spare) else { break };
            self.leave(victim);
            self.entries.evict(victim, gone);
        }
    }
}

impl<K: Hash + Eq, V, S: BuildHasher, W: Weigh<K, V>> Cache<K, V> for LfuCache<K, V, S, W> {
    fn get<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        self.touch(at);
        self.entries.value(at)
    }

    fn insert(&mut self, key: K, value: V) -> Evicted<K, V> {
        let mut gone = Evicted::default();
        let (hash, weight) = (self.entries.hash(&key), self.entries.weigh(&key, &value));
        if let Some(at) = self.entries.find_hashed(hash, &key) {
            if weight > self.entries.capacity {
                self.leave(at);
                self.entries.evict(at, &mut gone);
                gone.push((key, value));
                return gone;
            }
            self.touch(at);
            let list = &mut self.steps[self.entries.queue(at) as usize].list;
            list.unlink(&mut self.entries, at);
            gone.extend(self.entries.replace(at, key, value, weight));
            list.push_front(&mut self.entries, at);
            self.make_room(0, at, &mut gone);
            return gone;
        }
        if weight > self.entries.capacity {
            gone.push((key, value));
            return gone;
        }
        self.make_room(weight, NIL, &mut gone);
        let at = self.entries.add(hash, key, value, weight, 0);
        let step = self.step_after(NIL, 1);
        self.enter(at, step);
        gone
    }

    fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.entries.find(key)?;
        self.leave(at);
        self.entries.take(at).map(|(_, value)| value)
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.steps.clear();
        (self.free, self.lowest) = (NIL, NIL);
    }

    entries_methods!();
}
