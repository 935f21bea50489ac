//! Whether a queue stands, told from how long requests have waited in it: [`Codel`].

use std::time::{Duration, Instant};

/// What is too long, and for how long it must be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodelOptions {
    /// A wait that is fine. Default 5 ms.
    pub target: Duration,
    /// If nobody has waited for less than the target for so long, the queue stands. Default 100 ms.
    pub interval: Duration,
}

impl Default for CodelOptions {
    fn default() -> Self {
        CodelOptions { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }
}

/// Controlled delay for requests, as a pure policy. See the [module page](super).
#[derive(Debug, Clone)]
pub struct Codel {
    options: CodelOptions,
    /// The interval under way: its end, and the shortest wait in it.
    under_way: Option<(Instant, Duration)>,
    /// Whether the last interval's shortest wait was above the target.
    stands: bool,
}

impl Codel {
    /// Nothing has been seen yet.
    pub fn new(options: CodelOptions) -> Self {
        Codel { options, under_way: None, stands: false }
    }

    /// Whether a request that has waited for so long is to be served.
    pub fn admits(&mut self, waited: Duration, now: Instant) -> bool {
        match &mut self.under_way {
            Some((end, shortest)) if now < *end => *shortest = waited.min(*shortest),
            under_way => {
                let interval = self.options.interval;
                // If a whole interval has passed since, nobody came in it: that queue is empty.
                let last = under_way.filter(|(end, _)| now.saturating_duration_since(*end) < interval);
                self.stands = last.is_some_and(|(_, shortest)| shortest > self.options.target);
                *under_way = now.checked_add(interval).map(|end| (end, waited));
            }
        }
        !self.stands || waited <= self.options.target.saturating_mul(2)
    }

    /// Whether the queue stood in the last interval.
    pub fn stands(&self) -> bool {
        self.stands
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use xs_os::{Clock, Rng, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    /// One server that takes 1 ms a request, and a queue; requests come at `load` a millisecond for three seconds.
    /// Gives the longest wait of a request that was served in the last two, and how many were refused in all.
    fn queue(load: f64, codel: Option<CodelOptions>, seed: u64) -> (Duration, u32) {
        let clock = VirtualClock::new();
        let start = clock.now();
        let mut codel = codel.map(Codel::new);
        let mut rng = Rng::from_seed(seed);
        let mut waiting = VecDeque::new();
        let (mut longest, mut refused) = (Duration::ZERO, 0);
        for ms in 0..3000 {
            // Up to eight at once, with the right mean.
            (0..8).for_each(|_| waiting.extend(rng.chance(load / 8.0).then_some(clock.now())));
            while let Some(came) = waiting.pop_front() {
                let waited = clock.now() - came;
                if codel.as_mut().is_none_or(|codel| codel.admits(waited, clock.now())) {
                    longest = longest.max(if ms > 1000 { waited } else { Duration::ZERO });
                    break; // this millisecond is spent
                }
                refused += 1;
            }
            clock.advance(MS);
        }
        assert_eq!(clock.now() - start, 3000 * MS);
        (longest, refused)
    }

    #[test]
    fn what_is_served_under_overload_is_served_in_time() {
        let seed = 7;
        let (without, _) = queue(1.5, None, seed);
        let (with, refused) = queue(1.5, Some(CodelOptions::default()), seed);
        // A third of what comes is too much: 1,500 of 4,500; and each interval in which it drained lets a queue grow again.
        assert!(without > 800 * MS, "{without:?}, seed {seed}");
        assert!(with <= 60 * MS, "{with:?}, seed {seed}");
        assert!((1_300..1_600).contains(&refused), "{refused}, seed {seed}");
    }

    #[test]
    fn nobody_is_refused_while_the_server_keeps_up() {
        for seed in 0..20 {
            assert_eq!(queue(0.8, Some(CodelOptions::default()), seed).1, 0, "seed {seed}");
        }
    }

    #[test]
    fn a_quiet_interval_forgives() {
        let clock = VirtualClock::new();
        let mut codel = Codel::new(CodelOptions::default());
        codel.admits(50 * MS, clock.now());
        clock.advance(100 * MS);
        assert!(!codel.admits(50 * MS, clock.now()) && codel.stands());
        assert!(codel.admits(10 * MS, clock.now()));
        clock.advance(200 * MS);
        assert!(codel.admits(50 * MS, clock.now()) && !codel.stands());
    }
}
