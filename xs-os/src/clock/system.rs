//! The operating system's clock, and how it is read as one number.

use std::time::{Instant, SystemTime};

use super::{Clock, Nanos};

/// The operating system's clock.
///
/// On Linux [`nanos`](Clock::nanos) asks for the monotonic time by itself instead of taking an `Instant` apart, which would cost
/// as much again. The two forms are compared once in a process, and may disagree by some nanoseconds from then on, always by
/// the same.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    // This is the one place where the time may be read from the air.
    #[allow(clippy::disallowed_methods)]
    #[inline]
    fn now(&self) -> Instant {
        Instant::now()
    }

    #[allow(clippy::disallowed_methods)]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[cfg(target_os = "linux")]
    #[inline]
    fn nanos(&self) -> Nanos {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // Since the machine was started, which is never before and never more than a lifetime ago.
        let nanos = (time.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as u64);
        Nanos::new(FIRST.wrapping_add(nanos))
    }
}

/// Where the numbers of the system's clock begin: a quarter into what there is, so that there are earlier ones.
const FIRST: u64 = 1 << 62;

/// The same moment in both forms.
#[cfg(target_os = "linux")]
#[cold]
pub(super) fn both() -> (Instant, Nanos) {
    // Nobody can read both at once. Of some attempts the one that was least disturbed is off by the least.
    let attempt = |_| {
        let (before, now, after) = (SystemClock.nanos(), SystemClock.now(), SystemClock.nanos());
        (after.since(before), now, before)
    };
    let (around, now, before) = (0..16).map(attempt).min_by_key(|attempt| attempt.0).unwrap_or_else(|| attempt(0));
    (now, before.later(around / 2))
}

/// The same moment in both forms.
#[cfg(not(target_os = "linux"))]
#[cold]
pub(super) fn both() -> (Instant, Nanos) {
    (SystemClock.now(), Nanos::new(FIRST))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// By how many nanoseconds a reading in one form lies outside of two in the other around it. Whoever takes the processor away
    /// in between does no harm.
    fn apart() -> u64 {
        let [before, now, after] = [SystemClock.nanos(), SystemClock.now().into(), SystemClock.nanos()];
        assert!(before <= after, "{before:?}, then {after:?}");
        now.since(after).max(before.since(now))
    }

    #[test]
    fn it_tells_the_same_time_in_both_forms_and_goes_on_to() {
        let began = SystemClock.now();
        while SystemClock.now() - began < Duration::from_millis(50) {
            let apart = apart();
            assert!(apart < 1000, "{apart} ns apart");
        }
    }
}
