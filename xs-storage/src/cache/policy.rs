//! Eviction without lists: a few bits beside each entry, a small sample, and the worst of it goes.
//!
//! # The problem
//!
//! A list threads two pointers through each entry and writes to three of them at every hit. A store with hundreds of
//! millions of small entries can't afford the pointers, and one whose entries live in a hash table already has a cheap
//! way to pick some at random. So: note a little at each use, and when memory is short, look at a few entries and take
//! the one that looks most useless.
//!
//! # How it works
//!
//! ```text
//!   at each use     LfuCounter::used      8 bits: about log(uses), decaying while idle
//!                or IdleClock             24 bits: the second of the last use
//!   when short      sample a handful ──▶ Pool::offer(entry, score) ──▶ Pool::take(): the best victim so far
//! ```
//!
//! The counter is Morris': it goes up with probability 1/(value × factor + 1), so that each step stands for more uses
//! than the one before, and 8 bits reach about a million. It starts at 5, so that newcomers are not the first victims,
//! and loses one for every so many idle minutes.
//!
//! The pool remembers the best victims of earlier samples. A sample of five alone picks the oldest of five; with a
//! memory of sixteen, the victims come close to those of an exact LRU.
//!
//! # Invariants
//!
//! - Everything is a pure function of its arguments: the time and the generator come from the caller.
//! - [`Pool`] holds an entry at most once and never more than [`Pool::SIZE`].
//! - Idle times survive the wrap of the 24-bit clock (194 days) as long as they are shorter than that.
//!
//! # Cost
//!
//! One draw and one division a use for the counter, a subtraction for the clock; an insertion into sixteen sorted places
//! for each sampled entry.
//!
//! # Example
//!
//! ```
//! use xs_storage::cache::policy::{IdleClock, Pool};
//!
//! let last_use = [10_000, 2_000, 7_000].map(IdleClock::at); // milliseconds
//! let mut pool = Pool::new();
//! for (entry, clock) in last_use.iter().enumerate() {
//!     pool.offer(entry, clock.idle_ms(12_000));
//! }
//! assert_eq!(pool.take(), Some(1));
//! ```
//!
//! # How others do it
//!
//! Redis does exactly this, with these constants. Memcached keeps segmented lists instead; Caffeine samples nothing but
//! ages all counters at once, by halving its sketch every so many uses.
//!
//! # What this leaves out
//!
//! Drawing the sample, and carrying out the choice: both belong to whoever holds the entries.
//!
//! # Try next
//!
//! Take the pool away in the test below, sample 5, 10 and 20 entries, and find how many it takes to do without it.
//!
//! # Sources
//!
//! R. Morris, "Counting large numbers of events in small registers" (1978); the Redis documentation of key eviction and
//! `lfu-log-factor`.

use xs_os::Rng;

/// How the counter of uses grows and shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LfuTuning {
    /// How much harder each next step is: `lfu-log-factor`.
    pub log_factor: u32,
    /// Idle minutes that cost one step, 0 for never: `lfu-decay-time`.
    pub decay_minutes: u32,
}

impl Default for LfuTuning {
    fn default() -> Self {
        LfuTuning { log_factor: 10, decay_minutes: 1 }
    }
}

/// About the logarithm of a number of uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LfuCounter(pub u8);

impl LfuCounter {
    /// What a new entry has.
    pub const START: LfuCounter = LfuCounter(5);

    /// The counter after one more use.
    #[must_use]
    pub fn used(self, tuning: LfuTuning, rng: &mut Rng) -> LfuCounter {
        let steps = f64::from(self.0.saturating_sub(Self::START.0));
        let up = self.0 < u8::MAX && rng.chance(1.0 / (steps * f64::from(tuning.log_factor) + 1.0));
        LfuCounter(self.0 + u8::from(up))
    }

    /// The counter after so many minutes without use.
    #[must_use]
    pub fn idle(self, minutes: u64, tuning: LfuTuning) -> LfuCounter {
        let lost = minutes.checked_div(u64::from(tuning.decay_minutes)).unwrap_or(0);
        LfuCounter(self.0.saturating_sub(u8::try_from(lost).unwrap_or(u8::MAX)))
    }

    /// How good a victim an entry with this counter is.
    pub fn score(self) -> u64 {
        u64::from(u8::MAX - self.0)
    }
}

/// The second of an entry's last use, in 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleClock(u32);

impl IdleClock {
    const MASK: u64 = (1 << 24) - 1;

    /// Used now.
    pub fn at(now_ms: u64) -> IdleClock {
        IdleClock(((now_ms / 1000) & Self::MASK) as u32)
    }

    /// The 24 bits, to be kept beside something else.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// The clock of 24 bits; higher ones are ignored.
    pub fn from_bits(bits: u32) -> IdleClock {
        IdleClock(bits & Self::MASK as u32)
    }

    /// Milliseconds since then, in steps of a second: also how good a victim the entry is.
    pub fn idle_ms(self, now_ms: u64) -> u64 {
        ((now_ms / 1000).wrapping_sub(u64::from(self.0)) & Self::MASK) * 1000
    }
}

/// The best victims among all that were sampled lately.
#[derive(Debug, Clone)]
pub struct Pool<T> {
    /// By rising score.
    best: Vec<(u64, T)>,
}

impl<T> Default for Pool<T> {
    fn default() -> Self {
        Pool { best: Vec::with_capacity(Self::SIZE + 1) }
    }
}

impl<T> Pool<T> {
    /// How many victims are remembered.
    pub const SIZE: usize = 16;

    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Considers an entry; a higher score makes it a better victim. One that is known is judged anew.
    pub fn offer(&mut self, entry: T, score: u64)
    where
        T: PartialEq,
    {
        self.best.retain(|(_, known)| *known != entry);
        if self.best.len() == Self::SIZE && self.best.first().is_some_and(|(least, _)| score <= *least) {
            return;
        }
        let at = self.best.partition_point(|(known, _)| *known < score);
        self.best.insert(at, (score, entry));
        if self.best.len() > Self::SIZE {
            self.best.remove(0);
        }
    }

    /// Takes the best victim out. It may have been used or removed since it was offered: the caller looks, and asks
    /// again.
    pub fn take(&mut self) -> Option<T> {
        self.best.pop().map(|(_, entry)| entry)
    }

    /// Forgets all: the scores of another policy mean nothing.
    pub fn clear(&mut self) {
        self.best.clear();
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_counter_grows_with_the_logarithm_and_decays_with_time() {
        let (tuning, mut rng) = (LfuTuning::default(), Rng::from_seed(3));
        let mut counter = LfuCounter::START;
        let mut after = Vec::new();
        for uses in 1..=100_000 {
            counter = counter.used(tuning, &mut rng);
            if [100, 1000, 100_000].contains(&uses) {
                after.push(counter.0);
            }
        }
        // The documented values for a factor of 10 are 10, 18 and 142.
        assert!((8..=13).contains(&after[0]) && (15..=24).contains(&after[1]) && (125..=160).contains(&after[2]));
        assert_eq!(counter.idle(7, tuning).0, counter.0 - 7);
        assert_eq!(counter.idle(u64::MAX, tuning), LfuCounter(0));
        assert_eq!(counter.idle(1000, LfuTuning { decay_minutes: 0, ..tuning }), counter);
        assert_eq!(LfuCounter(u8::MAX).used(tuning, &mut rng), LfuCounter(u8::MAX));
    }

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let last_second = IdleClock::MASK * 1000;
        let clock = IdleClock::at(last_second);
        assert_eq!(clock.idle_ms(last_second + 5000), 5000);
        assert_eq!(IdleClock::from_bits(clock.bits() | 1 << 31), clock);
    }

    #[test]
    fn a_sample_of_five_with_a_pool_comes_close_to_exact_lru() {
        // 2000 entries, the older half of which an exact LRU would evict: how many of the victims are of that half?
        let mut rng = Rng::from_seed(8);
        let mut wrong = [0, 0];
        for (at, pooled) in [false, true].into_iter().enumerate() {
            let mut alive: Vec<u64> = (0..2000).collect(); // an entry is its own time of last use
            let mut pool = Pool::new();
            for _ in 0..1000 {
                for _ in 0..5 {
                    let entry = alive[rng.index(alive.len())];
                    pool.offer(entry, 2000 - entry);
                }
                let victim = pool.take().unwrap();
                wrong[at] += u32::from(victim >= 1000);
                alive.retain(|entry| *entry != victim);
                if !pooled {
                    pool.clear();
                }
            }
        }
        assert!(wrong[1] * 3 < wrong[0] * 2, "{wrong:?}");
        assert!(wrong[1] < 100, "{wrong:?}");
    }

    #[test]
    fn the_pool_keeps_the_best_and_nothing_twice() {
        let mut pool = Pool::new();
        (0..100).for_each(|entry| pool.offer(entry, entry));
        pool.offer(99, 0); // used since
        let order: Vec<u64> = std::iter::from_fn(|| pool.take()).collect();
        assert_eq!(order, (84..99).rev().chain([99]).collect::<Vec<_>>());
    }
}
