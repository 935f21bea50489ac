//! Passive health: who fails more than the others is left alone for a while.
//!
//! Two signs: so many failures in a row, seen at once; and a success rate that stands out from the others', looked at
//! every interval. The first finds what is down, the second what is bad. A term grows with each time, and at most a part of
//! all members is ever out: when half of them fail, it is not they who are the outliers.

use std::time::Duration;

/// When a member is left out, and for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct OutlierOptions {
    /// So many failures in a row are enough. Zero: they never are. Default 5.
    pub failures_in_a_row: u32,
    /// How often success rates are compared. Default 10 s.
    pub interval: Duration,
    /// Rates are compared if at least so many members have the volume. Default 5.
    pub minimum_members: usize,
    /// A member's rate counts if it was called so often in the interval. Default 100.
    pub minimum_volume: u32,
    /// Who is below the mean by so many standard deviations stands out. Zero or less: nobody does. Default 1.9.
    pub deviations: f64,
    /// The first term. The second is twice as long, the third three times. Default 30 s.
    pub term: Duration,
    /// No term is longer. Default 300 s.
    pub longest_term: Duration,
    /// At most so many percent of the members are out at once, rounded down. Default 34: one of three, but not of two.
    pub most_percent: u8,
}

impl Default for OutlierOptions {
    fn default() -> Self {
        OutlierOptions {
            failures_in_a_row: 5,
            interval: Duration::from_secs(10),
            minimum_members: 5,
            minimum_volume: 100,
            deviations: 1.9,
            term: Duration::from_secs(30),
            longest_term: Duration::from_secs(300),
            most_percent: 34,
        }
    }
}

impl OutlierOptions {
    /// How long a member is out that was out so many times before.
    pub fn term_after(&self, times: u32) -> Duration {
        self.term.saturating_mul(times.saturating_add(1)).min(self.longest_term)
    }

    /// How many of so many members may be out at once.
    pub fn most_of(&self, members: usize) -> usize {
        members * usize::from(self.most_percent.min(100)) / 100
    }

    /// The success rate below which a member stands out; `None` if there is nothing to compare. Takes `(successes,
    /// failures)` of each member.
    pub fn floor(&self, tallies: impl Iterator<Item = (u32, u32)> + Clone) -> Option<f64> {
        let rates = tallies.filter_map(|tally| self.rate(tally));
        let count = rates.clone().count();
        if self.deviations <= 0.0 || count < self.minimum_members.max(2) {
            return None;
        }
        let mean = rates.clone().sum::<f64>() / count as f64;
        let variance = rates.map(|rate| (rate - mean).powi(2)).sum::<f64>() / count as f64;
        Some(mean - self.deviations * variance.sqrt())
    }

    /// The success rate, if it says anything.
    pub fn rate(&self, (successes, failures): (u32, u32)) -> Option<f64> {
        let volume = u64::from(successes) + u64::from(failures);
        (volume >= u64::from(self.minimum_volume.max(1))).then(|| f64::from(successes) / volume as f64)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_stands_out_is_found_and_who_is_merely_unlucky_is_not() {
        let options = OutlierOptions::default();
        let mut tallies = vec![(990, 10); 9];
        tallies.push((700, 300));
        let floor = options.floor(tallies.iter().copied()).unwrap();
        // mean 0.961, deviation 0.087
        assert!((floor - (0.961 - 1.9 * 0.087)).abs() < 1e-9, "{floor}");
        assert!(options.rate((700, 300)).unwrap() < floor && options.rate((990, 10)).unwrap() > floor);
        // When all are equally bad, nobody stands out.
        let floor = options.floor([(500, 500); 10].into_iter()).unwrap();
        assert!(options.rate((500, 500)).unwrap() >= floor);
    }

    #[test]
    fn little_volume_or_few_members_say_nothing() {
        let options = OutlierOptions::default();
        assert_eq!(options.floor([(100, 0), (100, 0), (100, 0), (0, 100)].into_iter()), None);
        assert_eq!(options.floor([(100, 0), (100, 0), (100, 0), (0, 100), (0, 99)].into_iter()), None);
        assert_eq!(options.rate((0, 99)), None);
        assert_eq!(OutlierOptions { minimum_volume: 0, ..options }.rate((0, 0)), None);
    }

    #[test]
    fn terms_grow_to_the_longest() {
        let options = OutlierOptions::default();
        let terms: Vec<u64> = [0, 1, 2, 9, 10, u32::MAX].map(|times| options.term_after(times).as_secs()).into();
        assert_eq!(terms, [30, 60, 90, 300, 300, 300]);
    }

    #[test]
    fn the_part_is_rounded_down() {
        let options = OutlierOptions::default();
        assert_eq!([0, 1, 2, 3, 5, 6, 100].map(|members| options.most_of(members)), [0, 0, 0, 1, 1, 2, 34]);
        assert_eq!(OutlierOptions { most_percent: 255, ..options }.most_of(3), 3);
    }
}
