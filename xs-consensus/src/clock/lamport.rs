//! A number that grows along with what happened before what.

/// Lamport's clock: it counts events, and is ahead of everything that it has heard of.
///
/// Two events of different machines can have the same number; whoever needs a total order puts the machine behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lamport {
    time: u64,
    leap: u64,
}

/// Why a number was not taken or given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LamportError {
    /// A message's number is further ahead than this clock follows at once: its sender is broken or lies.
    #[error("the number {heard} is more than {leap} ahead of {time}: its sender is not to be believed")]
    TooFarAhead {
        /// The number of the message.
        heard: u64,
        /// This clock's.
        time: u64,
        /// How far it follows at once.
        leap: u64,
    },
    /// There is no larger number. It takes 2⁶⁴ events, or messages that the bound should have refused.
    #[error("the numbers are used up")]
    UsedUp,
}

impl Lamport {
    /// A clock at 0 that follows a message at most so far at once: without a bound, one bad message ends the numbers.
    pub fn new(leap: u64) -> Self {
        Self::resume(0, leap)
    }

    /// A clock that goes on behind a number, which was kept over a restart.
    pub fn resume(time: u64, leap: u64) -> Self {
        Lamport { time, leap }
    }

    /// The number of the last event.
    pub fn time(&self) -> u64 {
        self.time
    }

    /// An event of this machine, sending a message among them: its number.
    pub fn tick(&mut self) -> Result<u64, LamportError> {
        self.time = self.time.checked_add(1).ok_or(LamportError::UsedUp)?;
        Ok(self.time)
    }

    /// The receipt of a message: the number of this event, larger than the message's.
    pub fn observe(&mut self, heard: u64) -> Result<u64, LamportError> {
        if heard > self.time.saturating_add(self.leap) {
            return Err(LamportError::TooFarAhead { heard, time: self.time, leap: self.leap });
        }
        let time = self.time.max(heard).checked_add(1).ok_or(LamportError::UsedUp)?;
        self.time = time;
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ahead_of_all_that_it_heard() {
        let mut clock = Lamport::new(100);
        assert_eq!(clock.tick(), Ok(1));
        assert_eq!(clock.observe(40), Ok(41));
        assert_eq!(clock.observe(7), Ok(42));
        assert_eq!(clock.time(), 42);
    }

    #[test]
    fn a_number_too_far_ahead_changes_nothing_and_the_last_number_is_the_last() {
        let mut clock = Lamport::new(100);
        assert_eq!(clock.observe(101), Err(LamportError::TooFarAhead { heard: 101, time: 0, leap: 100 }));
        assert_eq!(clock.time(), 0);
        assert_eq!(clock.observe(100), Ok(101));
        let mut end = Lamport::resume(u64::MAX - 1, 100);
        assert_eq!(end.tick(), Ok(u64::MAX));
        assert_eq!(end.tick(), Err(LamportError::UsedUp));
        assert_eq!(end.observe(u64::MAX), Err(LamportError::UsedUp));
        assert_eq!(end.time(), u64::MAX);
    }
}
