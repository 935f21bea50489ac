//! The processor's counter as a clock.

use std::time::{Duration, Instant, SystemTime};

use super::{Clock, Nanos, SystemClock};

/// The system's clock by the processor's counter of ticks, over `quanta`: a cheaper reading, for what reads the time
/// for each call, such as a limit or a measurement.
///
/// Making the first one of a process takes up to 200 ms, in which it compares ticks with the system's clock. From then on it
/// goes by the ticks alone, at the speed that was found: off by some millionths, so don't compare its readings with those of
/// another clock after hours. Where the counter is not fit for this (it stops or changes its speed with the processor's), each
/// reading asks the system, and all of this is [`SystemClock`].
///
/// The calendar is the system's.
#[derive(Debug, Clone)]
pub struct TickClock {
    ticks: quanta::Clock,
    scale: Scale,
    /// The number of the moment at which the counter stood at zero, or would have.
    first: u64,
    /// The same moment as an instant and as a number.
    origin: (Instant, Nanos),
}

/// Ticks as nanoseconds by one multiplication, of which only the upper half is looked at: the shift that would else follow costs as
/// much again. `quanta` would look at what kind of counter it is a second time, too.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// By so many bits ticks are moved up before, so that what they are multiplied by is below one: by none if a tick is less than
    /// a nanosecond.
    up: u32,
    /// The nanoseconds of 2⁶⁴ ticks that were moved up.
    factor: u64,
}

/// How many ticks the speed is asked for: of some minutes, so that what is cut off makes less than a second in a thousand years.
const MANY: u32 = 40;

impl Scale {
    /// For a counter of which 2⁴⁰ ticks take so many nanoseconds.
    fn new(nanos: u64) -> Scale {
        // Of nanoseconds that each tick has, so many bits stand before the point.
        let up = (u64::BITS - nanos.leading_zeros()).saturating_sub(MANY);
        Scale { up, factor: nanos << (u64::BITS - MANY - up.min(u64::BITS - MANY)) }
    }

    #[inline]
    fn nanos(self, ticks: u64) -> u64 {
        ((u128::from(ticks << (self.up % u64::BITS)) * u128::from(self.factor)) >> u64::BITS) as u64
    }
}

impl TickClock {
    /// A clock that agrees with the system's at this moment.
    pub fn new() -> Self {
        let ticks = quanta::Clock::new();
        let scale = Scale::new(ticks.delta_as_nanos(0, 1 << MANY));
        let (raw, now) = (ticks.raw(), SystemClock.now());
        let origin = (now, Nanos::from(now));
        TickClock { ticks, scale, first: origin.1.get().wrapping_sub(scale.nanos(raw)), origin }
    }
}

impl Default for TickClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for TickClock {
    #[inline]
    fn now(&self) -> Instant {
        let (instant, nanos) = self.origin;
        instant + Duration::from_nanos(self.nanos().since(nanos))
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }

    #[inline]
    fn nanos(&self) -> Nanos {
        Nanos::new(self.first.wrapping_add(self.scale.nanos(self.ticks.raw())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_of_any_length_are_nanoseconds() {
        let week = 7 * 24 * 3600;
        // Per second: a slow counter, one of nanoseconds as where the system is asked, and those of processors.
        for speed in
            [1_000_000, 24_000_000, 999_999_999, 1_000_000_000, 1_000_000_001, 2_900_000_000, 5_700_000_000_u64]
        {
            let scale = Scale::new(((1_000_000_000_u128 << MANY) / u128::from(speed)) as u64);
            for seconds in [0, 1, 60, week, 100 * 52 * week] {
                let (nanos, exact) = (scale.nanos(seconds * speed), seconds * 1_000_000_000);
                // Cut off after the fortieth bit behind the point.
                assert!(
                    nanos <= exact && exact - nanos <= 1 + ((seconds * speed) >> MANY),
                    "{speed}, {seconds}: {nanos}"
                );
            }
        }
        assert_eq!(Scale::new(1 << MANY).nanos(u64::MAX >> 1), u64::MAX >> 1);
    }

    #[test]
    fn it_agrees_with_the_systems_clock_and_never_goes_back() {
        // Between two readings of the other clock, so that whoever takes the processor away in between does no harm.
        let read = |clock: &TickClock| [SystemClock.now(), clock.now(), SystemClock.now()];
        let clock = TickClock::new();
        let [from, began, until] = read(&clock);
        let mut last = began;
        while SystemClock.now() - until < Duration::from_millis(50) {
            let now = clock.now();
            assert!(now >= last, "{now:?} after {last:?}");
            last = now;
        }
        let [after, ended, before] = read(&clock);
        let (least, took, most) = (after - until, ended - began, before - from);
        assert!(least.mul_f64(0.99) <= took && took <= most.mul_f64(1.01), "{took:?}, of {least:?} to {most:?}");
    }
}
