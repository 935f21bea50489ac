//! How many retries a stream of calls may cause: [`Budget`], and [`SharedBudget`] for several who spend from one.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use xs_os::Nanos;

use crate::Timer;

/// How much a [`Budget`] gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BudgetOptions {
    /// Retries for each call. Default 0.2: one for five calls.
    pub ratio: f64,
    /// Retries a second on top, so that a client of few calls can retry at all. Default 10.
    pub per_second: u32,
    /// For how long a call counts, and a retry is held against the budget. Default 10 s.
    pub window: Duration,
}

impl Default for BudgetOptions {
    fn default() -> Self {
        BudgetOptions { ratio: 0.2, per_second: 10, window: Duration::from_secs(10) }
    }
}

const BUCKETS: usize = 10;

/// A retry budget as a pure policy: within the last [`window`](BudgetOptions::window), never more retries than
/// `ratio · calls + per_second · window`.
///
/// Cut a run of any length at its last retry, a window before that, at the last retry before the cut, and so on: the bound
/// holds in each piece, and no call lies in two of them. So over a run of `t` seconds and `n` calls there are at most
/// `ratio · n + per_second · (t + window)` retries: no burst is counted twice.
#[derive(Debug, Clone)]
pub struct Budget {
    options: BudgetOptions,
    ring: [Slot; BUCKETS],
    /// Of a bucket, in nanoseconds.
    width: u64,
    origin: Nanos,
    newest: u64,
    /// When the newest bucket ends: until then there is nothing to divide.
    until: Nanos,
    total: Slot,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    calls: u64,
    retries: u64,
}

impl Budget {
    /// A budget that no call has filled yet.
    pub fn new(options: BudgetOptions, now: impl Into<Nanos>) -> Self {
        let width = u64::try_from(options.window.as_nanos()).unwrap_or(u64::MAX) / BUCKETS as u64;
        let (width, origin) = (width.max(1), now.into());
        Budget {
            options,
            ring: [Slot::default(); BUCKETS],
            width,
            origin,
            newest: 0,
            until: origin.later(width),
            total: Slot::default(),
        }
    }

    /// Notes a call: an original one, never a retry.
    pub fn deposit(&mut self, now: impl Into<Nanos>) {
        self.move_to(now.into()).calls += 1;
        self.total.calls += 1;
    }

    /// Takes out one retry, if there is one.
    pub fn withdraw(&mut self, now: impl Into<Nanos>) -> bool {
        let now = now.into();
        self.move_to(now);
        let enough = self.total.retries as f64 + 1.0 <= self.most();
        if enough {
            self.move_to(now).retries += 1;
            self.total.retries += 1;
        }
        enough
    }

    /// How many retries are left.
    pub fn balance(&mut self, now: impl Into<Nanos>) -> u64 {
        self.move_to(now.into());
        (self.most() as u64).saturating_sub(self.total.retries)
    }

    fn most(&self) -> f64 {
        let reserve = f64::from(self.options.per_second) * self.options.window.as_secs_f64();
        reserve + self.options.ratio.max(0.0) * self.total.calls as f64
    }

    /// Forgets what is too old, and gives the slot of `now`.
    #[inline]
    fn move_to(&mut self, now: Nanos) -> &mut Slot {
        // Threads read the clock before they take turns: a little back counts as newest.
        if now >= self.until {
            self.turn(now);
        }
        &mut self.ring[self.newest as usize % BUCKETS]
    }

    fn turn(&mut self, now: Nanos) {
        let bucket = now.since(self.origin) / self.width;
        let steps = bucket.saturating_sub(self.newest).min(BUCKETS as u64);
        self.newest = bucket.max(self.newest);
        self.until = self.origin.later(self.newest.saturating_add(1).saturating_mul(self.width));
        for back in 0..steps {
            let slot = std::mem::take(&mut self.ring[(self.newest - back) as usize % BUCKETS]);
            self.total.calls -= slot.calls;
            self.total.retries -= slot.retries;
        }
    }
}

/// A budget that several layers spend from. Clones share it.
///
/// Layers beside each other take clones, and each fills it with its own calls. Of layers on top of each other only the
/// outermost does: the others take [`nested`](Self::nested), or a call would count once for each, and each repetition of
/// it as another call.
#[derive(Clone)]
pub struct SharedBudget {
    budget: Arc<Mutex<Budget>>,
    timer: Timer,
    /// Calls that come in through this one have been counted further out.
    nested: bool,
}

impl SharedBudget {
    /// A budget by the clock of `timer`.
    pub fn new(options: BudgetOptions, timer: &Timer) -> Self {
        let budget = Arc::new(Mutex::new(Budget::new(options, timer.nanos())));
        SharedBudget { budget, timer: timer.clone(), nested: false }
    }

    /// The same budget for a layer inside of one that fills it: it spends, and its deposits are none.
    #[must_use]
    pub fn nested(&self) -> Self {
        SharedBudget { nested: true, ..self.clone() }
    }

    /// Notes a call: an original one, never a retry.
    pub fn deposit(&self) {
        self.deposit_at(self.timer.nanos());
    }

    /// [`deposit`](SharedBudget::deposit) for those who know the time already.
    pub fn deposit_at(&self, now: impl Into<Nanos>) {
        if !self.nested {
            self.budget.lock().deposit(now);
        }
    }

    /// Takes out one retry, if there is one.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let now = self.timer.nanos();
        self.budget.lock().withdraw(now)
    }

    /// How many retries are left.
    pub fn balance(&self) -> u64 {
        let now = self.timer.nanos();
        self.budget.lock().balance(now)
    }
}

impl fmt::Debug for SharedBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBudget").field("balance", &self.balance()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    proptest! {
        #[test]
        fn it_gives_exactly_what_a_list_of_calls_and_retries_says(
            ratio in 0_u32..10,
            per_second in 0_u32..4,
            steps in proptest::collection::vec((0_u8..4, 0_u64..150), 1..300),
        ) {
            let clock = VirtualClock::new();
            let start = clock.now();
            let options = BudgetOptions { ratio: f64::from(ratio) / 8.0, per_second, window: 1000 * MS };
            let mut budget = Budget::new(options, start);
            let (mut calls, mut retries): (Vec<u128>, Vec<u128>) = Default::default();
            let bucket = |now: std::time::Instant| (now - start).as_millis() / 100;
            for (step, ms) in steps {
                let now = clock.now();
                let alive = |list: &[u128]| list.iter().filter(|&&at| at + 10 > bucket(now)).count() as f64;
                let most = options.ratio * alive(&calls) + f64::from(per_second);
                match step {
                    0 | 1 => {
                        budget.deposit(now);
                        calls.push(bucket(now));
                    }
                    2 => {
                        let given = alive(&retries) + 1.0 <= most;
                        prop_assert_eq!(budget.withdraw(now), given);
                        retries.extend(given.then_some(bucket(now)));
                    }
                    _ => clock.advance(ms as u32 * MS),
                }
            }
            let seconds = (clock.now() - start).as_secs_f64();
            let most = options.ratio * calls.len() as f64 + f64::from(per_second) * (seconds + 1.0);
            prop_assert!(retries.len() as f64 <= most);
        }
    }
}
