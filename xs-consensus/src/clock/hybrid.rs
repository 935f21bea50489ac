//! A number that is close to the calendar and orders like Lamport's.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A hybrid time in 64 bits: milliseconds since 1970 above, a count below. Later ones are larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

const COUNT_BITS: u32 = 16;

impl Stamp {
    /// The stamp that these 64 bits are: any are one.
    pub fn from_bits(bits: u64) -> Self {
        Stamp(bits)
    }

    /// Its 64 bits, which sort as it does.
    pub fn to_bits(self) -> u64 {
        self.0
    }

    /// Milliseconds since 1970.
    pub fn millis(self) -> u64 {
        self.0 >> COUNT_BITS
    }

    /// The count within the millisecond.
    pub fn count(self) -> u16 {
        self.0 as u16
    }

    /// The time of the calendar that it stands for, to the millisecond.
    pub fn wall(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.millis())
    }

    /// The first stamp of a millisecond; none behind the year 10889, where 48 bits end.
    fn first(wall: SystemTime) -> Option<Stamp> {
        let millis = wall.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        (millis >> (64 - COUNT_BITS) == 0).then_some(Stamp((millis as u64) << COUNT_BITS))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms+{}", self.millis(), self.count())
    }
}

/// Why a stamp was not taken or given. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HybridError {
    /// A message's stamp is too far ahead of this machine's calendar: one of the two calendars is wrong.
    #[error("the stamp {heard} is {ahead:?} ahead of this clock: one of the two clocks is wrong; drop the message")]
    Ahead {
        /// The message's stamp.
        heard: Stamp,
        /// How far it is ahead.
        ahead: Duration,
    },
    /// This machine's calendar was set back by more than the bound: it was wrong before, or is now.
    #[error("this clock is {by:?} behind its last stamp: it was set back; repair it, or wait that long")]
    SetBack {
        /// How far the calendar is behind the last stamp.
        by: Duration,
    },
    /// The calendar shows a time that does not fit into 48 bits of milliseconds.
    #[error("this clock shows a time behind the year 10889: repair it")]
    Calendar,
}

/// A hybrid logical clock. See the [module page](super).
#[derive(Clone, Copy, Debug)]
pub struct Hybrid {
    last: Stamp,
    bound: Duration,
}

impl Hybrid {
    /// A clock whose stamps are at most `bound` ahead of the calendar: choose what no two calendars ever differ by.
    pub fn new(bound: Duration) -> Self {
        Self::resume(Stamp::default(), bound)
    }

    /// A clock that goes on behind a stamp, which was kept over a restart.
    pub fn resume(last: Stamp, bound: Duration) -> Self {
        Hybrid { last, bound }
    }

    /// The last stamp.
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// An event of this machine at a time of its calendar, sending a message among them: its stamp, larger than all
    /// before.
    ///
    /// While the calendar stands still or goes back, the count grows; behind 65,535 the milliseconds do.
    pub fn tick(&mut self, wall: SystemTime) -> Result<Stamp, HybridError> {
        self.advance(wall, self.last)
    }

    /// The receipt of a message: the stamp of this event, larger than the message's and all before.
    pub fn observe(&mut self, wall: SystemTime, heard: Stamp) -> Result<Stamp, HybridError> {
        let ahead = self.ahead(wall, heard)?;
        if ahead > self.bound {
            return Err(HybridError::Ahead { heard, ahead });
        }
        self.advance(wall, self.last.max(heard))
    }

    fn advance(&mut self, wall: SystemTime, floor: Stamp) -> Result<Stamp, HybridError> {
        let now = Stamp::first(wall).ok_or(HybridError::Calendar)?;
        let next = now.max(Stamp(floor.0.saturating_add(1)));
        let by = self.ahead(wall, next)?;
        if by > self.bound {
            return Err(HybridError::SetBack { by });
        }
        self.last = next;
        Ok(next)
    }

    /// How far a stamp is ahead of the calendar, to the millisecond.
    fn ahead(&self, wall: SystemTime, stamp: Stamp) -> Result<Duration, HybridError> {
        let now = Stamp::first(wall).ok_or(HybridError::Calendar)?;
        Ok(Duration::from_millis(stamp.millis().saturating_sub(now.millis())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOUND: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(ms)
    }

    fn stamp(ms: u64, count: u64) -> Stamp {
        Stamp::from_bits((ms << 16) | count)
    }

    /// As in the paper's example, two machines whose calendars are 10 and 0, and a message each way.
    #[test]
    fn it_follows_the_calendar_when_that_moves_and_counts_when_not() {
        let (mut a, mut b) = (Hybrid::new(BOUND), Hybrid::new(BOUND));
        assert_eq!(a.tick(at(10)), Ok(stamp(10, 0)));
        assert_eq!(b.observe(at(1), stamp(10, 0)), Ok(stamp(10, 1)));
        assert_eq!(b.tick(at(2)), Ok(stamp(10, 2)));
        assert_eq!(a.observe(at(10), stamp(10, 2)), Ok(stamp(10, 3)));
        assert_eq!(b.tick(at(11)), Ok(stamp(11, 0)), "the calendar has caught up");
        assert_eq!(stamp(11, 3).to_string(), "11ms+3");
        assert_eq!(stamp(11, 3).wall(), at(11));
    }

    #[test]
    fn who_is_too_far_ahead_is_refused_and_leaves_no_trace() {
        let mut clock = Hybrid::new(BOUND);
        clock.tick(at(1000)).unwrap();
        let heard = stamp(1501, 0);
        assert_eq!(
            clock.observe(at(1000), heard),
            Err(HybridError::Ahead { heard, ahead: Duration::from_millis(501) })
        );
        assert_eq!(clock.last(), stamp(1000, 0));
        assert_eq!(clock.observe(at(1000), stamp(1500, 9)), Ok(stamp(1500, 10)));
        let end = Stamp::from_bits(u64::MAX);
        assert!(matches!(clock.observe(at(1000), end), Err(HybridError::Ahead { .. })));
        assert_eq!(clock.tick(at(1 << 48)), Err(HybridError::Calendar));
    }

    #[test]
    fn a_full_count_goes_into_the_milliseconds() {
        let mut clock = Hybrid::resume(stamp(7, 0xFFFF), BOUND);
        assert_eq!(clock.tick(at(7)), Ok(stamp(8, 0)));
    }

    #[test]
    fn a_calendar_set_back_too_far_gives_no_stamps_until_it_has_caught_up() {
        let mut clock = Hybrid::new(BOUND);
        clock.tick(at(2000)).unwrap();
        assert_eq!(clock.tick(at(1499)), Err(HybridError::SetBack { by: Duration::from_millis(501) }));
        assert_eq!(clock.tick(at(1500)), Ok(stamp(2000, 1)));
        // A clock that was never set is before 1970, which counts as 1970.
        assert!(matches!(clock.tick(UNIX_EPOCH - BOUND), Err(HybridError::SetBack { .. })));
    }

    proptest! {
        /// Whatever the calendars do and whoever hears whom: stamps grow along each machine and each message, and are
        /// never below the calendar nor further ahead than the bound.
        #[test]
        fn stamps_grow_and_stay_close(steps in prop::collection::vec((0_usize..3, 0_usize..3, 0_u64..2000), 1..200)) {
            let mut clocks = [Hybrid::new(BOUND); 3];
            for (one, other, ms) in steps {
                let (before, heard) = (clocks[one].last(), clocks[other].last());
                let made = if one == other { clocks[one].tick(at(ms)) } else { clocks[one].observe(at(ms), heard) };
                match made {
                    Ok(made) => {
                        prop_assert!(made > before && made > heard);
                        prop_assert!(ms <= made.millis() && made.millis() <= ms + 500);
                    }
                    Err(_) => {
                        prop_assert_eq!(clocks[one].last(), before);
                        prop_assert!(before.max(heard).millis() >= ms + 500, "refused without a reason");
                    }
                }
            }
        }
    }
}
