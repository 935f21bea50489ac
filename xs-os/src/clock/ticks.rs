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
    /// The same moment, as ticks, as an instant and as a number.
    origin: (u64, Instant, Nanos),
}

impl TickClock {
    /// A clock that agrees with the system's at this moment.
    pub fn new() -> Self {
        let ticks = quanta::Clock::new();
        let (raw, now) = (ticks.raw(), SystemClock.now());
        let origin = (raw, now, now.into());
        TickClock { ticks, origin }
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
        let (ticks, instant, _) = self.origin;
        instant + Duration::from_nanos(self.ticks.delta_as_nanos(ticks, self.ticks.raw()))
    }

    fn wall(&self) -> SystemTime {
        SystemClock.wall()
    }

    #[inline]
    fn nanos(&self) -> Nanos {
        let (ticks, _, nanos) = self.origin;
        nanos.later(self.ticks.delta_as_nanos(ticks, self.ticks.raw()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
