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
    /// The nanoseconds of 2⁴⁰ ticks: of some minutes, so that what is cut off makes less than a second in a thousand years.
    scale: u64,
    /// The number of the moment at which the counter stood at zero, or would have.
    first: u64,
    /// The same moment as an instant and as a number.
    origin: (Instant, Nanos),
}

/// By how many bits a number of ticks times their scale is more than nanoseconds.
const SHIFT: u32 = 40;

/// Multiplying once is all that this does. `quanta` would look at what kind of counter it is a second time, and shift by a number
/// that is found at run time.
#[inline]
fn nanos_in(ticks: u64, scale: u64) -> u64 {
    ((u128::from(ticks) * u128::from(scale)) >> SHIFT) as u64
}

impl TickClock {
    /// A clock that agrees with the system's at this moment.
    pub fn new() -> Self {
        let ticks = quanta::Clock::new();
        let scale = ticks.delta_as_nanos(0, 1 << SHIFT);
        let (raw, now) = (ticks.raw(), SystemClock.now());
        let origin = (now, Nanos::from(now));
        TickClock { ticks, scale, first: origin.1.get().wrapping_sub(nanos_in(raw, scale)), origin }
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
        Nanos::new(self.first.wrapping_add(nanos_in(self.ticks.raw(), self.scale)))
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
