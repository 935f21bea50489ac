//! Values counted by size, with a known error in fixed memory.
//!
//! # The problem
//!
//! A mean says nothing about the call in a hundred that takes a second, and keeping every value to sort them takes memory
//! without bound. Buckets of fixed bounds need to be chosen before anybody knows how long calls take: all calls in one bucket
//! tell nothing.
//!
//! # How it works
//!
//! Slots are linear within a power of two and double from one to the next, so each is narrower than a 32nd of the values in
//! it: whatever the size, a quantile is wrong by less than 3.2 %, and below 64 by nothing.
//!
//! ```text
//!   value  0 1 2 … 31 │ 32 33 … 63 │ 64 66 … 126 │ 128 132 … 252 │ …   up to 2⁴⁵, 1312 slots
//!   width  1          │ 1          │ 2           │ 4             │ doubling, 32 slots each
//! ```
//!
//! The slot of a value is a shift and an addition. [`Histogram`] belongs to one writer; [`AtomicHistogram`] is written by many
//! at once, and its [`snapshot`](AtomicHistogram::snapshot) is a `Histogram`. Two of them add up slot by slot, so
//! threads, windows and processes can count apart and be looked at together.
//!
//! # Invariants
//!
//! - A quantile is never below the true one, and above it by less than a 32nd (`slots`; [`Histogram::quantile`]; a property
//!   test against sorted values).
//! - Memory is fixed: 10.5 KiB, whatever is recorded.
//! - Merging loses nothing: the sum of two histograms is the histogram of all their values (a property test).
//! - A value beyond 2⁴⁵ − 1 counts as that, in its slot and in the sum.
//!
//! # Cost
//!
//! Recording adds to two words of memory: about a nanosecond, and two atomic additions for an [`AtomicHistogram`]. Threads that
//! record the same value write to the same cache line; where that shows, give each its own and merge. A quantile or a
//! merge walks through all slots: a microsecond.
//!
//! # Example
//!
//! ```
//! use xs_net::histogram::AtomicHistogram;
//!
//! let sizes = AtomicHistogram::new();
//! for size in 1..=1000 {
//!     sizes.record(size);
//! }
//! let seen = sizes.snapshot();
//! assert_eq!((seen.count(), seen.sum()), (1000, 500_500));
//! let median = seen.quantile(0.5).unwrap();
//! assert!((500..516).contains(&median));
//! ```
//!
//! # How others do it
//!
//! This is HdrHistogram's layout with a precision fixed at compile time; it keeps two or three decimal digits, for 20 KiB and
//! more. DDSketch takes logarithms instead, which spares the linear part and costs a logarithm for each value. OpenTelemetry's
//! exponential histograms halve their resolution when the range grows beyond 160 buckets. Prometheus' classic ones
//! have a dozen bounds that somebody chose, and their quantiles are interpolated in between.
//!
//! # What this leaves out
//!
//! Negative values and fractions: choose a smaller unit. Forgetting: keep one for each window, as the policy of
//! hedging does. The largest value exactly: `quantile(1.0)` knows it within the error.
//!
//! # Try next
//!
//! Keep 4 bits and 7 instead of 5, and compare memory and error.
//!
//! # Sources
//!
//! G. Tene's HdrHistogram; C. Masson, J. Rim and H. Lee, "DDSketch" (VLDB 2019), for what a relative error is worth.

mod slots;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often each value was seen, for one writer.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    slots: Box<[u64; slots::LEN]>,
    count: u64,
    sum: u64,
}

impl Histogram {
    /// Nothing has been seen.
    pub fn new() -> Self {
        Histogram { slots: Box::new([0; slots::LEN]), count: 0, sum: 0 }
    }

    /// Counts a value. One beyond 2⁴⁵ − 1 counts as that.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.slots[slots::of(value)] += 1;
        self.count += 1;
        self.sum = self.sum.wrapping_add(value.min(slots::LARGEST));
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// What they add up to, modulo 2⁶⁴: in nanoseconds, 584 years of calls.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// How many values are at most `bound`. Those in the slot of `bound` are not among them unless it ends there: so up to
    /// as many are missing as lie within a 32nd below `bound`.
    pub fn at_most(&self, bound: u64) -> u64 {
        let slot = slots::of(bound);
        let whole = slot + usize::from(slots::last(slot) <= bound);
        self.slots[..whole].iter().sum()
    }

    /// The value that the share `quantile` (from 0 to 1) of all does not exceed: at least the true one, and larger by less than
    /// a 32nd. `None` if nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Option<u64> {
        quantile_of(self.slots.iter().copied(), self.count, quantile)
    }

    /// The same, of what this one and another have seen together.
    pub fn quantile_with(&self, other: &Histogram, quantile: f64) -> Option<u64> {
        let both = self.slots.iter().zip(other.slots.iter()).map(|(a, b)| a + b);
        quantile_of(both, self.count + other.count, quantile)
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Histogram) {
        self.slots.iter_mut().zip(other.slots.iter()).for_each(|(a, b)| *a += b);
        self.count += other.count;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        (self.count, self.sum) = (0, 0);
    }
}

fn quantile_of(mut slots: impl Iterator<Item = u64>, count: u64, quantile: f64) -> Option<u64> {
    let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
    let mut seen = 0;
    let slot = slots.position(|here| {
        seen += here;
        seen >= rank
    })?;
    Some(slots::last(slot))
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("count", &self.count).field("sum", &self.sum).finish_non_exhaustive()
    }
}

/// How often each value was seen, for many writers at once.
pub struct AtomicHistogram {
    /// Nothing is published through the slots and the sum: relaxed is enough. A snapshot taken among writers may have a value
    /// in its slot and not yet in the sum.
    slots: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl AtomicHistogram {
    /// Nothing has been seen.
    pub fn new() -> Self {
        AtomicHistogram { slots: (0..slots::LEN).map(|_| AtomicU64::new(0)).collect(), sum: AtomicU64::new(0) }
    }

    /// Counts a value. One beyond 2⁴⁵ − 1 counts as that.
    #[inline]
    pub fn record(&self, value: u64) {
        self.record_many(value, 1);
    }

    /// Counts a value so many times.
    #[inline]
    pub fn record_many(&self, value: u64, times: u64) {
        self.slots[slots::of(value)].fetch_add(times, Ordering::Relaxed);
        self.sum.fetch_add(value.min(slots::LARGEST).wrapping_mul(times), Ordering::Relaxed);
    }

    /// How many values have been counted by now: a sum over all slots.
    pub fn count(&self) -> u64 {
        self.slots.iter().map(|slot| slot.load(Ordering::Relaxed)).sum()
    }

    /// What has been seen by now.
    pub fn snapshot(&self) -> Histogram {
        let mut seen = Histogram::new();
        seen.slots.iter_mut().zip(&self.slots).for_each(|(seen, slot)| *seen = slot.load(Ordering::Relaxed));
        // Of the same slots, so that the last bucket never disagrees with the count.
        seen.count = seen.slots.iter().sum();
        seen.sum = self.sum.load(Ordering::Relaxed);
        seen
    }
}

impl Default for AtomicHistogram {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for AtomicHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A duration as a value: nanoseconds.
#[inline]
pub fn nanos(duration: Duration) -> u64 {
    // Half as long as by way of 128 bits.
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn histogram(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|&value| histogram.record(value));
        histogram
    }

    #[test]
    fn what_does_not_fit_counts_as_the_largest() {
        let histogram = histogram(&[u64::MAX, 1 << 45, (1 << 45) - 1]);
        assert_eq!(histogram.quantile(0.0), Some((1 << 45) - 1));
        assert_eq!(histogram.sum(), 3 * ((1 << 45) - 1));
        assert_eq!((histogram.at_most(u64::MAX), histogram.at_most(1 << 44)), (3, 0));
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }

    #[test]
    fn writers_at_once_lose_nothing() {
        let histogram = AtomicHistogram::new();
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let histogram = &histogram;
                scope.spawn(move || (0..1000).for_each(|n| histogram.record(n * 4 + writer)));
            }
        });
        assert_eq!(histogram.snapshot(), self::histogram(&(0..4000).collect::<Vec<_>>()));
    }

    fn values() -> impl Strategy<Value = Vec<u64>> {
        let value = prop_oneof![0_u64..2_000, 0_u64..10_000_000_000, (0_u32..45).prop_map(|bit| 1 << bit)];
        proptest::collection::vec(value, 0..200)
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_true_one_within_its_error(one in values(), two in values(), quantile in 0.0..=1.0) {
            let told = histogram(&one).quantile_with(&histogram(&two), quantile);
            let mut merged = histogram(&one);
            merged.merge(&histogram(&two));
            prop_assert_eq!(merged.quantile(quantile), told);
            let mut all = [one, two].concat();
            prop_assert_eq!(merged, histogram(&all));
            all.sort_unstable();
            let rank = ((quantile * all.len() as f64).ceil() as usize).max(1);
            let truth = all.get(rank - 1).copied();
            prop_assert_eq!(told.is_some(), truth.is_some());
            if let (Some(told), Some(truth)) = (told, truth) {
                prop_assert!(told >= truth && (told - truth) * 32 < truth.max(1), "{} {}", told, truth);
            }
        }

        #[test]
        fn what_is_at_most_a_bound_is_short_by_what_lies_just_below_it(all in values(), bound in 0_u64..20_000_000_000) {
            let told = histogram(&all).at_most(bound);
            let count = |bound: u64| all.iter().filter(|&&value| value <= bound).count() as u64;
            prop_assert!(told <= count(bound) && told >= count(bound - bound / 32), "{} at most {}", told, bound);
        }
    }
}
