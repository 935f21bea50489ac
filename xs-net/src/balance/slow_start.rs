//! Newcomers get their part of the work by and by: caches are cold, code is not compiled yet, pools are empty.

use std::time::Duration;

/// How a newcomer's weight grows to its full size: in a straight line, from a part that is enough to warm up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowStart {
    /// How long it takes; zero: no slow start. Default zero.
    pub window: Duration,
    /// The part it begins with, in percent; 100 at most. Default 10.
    pub from_percent: u8,
}

impl Default for SlowStart {
    fn default() -> Self {
        SlowStart { window: Duration::ZERO, from_percent: 10 }
    }
}

/// What a whole weight counts: weights are in 1/256ths, so that a weight of 1 can start slowly as well.
pub const WHOLE: u64 = 256;

impl SlowStart {
    /// The factor of a member that has been there for `age`, in 1/256ths: between 1 and [`WHOLE`].
    pub fn factor(&self, age: Duration) -> u64 {
        if age >= self.window {
            return WHOLE;
        }
        let least = (WHOLE * u64::from(self.from_percent.min(100)) / 100).max(1);
        let grown = (u128::from(WHOLE) * age.as_nanos() / self.window.as_nanos()) as u64;
        grown.max(least)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn it_grows_in_a_line_from_its_first_part_to_the_whole() {
        let slow = SlowStart { window: Duration::from_secs(64), from_percent: 10 };
        let at = |secs| slow.factor(Duration::from_secs(secs));
        assert_eq!(
            [at(0), at(6), at(7), at(16), at(32), at(63), at(64), at(9999)],
            [25, 25, 28, 64, 128, 252, 256, 256]
        );
        assert_eq!(SlowStart::default().factor(Duration::ZERO), WHOLE);
        assert_eq!(SlowStart { from_percent: 0, ..slow }.factor(Duration::ZERO), 1);
    }
}
