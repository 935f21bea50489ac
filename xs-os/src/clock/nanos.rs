//! A monotonic moment as one number.

use std::ops::{Add, AddAssign, Sub};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::system;

/// A monotonic moment, in nanoseconds since one that is the same for all clocks of a process: what an [`Instant`] says, as one
/// number. It has room for 146 years back and 438 ahead, and where a sum would leave that room it stays at its end.
///
/// An `Instant` is seconds and nanoseconds. Each reading is split into the two, and each difference puts them together again,
/// which is most of what a rate limit has to do. Differences of two of these are one subtraction.
///
/// ```
/// use std::time::Duration;
/// use xs_os::{Clock, Nanos, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let before = clock.nanos();
/// clock.advance(Duration::from_millis(1));
/// assert_eq!(clock.nanos().since(before), 1_000_000);
/// assert_eq!(before.since(clock.nanos()), 0);
/// assert_eq!(clock.nanos(), Nanos::from(clock.now()));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(u64);

impl Nanos {
    /// The moment that all are counted from: before everything that a clock reads.
    pub const ZERO: Nanos = Nanos(0);

    /// A moment by its number.
    #[inline]
    pub const fn new(nanos: u64) -> Self {
        Nanos(nanos)
    }

    /// The number.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How many nanoseconds lie between an earlier moment and this one; none if that is not earlier.
    #[inline]
    pub const fn since(self, earlier: Nanos) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many nanoseconds later.
    #[inline]
    pub const fn later(self, nanos: u64) -> Nanos {
        Nanos(self.0.saturating_add(nanos))
    }

    /// So much later; `None` where the numbers end.
    #[inline]
    pub fn checked_add(self, by: Duration) -> Option<Nanos> {
        let nanos = by.as_secs().checked_mul(SECOND)?.checked_add(by.subsec_nanos().into())?;
        self.0.checked_add(nanos).map(Nanos)
    }
}

const SECOND: u64 = 1_000_000_000;

/// The same moment in both forms, for the life of the process.
#[inline]
fn anchor() -> (Instant, Nanos) {
    static ANCHOR: OnceLock<(Instant, Nanos)> = OnceLock::new();
    *ANCHOR.get_or_init(system::both)
}

#[inline]
fn whole(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(SECOND).saturating_add(duration.subsec_nanos().into())
}

impl From<Instant> for Nanos {
    #[inline]
    fn from(instant: Instant) -> Nanos {
        let (at, nanos) = anchor();
        match instant.checked_duration_since(at) {
            Some(later) => Nanos(nanos.0.saturating_add(whole(later))),
            None => Nanos(nanos.0.saturating_sub(whole(at.saturating_duration_since(instant)))),
        }
    }
}

impl From<Nanos> for Instant {
    /// The platform's instants may end earlier: then the last one that is known for certain to exist.
    fn from(moment: Nanos) -> Instant {
        let (at, nanos) = anchor();
        let there = match moment.0.checked_sub(nanos.0) {
            Some(later) => at.checked_add(Duration::from_nanos(later)),
            None => at.checked_sub(Duration::from_nanos(nanos.0 - moment.0)),
        };
        there.unwrap_or(at)
    }
}

impl Add<Duration> for Nanos {
    type Output = Nanos;

    #[inline]
    fn add(self, by: Duration) -> Nanos {
        self.later(whole(by))
    }
}

impl AddAssign<Duration> for Nanos {
    #[inline]
    fn add_assign(&mut self, by: Duration) {
        *self = *self + by;
    }
}

impl Sub for Nanos {
    type Output = Duration;

    /// What lies between an earlier moment and this one; nothing if that is not earlier.
    #[inline]
    fn sub(self, earlier: Nanos) -> Duration {
        Duration::from_nanos(self.since(earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, VirtualClock};

    #[test]
    fn both_forms_name_the_same_moment() {
        let clock = VirtualClock::new();
        for step in [0, 1, 999_999_999, 1_000_000_000, 3_600_000_000_001] {
            let (instant, nanos) = (clock.now(), clock.nanos());
            clock.advance(Duration::from_nanos(step));
            assert_eq!(clock.nanos().since(nanos), step);
            assert_eq!(clock.nanos() - nanos, clock.now() - instant);
            assert_eq!(Instant::from(clock.nanos()), clock.now());
            assert_eq!(Nanos::from(Instant::from(nanos)), nanos);
        }
        let earlier = clock.now().checked_sub(Duration::from_secs(1)).unwrap();
        assert_eq!(clock.nanos().since(earlier.into()), SECOND);
    }

    #[test]
    fn sums_end_where_the_numbers_do() {
        let last = Nanos::new(u64::MAX);
        assert_eq!(Nanos::ZERO + Duration::MAX, last);
        assert_eq!(last.later(1), last);
        assert_eq!(last.checked_add(Duration::from_nanos(1)), None);
        assert_eq!(Nanos::ZERO.checked_add(Duration::from_nanos(u64::MAX)), Some(last));
        assert_eq!(Nanos::ZERO.checked_add(Duration::MAX), None);
        assert_eq!(last - Nanos::ZERO, Duration::from_nanos(u64::MAX));
        assert_eq!(Nanos::ZERO - last, Duration::ZERO);
        let _ = (Instant::from(last), Instant::from(Nanos::ZERO)); // whatever they are, they are
    }
}
