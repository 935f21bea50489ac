//! Durations counted by size with a known error: [`Histogram`].

use std::time::Duration;

/// Bits of a duration's leading digits that are kept.
const BITS: u32 = 5;
/// Slots for each power of two.
const SLOTS: u64 = 1 << BITS;
/// The largest duration that is told apart: 2³⁶ µs, 19 hours.
const LARGEST: u64 = (1 << 36) - 1;
const LEN: usize = 1024;

/// How often each duration was seen, in slots whose width is at most a 32nd of their value. Microseconds; 4 KiB.
///
/// ```text
///   µs     0 1 2 … 31 │ 32 33 … 63 │ 64 66 … 126 │ 128 132 … 252 │ …
///   width  1          │ 1          │ 2           │ 4             │ doubling, 32 slots each
/// ```
#[derive(Clone)]
pub struct Histogram {
    slots: Box<[u32; LEN]>,
    count: u64,
}

impl Histogram {
    /// Nothing has been seen.
    pub fn new() -> Self {
        Histogram { slots: Box::new([0; LEN]), count: 0 }
    }

    /// Counts a duration. One of more than 19 hours counts as that.
    pub fn record(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(LARGEST).min(LARGEST);
        let slot = &mut self.slots[slot(micros)];
        *slot = slot.saturating_add(1);
        self.count += 1;
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.slots.fill(0);
        self.count = 0;
    }

    /// The duration that the share `quantile` (from 0 to 1) of what both have seen does not exceed: at least the true one,
    /// and larger by less than a 32nd and a microsecond. `None` if they have seen nothing.
    pub fn quantile_with(&self, other: &Histogram, quantile: f64) -> Option<Duration> {
        let count = self.count + other.count;
        let rank = ((quantile * count as f64).ceil() as u64).clamp(1, count.max(1));
        let mut seen = 0;
        let both = self.slots.iter().zip(other.slots.iter());
        let slot = both.map(|(a, b)| u64::from(*a) + u64::from(*b)).position(|here| {
            seen += here;
            seen >= rank
        })?;
        Some(Duration::from_micros(last_of(slot)))
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram").field("count", &self.count).finish_non_exhaustive()
    }
}

fn slot(micros: u64) -> usize {
    if micros < SLOTS {
        return micros as usize;
    }
    let shift = micros.ilog2() - BITS;
    (u64::from(shift) * SLOTS + (micros >> shift)) as usize
}

/// The largest duration of a slot.
fn last_of(slot: usize) -> u64 {
    let slot = slot as u64;
    if slot < SLOTS {
        return slot;
    }
    let shift = slot / SLOTS - 1;
    ((slot - shift * SLOTS + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slots_follow_each_other_without_gaps_and_the_last_one_fits() {
        for slot in 0..LEN - 1 {
            assert_eq!(super::slot(last_of(slot)), slot);
            assert_eq!(super::slot(last_of(slot) + 1), slot + 1);
        }
        assert_eq!(super::slot(LARGEST), LEN - 1);
    }

    proptest! {
        #[test]
        fn a_quantile_is_the_true_one_within_its_error(
            one in proptest::collection::vec(0_u64..10_000_000, 0..200),
            two in proptest::collection::vec(0_u64..2_000, 0..200),
            quantile in 0.0..=1.0,
        ) {
            let histogram = |values: &[u64]| {
                let mut histogram = Histogram::new();
                values.iter().for_each(|&micros| histogram.record(Duration::from_micros(micros)));
                histogram
            };
            let told = histogram(&one).quantile_with(&histogram(&two), quantile);
            let mut all = [one, two].concat();
            all.sort_unstable();
            let rank = ((quantile * all.len() as f64).ceil() as usize).max(1);
            let truth = all.get(rank - 1).map(|&micros| Duration::from_micros(micros));
            prop_assert_eq!(told.is_some(), truth.is_some());
            if let (Some(told), Some(truth)) = (told, truth) {
                prop_assert!(told >= truth && told <= truth + truth / 32 + Duration::from_micros(1), "{:?} {:?}", told, truth);
            }
        }
    }
}
