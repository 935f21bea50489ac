//! A limit for each key, in bounded memory.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use parking_lot::Mutex;
use xs_os::Nanos;

use super::{Denied, Limit, Policy};

/// There is one lock for at least so many keys, so that chance fills all shards about alike.
const KEYS_A_SHARD: usize = 1024;
const MAX_SHARDS: usize = 64;

/// How many keys that were used again are looked at before a new one is told that there is no room. It bounds the time
/// that a lock is held.
const LOOKS: usize = 64;

/// One state of a policy for each key, and no more of them than `max_keys`.
///
/// A key whose state is as good as fresh is idle: forgetting it changes no answer. When a new key needs room, idle ones
/// are forgotten. When all are busy, the new key is *not* given the place of one, which would hand a full burst to
/// whoever comes with a new key each time: all keys without a place share one state, and the limit, until keys become
/// idle. What passes in all is so at most what `max_keys` keys may have, and one more a shard.
///
/// There is a lock for each shard, and a shard for every 1024 to 2048 keys, up to 64.
///
/// ```
/// use xs_net::limit::{Gcra, Keyed, Rate};
/// use xs_os::{Clock, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let limit = Keyed::new(Gcra::new(Rate::per_second(10)?, 1), 10_000, 42);
/// assert!(limit.check(&"alice", clock.nanos(), 1).is_ok());
/// assert!(limit.check(&"bob", clock.nanos(), 1).is_ok());
/// assert!(limit.check(&"alice", clock.nanos(), 1).is_err());
/// # Ok::<(), xs_net::limit::InvalidRate>(())
/// ```
pub struct Keyed<K, P: Policy> {
    hasher: FixedState,
    shards: Box<[Mutex<Shard<K, P>>]>,
    overflowed: AtomicU64,
}

struct Shard<K, P: Policy> {
    policy: P,
    /// Where in `entries` a key is.
    index: HashTable<u32>,
    entries: Vec<(K, P::State)>,
    /// Each entry once, by a moment before which it does not become idle. Taking moves the true moment on, and nothing is
    /// done about it here until the entry comes to the top.
    idle: BinaryHeap<Reverse<(Nanos, u32)>>,
    room: usize,
    /// Whom there was no room for.
    rest: P::State,
}

impl<K: Hash + Eq + Clone, P: Policy> Keyed<K, P> {
    /// Limits by `policy`, for at most `max_keys` keys at a time (at least one). `seed` spreads them over the shards:
    /// where strangers choose the keys, take one that they don't know.
    pub fn new(policy: P, max_keys: usize, seed: u64) -> Self {
        let max_keys = max_keys.clamp(1, u32::MAX as usize);
        // A power of two, so that choosing one is no division.
        let count = 1 << (max_keys / KEYS_A_SHARD).clamp(1, MAX_SHARDS).ilog2();
        let shard = |nth| Shard {
            policy: policy.clone(),
            index: HashTable::new(),
            entries: Vec::new(),
            idle: BinaryHeap::new(),
            room: max_keys / count + usize::from(nth < max_keys % count),
            rest: P::State::default(),
        };
        let shards = (0..count).map(|nth| Mutex::new(shard(nth))).collect();
        Keyed { hasher: FixedState::with_seed(seed), shards, overflowed: AtomicU64::new(0) }
    }

    /// The rule.
    pub fn policy(&self) -> P {
        self.shards[0].lock().policy.clone()
    }

    /// From now on the rule is another one, for all keys. What each has taken before counts ([`Policy::adopt`]): a
    /// configuration that is read again hands nobody a new burst. It takes time in proportion to the number of keys, with one
    /// shard locked after the other.
    pub fn change(&self, policy: P, now: Nanos) {
        for shard in &self.shards {
            shard.lock().change(policy.clone(), now);
        }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().entries.len()).sum()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many requests came with a key for which there was no room, ever since the limit was made.
    pub fn overflowed(&self) -> u64 {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Takes `cost` units now.
    ///
    /// # Errors
    ///
    /// [`Denied`], and nothing was taken.
    pub fn check(&self, key: &K, now: Nanos, cost: u64) -> Result<(), Denied> {
        self.reserve(key, now, cost, Duration::ZERO).map(drop)
    }

    /// Forgets every idle key, gives their memory back, and answers how many they were. New keys find room without this;
    /// it takes time in proportion to the number of keys, with one shard locked after the other.
    pub fn forget_idle(&self, now: Nanos) -> usize {
        self.shards.iter().map(|shard| shard.lock().forget_idle(&self.hasher, now)).sum()
    }
}

impl<K: Hash + Eq + Clone, P: Policy> Limit<K> for Keyed<K, P> {
    fn reserve(&self, key: &K, now: Nanos, cost: u64, patience: Duration) -> Result<Duration, Denied> {
        let hash = self.hasher.hash_one(key);
        // The table uses the lowest bits and the highest.
        let mut shard = self.shards[(hash >> 32) as usize & (self.shards.len() - 1)].lock();
        let Shard { policy, index, entries, .. } = &mut *shard;
        if let Some(at) = index.find(hash, |at| entries[*at as usize].0 == *key) {
            return policy.reserve(&mut entries[*at as usize].1, now, cost, patience);
        }
        let mut state = P::State::default();
        let wait = policy.reserve(&mut state, now, cost, patience)?;
        let Some(fresh) = policy.fresh_at(&state) else { return Ok(wait) }; // nothing was taken
        match shard.place(&self.hasher, now) {
            Some(at) => {
                shard.put(&self.hasher, at, (key.clone(), state), fresh);
                Ok(wait)
            }
            None => {
                self.overflowed.fetch_add(1, Ordering::Relaxed);
                let Shard { policy, rest, .. } = &mut *shard;
                policy.reserve(rest, now, cost, patience)
            }
        }
    }
}

impl<K: Hash + Eq, P: Policy> Shard<K, P> {
    /// Where a new entry goes: behind the last one, or where an idle one was, which is forgotten.
    fn place(&mut self, hasher: &FixedState, now: Nanos) -> Option<u32> {
        if self.entries.len() < self.room {
            return Some(self.entries.len() as u32);
        }
        for _ in 0..LOOKS {
            let mut top = self.idle.peek_mut()?;
            let Reverse((recorded, at)) = *top;
            if recorded > now {
                return None;
            }
            let (key, state) = &self.entries[at as usize];
            match self.policy.fresh_at(state) {
                Some(fresh) if fresh > now => *top = Reverse((fresh, at)),
                _ => {
                    PeekMut::pop(top);
                    if let Ok(found) = self.index.find_entry(hasher.hash_one(key), |other| *other == at) {
                        found.remove();
                    }
                    return Some(at);
                }
            }
        }
        None
    }

    /// Puts an entry where [`Shard::place`] said.
    fn put(&mut self, hasher: &FixedState, at: u32, entry: (K, P::State), fresh: Nanos) {
        let hash = hasher.hash_one(&entry.0);
        match self.entries.get_mut(at as usize) {
            Some(place) => *place = entry,
            None => self.entries.push(entry),
        }
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| hasher.hash_one(&entries[*at as usize].0));
        self.idle.push(Reverse((fresh, at)));
    }

    fn change(&mut self, policy: P, now: Nanos) {
        let Shard { policy: before, entries, idle, rest, .. } = self;
        policy.adopt(before, rest, now);
        // Under the new rule keys may be idle earlier than was written down for them.
        let entry = |(at, (_, state)): (usize, &mut (K, P::State))| {
            policy.adopt(before, state, now);
            Reverse((policy.fresh_at(state).unwrap_or(now), at as u32))
        };
        *idle = entries.iter_mut().enumerate().map(entry).collect();
        *before = policy;
    }

    fn forget_idle(&mut self, hasher: &FixedState, now: Nanos) -> usize {
        let before = self.entries.len();
        let entries = std::mem::take(&mut self.entries);
        self.index = HashTable::new();
        self.idle = BinaryHeap::new();
        for entry in entries {
            if let Some(fresh) = self.policy.fresh_at(&entry.1).filter(|fresh| *fresh > now) {
                self.put(hasher, self.entries.len() as u32, entry, fresh);
            }
        }
        before - self.entries.len()
    }
}

impl<K, P: Policy> fmt::Debug for Keyed<K, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: usize = self.shards.iter().map(|shard| shard.lock().entries.len()).sum();
        let policy = self.shards.first().map(|shard| shard.lock().policy.clone());
        f.debug_struct("Keyed").field("policy", &policy).field("keys", &keys).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::limit::{FixedWindow, Gcra, LeakyQueue, Rate, SlidingCounter, SlidingLog, TokenBucket};
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use xs_os::{Clock, VirtualClock};

    /// A request: the pause before it, its key, cost and patience.
    type Step = (u64, u8, u64, u64);

    /// A state for every key that ever came, and one for those without room.
    fn is_its_model<P: Policy + Clone>(policy: &P, room: usize, steps: &[Step]) {
        let (mut now, keyed) = (VirtualClock::new().nanos(), Keyed::new(policy.clone(), room, 1));
        let (mut states, mut rest, mut overflowed) = (BTreeMap::<u8, P::State>::new(), P::State::default(), 0);
        for &(pause, key, cost, patience) in steps {
            now += Duration::from_nanos(pause);
            let patience = Duration::from_nanos(patience);
            let answer = keyed.reserve(&key, now, cost, patience);
            let busy = |state: &P::State| policy.fresh_at(state).is_some_and(|fresh| fresh > now);
            let others = states.iter().filter(|(other, state)| **other != key && busy(state)).count();
            let state = states.entry(key).or_default();
            let would = policy.reserve(&mut state.clone(), now, cost, patience);
            let expected = if busy(state) || others < room || cost == 0 || would.is_err() {
                policy.reserve(state, now, cost, patience)
            } else {
                overflowed += 1;
                policy.reserve(&mut rest, now, cost, patience)
            };
            assert_eq!(answer, expected);
            assert!(keyed.len() <= room);
        }
        assert_eq!(keyed.overflowed(), overflowed);
        let busy = states.values().filter(|state| policy.fresh_at(state).is_some_and(|fresh| fresh > now)).count();
        let before = keyed.len();
        assert_eq!(before - keyed.forget_idle(now), busy);
        assert_eq!(keyed.len(), busy);
        assert_eq!(keyed.forget_idle(now + Duration::from_secs(1)), busy);
        assert!(keyed.is_empty());
    }

    proptest! {
        #[test]
        fn forgetting_changes_no_answer(
            room in 1_usize..9,
            steps in proptest::collection::vec((0_u64..30, 0_u8..12, 0_u64..5, 0_u64..20), 1..200),
        ) {
            let rate = Rate::new(3, Duration::from_nanos(50)).unwrap();
            is_its_model(&Gcra::new(rate, 3), room, &steps);
            is_its_model(&TokenBucket::new(rate, 4), room, &steps);
            is_its_model(&LeakyQueue::new(rate, 4), room, &steps);
            is_its_model(&FixedWindow::new(rate), room, &steps);
            is_its_model(&SlidingCounter::new(rate), room, &steps);
            is_its_model(&SlidingLog::new(rate), room, &steps);
        }
    }

    #[test]
    fn a_new_key_each_time_neither_fills_the_memory_nor_gets_through() {
        let clock = VirtualClock::new();
        let keyed = Keyed::new(Gcra::new(Rate::per_second(1).unwrap(), 1), 5000, 7);
        let passed = (0..200_000_u32).filter(|key| keyed.check(key, clock.nanos(), 1).is_ok()).count();
        assert!(keyed.len() <= 5000);
        assert!(passed <= 5000 + keyed.shards.len(), "{passed}");
        assert!(passed > 4800 && keyed.overflowed() > 194_000, "{passed}");
        // Who has a place keeps its own limit, and everybody else shares one.
        clock.advance(Duration::from_secs(1));
        let passed = (0..200_000_u32).filter(|key| keyed.check(key, clock.nanos(), 1).is_ok()).count();
        assert!((5000..=5000 + keyed.shards.len()).contains(&passed), "{passed}");
        assert_eq!(keyed.forget_idle(clock.nanos() + Duration::from_secs(1)), 5000);
    }
}
