//! How lately and how often a key was used, in 24 bits beside it.
//!
//! ```text
//!   under an LRU policy:  [ seconds, modulo 2²⁴ (194 days)          ]
//!   under an LFU policy:  [ minutes, modulo 2¹⁶    │ log counter: 8 ]
//! ```
//!
//! Clock and counter are those of [`cache::policy`](crate::cache::policy); this is how they are packed. The layouts are
//! Redis', because `OBJECT IDLETIME` and `OBJECT FREQ` show them. Changing the policy re-reads the bits, as it does there.

use xs_os::Rng;

use crate::cache::policy::{IdleClock, LfuCounter, LfuTuning};

/// What an access record is for, with the two numbers that tune the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tracking {
    /// The second of the last use.
    Recency,
    /// A logarithmic counter of uses that decays.
    Frequency {
        /// `lfu-log-factor`: how much harder every next step of the counter is. 10 saturates at about a million uses.
        log_factor: u32,
        /// `lfu-decay-time`: minutes without use that cost one step; 0 for never.
        decay_minutes: u32,
    },
}

const MINUTES: u64 = (1 << 16) - 1;

fn counted(count: LfuCounter, now_ms: u64) -> u32 {
    ((now_ms / 60_000) & MINUTES) as u32 * 256 + u32::from(count.0)
}

/// The record of a new key.
#[inline]
pub(super) fn fresh(tracking: Tracking, now_ms: u64) -> u32 {
    match tracking {
        Tracking::Recency => IdleClock::at(now_ms).bits(),
        Tracking::Frequency { .. } => counted(LfuCounter::START, now_ms),
    }
}

/// The record after one more use.
#[inline]
pub(super) fn used(record: u32, tracking: Tracking, now_ms: u64, rng: &mut Rng) -> u32 {
    match tracking {
        Tracking::Recency => IdleClock::at(now_ms).bits(),
        Tracking::Frequency { log_factor, decay_minutes } => {
            let tuning = LfuTuning { log_factor, decay_minutes };
            counted(LfuCounter(frequency(record, decay_minutes, now_ms)).used(tuning, rng), now_ms)
        }
    }
}

/// Milliseconds since the last use, in steps of a second; only while recency is tracked.
pub(super) fn idle_ms(record: u32, now_ms: u64) -> u64 {
    IdleClock::from_bits(record).idle_ms(now_ms)
}

/// The counter after its decay; only while frequency is tracked.
pub(super) fn frequency(record: u32, decay_minutes: u32, now_ms: u64) -> u8 {
    let passed = (now_ms / 60_000).wrapping_sub(u64::from(record) >> 8) & MINUTES;
    LfuCounter(record as u8).idle(passed, LfuTuning { decay_minutes, ..LfuTuning::default() }).0
}

/// How good a victim a key with this record is.
pub(super) fn score(record: u32, tracking: Tracking, now_ms: u64) -> u64 {
    match tracking {
        Tracking::Recency => idle_ms(record, now_ms),
        Tracking::Frequency { decay_minutes, .. } => LfuCounter(frequency(record, decay_minutes, now_ms)).score(),
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    const LFU: Tracking = Tracking::Frequency { log_factor: 10, decay_minutes: 1 };

    #[test]
    fn idle_time_counts_seconds_across_the_wrap() {
        let start = 0xFF_FFFF * 1000 + 500; // the last second before the clock wraps
        let record = fresh(Tracking::Recency, start);
        assert_eq!([0, 499, 500, 10_000].map(|later| idle_ms(record, start + later)), [0, 0, 1000, 10_000]);
    }

    #[test]
    fn the_counter_grows_with_the_logarithm_of_uses_and_decays() {
        let mut rng = Rng::from_seed(4);
        let mut record = fresh(LFU, 0);
        let mut after = Vec::new();
        for uses in 1..=100_000 {
            record = used(record, LFU, 0, &mut rng);
            if [100, 1000, 100_000].contains(&uses) {
                after.push(frequency(record, 1, 0));
            }
        }
        // Redis documents 10, 18 and 142 for this factor.
        assert!(
            (8..=13).contains(&after[0]) && (15..=24).contains(&after[1]) && (125..=160).contains(&after[2]),
            "{after:?}"
        );
        assert_eq!(frequency(record, 1, 5 * 60_000), after[2] - 5);
        assert_eq!(frequency(record, 0, 500 * 60_000), after[2]);
        assert_eq!(frequency(record, 1, 500 * 60_000), 0);
    }
}
