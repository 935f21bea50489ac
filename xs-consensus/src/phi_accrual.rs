//! How much a silence means: a failure detector that learns the rhythm of heartbeats, and answers with a number.
//!
//! # The problem
//!
//! A machine that is silent has crashed, or is slow, or the network is. A fixed timeout decides by a constant that
//! somebody guessed for one network on one day: too short, and a live machine is thrown out; too long, and a dead one is
//! waited for. And it decides once for all users, although the one who only prefers another replica can afford an error that
//! the one who moves a terabyte can't.
//!
//! # How it works
//!
//! The detector watches the times between heartbeats, and keeps the mean μ and the deviation σ of the last so many. Asked
//! during a silence of length t, it says how unlikely it is that a heartbeat still comes:
//!
//! ```text
//!    φ(t) = -log₁₀ P(a heartbeat comes later than t)        φ = 1: one silence in 10 of this length is none of a crash
//!                                                           φ = 8: one in 100,000,000
//!       ▲ φ                      ╱
//!     8 ┤- - - - - - - - - - - -╱- - -  "it has crashed"          the user draws the lines,
//!       │                     ╱                                   not the detector
//!     1 ┤- - - - - - - - - _╱ - - - -   "ask another one first"
//!       └────┴────┴────┴─╯─┴─────────▶ silence
//!           μ-σ   μ   μ+σ                 the last heartbeat was at 0
//! ```
//!
//! [`Model::Normal`] is the paper's: the tail of a normal distribution. [`Model::Exponential`] is Cassandra's: it knows the
//! mean only, and φ is a straight line. [`PhiAccrual::deadline`] turns the curve round: when φ will have reached a line, if
//! nothing comes. A driver sets one timer instead of asking again and again.
//!
//! # Invariants
//!
//! - φ never falls during a silence, is never negative and never NaN; it is finite as long as the silence is (`tail`, which
//!   works with the logarithm where the probability itself would be 0).
//! - Mean and deviation are those of the window exactly: sums of integers, in which nothing accumulates (`learn`).
//! - `suspects` and `deadline` agree to the nanosecond: the deadline is the first instant at which it suspects.
//! - The same heartbeats give the same φ on every machine: logarithms come from a library in Rust, not from the system's.
//!
//! # Cost
//!
//! Eight bytes for each interval in the window. A heartbeat is a few additions; φ is one `erfc` and one logarithm, some tens of
//! nanoseconds; a deadline is fifty of them.
//!
//! What it is worth beside a fixed timeout, in the simulator (`cargo test -p xs-consensus --test membership detectors --
//! --nocapture`): heartbeats every 100 ms on a calm network (1 to 5 ms) and on a stormy one (20 ms and 60 ms of exponential wait
//! behind them, 2 % lost). A timeout that is quick in the calm is always wrong in the storm, and one for the storm is slow in the calm.
//!
//! ```text
//!                       calm: errors an hour, noticed after       stormy: errors an hour, noticed after
//!   timeout 115 ms              0        61 ms                          13,116       247 ms
//!   timeout 400 ms              0       346 ms                               8       532 ms
//!   timeout 800 ms              0       746 ms                               0       932 ms
//!   φ = 3, normal               0        52 ms                             200       421 ms
//!   φ = 8, normal               0        57 ms                               2       573 ms
//!   φ = 12, normal              0        60 ms                               0       659 ms
//!   φ = 3, exponential          0       637 ms                               0       837 ms
//! ```
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//! use xs_consensus::phi_accrual::{Options, PhiAccrual};
//! use xs_os::{Clock, VirtualClock};
//!
//! let clock = VirtualClock::new();
//! let mut detector = PhiAccrual::new(Options { acceptable_pause: Duration::ZERO, ..Options::default() }).unwrap();
//! for n in 0..100 {
//!     detector.heartbeat(clock.now());
//!     clock.advance(Duration::from_millis(1000 + n % 3 * 100));     // 1.1 s, more or less
//! }
//! detector.heartbeat(clock.now());
//! clock.advance(Duration::from_millis(1100));
//! assert!(detector.phi(clock.now()) < 1.0);
//! clock.advance(Duration::from_millis(900));
//! assert!(detector.suspects(clock.now(), 8.0));
//! assert!(detector.deadline(8.0).unwrap() <= clock.now());
//! ```
//!
//! # How others do it
//!
//! **Akka** takes the normal model, with a logistic function for its tail: five deviations out it says φ = 7.3 where the tail's
//! is 6.5, and some twenty-two out it is infinite. Its defaults: threshold 8 (12 in a cloud), the last 1000 intervals, a
//! deviation of at least 100 ms, and a *pause* of 3 s that is added to the mean: what a collection of garbage may take. It begins
//! with a guess of the first interval. **Cassandra** measures the mean alone and takes φ = t/μ · log₁₀e, so threshold 8 is 18.4
//! means of silence whatever the jitter; intervals of more than 2 s are not learnt, and a node that was itself stopped for more
//! than 5 s believes nobody dead for a while. Both are [`Options`] here: the pause, the least deviation and the longest interval.
//! **Hazelcast** took Akka's over.
//!
//! # What this leaves out
//!
//! Who sends heartbeats to whom, and what is done about a suspicion: [`swim`](crate::swim) decides both in its own way. The
//! watcher's own pauses: whoever drives this should see that its timers are late, and not ask before it has read what has
//! arrived. Distributions that are learnt whole, as a histogram (Satzger 2007).
//!
//! # Try next
//!
//! Let heartbeats get lost, and watch the deviation: the window then holds two humps, at one and at two intervals, and no normal
//! distribution has two. How much do the two models differ in what they call unlikely?
//!
//! # Sources
//!
//! N. Hayashibara, X. Défago, R. Yared and T. Katayama, "The φ Accrual Failure Detector" (SRDS 2004); B. Satzger et al., "A New
//! Adaptive Accrual Failure Detector for Dependable Distributed Systems" (SAC 2007); Akka's `PhiAccrualFailureDetector` and
//! Cassandra's `FailureDetector`, for their constants.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The most intervals that a window may hold: as many squares of 13 days fit into the sums.
pub const MAX_WINDOW: usize = 4096;

/// Longer intervals count as this long: 13 days.
const LONGEST: u64 = 1 << 50;

/// What heartbeats are thought to be like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Model {
    /// Intervals are spread about their mean (Hayashibara, Akka).
    #[default]
    Normal,
    /// The next heartbeat is as likely at any time, however long the silence (Cassandra). The deviation doesn't matter.
    Exponential,
}

/// How a detector is to judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The model. Normal by default.
    pub model: Model,
    /// How many intervals are remembered. 1000 by default, [`MAX_WINDOW`] at most.
    pub window: usize,
    /// The interval that is expected before any was seen, with a quarter of it as its deviation. 1 s by default.
    pub first_interval: Duration,
    /// Deviations count as at least this much, so that perfect regularity doesn't make a hair's breadth a crash. 100 ms by
    /// default; more than zero.
    pub least_deviation: Duration,
    /// Added to the mean: what a heartbeat may be late without meaning anything. 3 s by default, as Akka has it.
    pub acceptable_pause: Duration,
    /// Intervals that were longer are not learnt: the machine was down, which says nothing about its rhythm. None, the
    /// default, learns all.
    pub longest_interval: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            model: Model::Normal,
            window: 1000,
            first_interval: Duration::from_secs(1),
            least_deviation: Duration::from_millis(100),
            acceptable_pause: Duration::from_secs(3),
            longest_interval: None,
        }
    }
}

/// Options that make no detector. Whoever wrote them is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// The window is empty or larger than [`MAX_WINDOW`].
    #[error("a window of {0} intervals: it must be 1 to {MAX_WINDOW}")]
    Window(usize),
    /// A deviation or first interval of nothing.
    #[error("{0} must be more than zero")]
    Zero(&'static str),
}

/// The detector of one other process: it is told of heartbeats, and asked how suspicious the silence since is.
#[derive(Clone, Debug)]
pub struct PhiAccrual {
    options: Options,
    /// In nanoseconds.
    intervals: VecDeque<u64>,
    sum: u128,
    squares: u128,
    last: Option<Instant>,
}

impl PhiAccrual {
    /// A detector that has heard nothing yet, and suspects nothing before it does.
    ///
    /// # Errors
    ///
    /// What makes no sense in the options.
    pub fn new(options: Options) -> Result<Self, OptionsError> {
        if options.window == 0 || options.window > MAX_WINDOW {
            return Err(OptionsError::Window(options.window));
        }
        if options.least_deviation.is_zero() {
            return Err(OptionsError::Zero("the least deviation"));
        }
        if options.first_interval.is_zero() {
            return Err(OptionsError::Zero("the first interval"));
        }
        let mut detector = PhiAccrual { options, intervals: VecDeque::new(), sum: 0, squares: 0, last: None };
        let guess = nanos(detector.options.first_interval);
        if detector.options.window > 1 {
            // Two that deviate by a quarter from their mean.
            detector.learn(guess - guess / 4);
            detector.learn(guess + guess / 4);
        } else {
            detector.learn(guess);
        }
        Ok(detector)
    }

    /// A heartbeat has come. One that is older than the last changes nothing.
    pub fn heartbeat(&mut self, now: Instant) {
        match self.last {
            Some(last) if now < last => return,
            Some(last) => {
                let interval = now - last;
                if self.options.longest_interval.is_none_or(|longest| interval <= longest) {
                    self.learn(nanos(interval));
                }
            }
            None => {}
        }
        self.last = Some(now);
    }

    /// How suspicious the silence is: one silence in 10^φ as long as this is broken after all. 0 before the first
    /// heartbeat.
    pub fn phi(&self, now: Instant) -> f64 {
        self.last.map_or(0.0, |last| self.curve().phi(nanos(now.saturating_duration_since(last))))
    }

    /// Whether φ has reached a threshold.
    pub fn suspects(&self, now: Instant, threshold: f64) -> bool {
        self.last.is_some() && self.phi(now) >= threshold
    }

    /// The first instant at which φ reaches a threshold if no heartbeat comes; none before the first heartbeat, for a
    /// threshold that is no number, or when it is more than 13 days away.
    pub fn deadline(&self, threshold: f64) -> Option<Instant> {
        let (curve, mut low, mut high) = (self.curve(), 0, LONGEST);
        if threshold.is_nan() || curve.phi(high) < threshold {
            return None;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if curve.phi(middle) >= threshold {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.last?.checked_add(Duration::from_nanos(low))
    }

    /// The last heartbeat.
    pub fn last(&self) -> Option<Instant> {
        self.last
    }

    /// The mean of the intervals in the window.
    pub fn mean(&self) -> Duration {
        Duration::from_nanos((self.sum / self.intervals.len() as u128) as u64)
    }

    /// Their deviation, without the least that [`Options`] ask for.
    pub fn deviation(&self) -> Duration {
        let n = self.intervals.len() as u128;
        // n² times the variance, exactly: no difference of two large numbers that were rounded.
        let variance = (n * self.squares - self.sum * self.sum) as f64 / (n * n) as f64;
        Duration::from_nanos(libm::sqrt(variance) as u64)
    }

    /// How many intervals are in the window, the first guess among them.
    pub fn samples(&self) -> usize {
        self.intervals.len()
    }

    fn learn(&mut self, interval: u64) {
        if self.intervals.len() == self.options.window
            && let Some(old) = self.intervals.pop_front()
        {
            self.sum -= u128::from(old);
            self.squares -= u128::from(old) * u128::from(old);
        }
        self.intervals.push_back(interval);
        self.sum += u128::from(interval);
        self.squares += u128::from(interval) * u128::from(interval);
    }

    fn curve(&self) -> Curve {
        Curve {
            model: self.options.model,
            mean: (self.mean().as_nanos() as f64).max(1.0) + nanos(self.options.acceptable_pause) as f64,
            deviation: self.deviation().max(self.options.least_deviation).as_nanos() as f64,
        }
    }
}

/// What the window makes of a silence.
struct Curve {
    model: Model,
    mean: f64,
    deviation: f64,
}

impl Curve {
    /// φ after so many nanoseconds.
    fn phi(&self, silence: u64) -> f64 {
        match self.model {
            Model::Exponential => silence as f64 / self.mean * std::f64::consts::LOG10_E,
            Model::Normal => tail((silence as f64 - self.mean) / self.deviation),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).min(LONGEST)
}

/// -log₁₀ of the probability that a normal number is more than z deviations above its mean.
fn tail(z: f64) -> f64 {
    use std::f64::consts::{FRAC_1_SQRT_2, LN_10};
    // Where an asymptotic series is exact to the last bits, and long before `erfc` runs out of exponents.
    const FAR: f64 = 20.0;
    let ln = if z < 0.0 {
        // The probability is nearly 1: what is missing to 1 is what can be computed.
        libm::log1p(-0.5 * libm::erfc(-z * FRAC_1_SQRT_2))
    } else if z < FAR {
        libm::log(0.5 * libm::erfc(z * FRAC_1_SQRT_2))
    } else {
        let r = 1.0 / (z * z);
        let series = -r * (1.0 - r * (2.5 - r * (37.0 / 3.0 - r * 353.0 / 4.0)));
        -0.5 * z * z - libm::log(z) - 0.5 * libm::log(2.0 * std::f64::consts::PI) + series
    };
    (-ln / LN_10).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xs_os::{Clock, VirtualClock};

    const MS: Duration = Duration::from_millis(1);

    fn exact() -> Options {
        Options { acceptable_pause: Duration::ZERO, least_deviation: Duration::from_nanos(1), ..Options::default() }
    }

    fn fed(options: Options, intervals: &[u64]) -> (PhiAccrual, Instant) {
        let clock = VirtualClock::new();
        let mut detector = PhiAccrual::new(options).unwrap();
        detector.heartbeat(clock.now());
        for interval in intervals {
            clock.advance(Duration::from_nanos(*interval));
            detector.heartbeat(clock.now());
        }
        (detector, clock.now())
    }

    #[test]
    fn the_tail_is_that_of_the_tables() {
        // Abramowitz and Stegun, 26.2, tables 26.1 and 26.2: Q(x), and -log10 Q(x) for large x.
        for (z, q) in
            [(0.0, 0.5), (1.0, 0.158_655_254), (2.0, 0.022_750_132), (3.0, 0.001_349_898), (-1.0, 0.841_344_746)]
        {
            assert!((tail(z) - -f64::log10(q)).abs() < 1e-7, "{z}: {}", tail(z));
        }
        for (z, minus_log) in
            [(5.0, 6.54265), (10.0, 23.11805), (20.0, 88.56010), (50.0, 544.96634), (100.0, 2173.87154)]
        {
            assert!((tail(z) - minus_log).abs() < 1e-5, "{z}: {}", tail(z));
        }
    }

    #[test]
    fn the_tail_has_no_step_where_it_is_computed_in_another_way() {
        for seam in [0.0, 20.0] {
            let (before, after) = (tail(seam - 1e-9), tail(seam + 1e-9));
            assert!(before <= after && after - before < 1e-6, "{before} {after}");
        }
        assert!(tail(-40.0) >= 0.0 && tail(1e150).is_finite());
    }

    #[test]
    fn it_suspects_nobody_that_it_has_never_heard() {
        let detector = PhiAccrual::new(Options::default()).unwrap();
        let now = VirtualClock::new().now();
        assert!(!detector.suspects(now, 0.0) && detector.deadline(8.0).is_none());
    }

    #[test]
    fn a_jittery_rhythm_is_given_more_time_than_a_steady_one() {
        let wait = |intervals: [u64; 2]| {
            let intervals: Vec<u64> = intervals.iter().cycle().take(1000).map(|ms| ms * 1_000_000).collect();
            let (detector, now) = fed(exact(), &intervals);
            detector.deadline(8.0).unwrap() - now
        };
        let (steady, jittery) = (wait([990, 1010]), wait([500, 1500]));
        // 5.6 deviations above the mean is one in 10^8.
        assert!((steady.as_millis() as i64 - 1056).abs() < 2 && (jittery.as_millis() as i64 - 3806).abs() < 5);
    }

    #[test]
    fn in_cassandras_model_a_threshold_of_8_is_18_means_whatever_the_jitter() {
        for intervals in [[990, 1010], [500, 1500]] {
            let intervals: Vec<u64> = intervals.iter().cycle().take(1000).map(|ms| ms * 1_000_000).collect();
            let (detector, now) = fed(Options { model: Model::Exponential, ..exact() }, &intervals);
            let wait = detector.deadline(8.0).unwrap() - now;
            assert!((wait.as_millis() as i64 - 18_420).abs() < 3, "{wait:?}");
        }
    }

    #[test]
    fn the_pause_and_the_least_deviation_are_heeded() {
        let intervals = [1_000_000_000; 1000];
        let wait = |options| {
            let (detector, now) = fed(options, &intervals);
            (detector.deadline(8.0).unwrap() - now).as_millis()
        };
        assert_eq!(wait(exact()), 1000);
        assert_eq!(wait(Options { least_deviation: 100 * MS, ..exact() }), 1561);
        assert_eq!(wait(Options { acceptable_pause: 3000 * MS, ..exact() }), 4000);
    }

    #[test]
    fn an_interval_that_was_an_outage_is_not_learnt() {
        let mut intervals = vec![1_000_000_000; 100];
        intervals.push(600_000_000_000);
        let (learnt, _) = fed(exact(), &intervals);
        let (ignored, _) = fed(Options { longest_interval: Some(10_000 * MS), ..exact() }, &intervals);
        assert!(learnt.deviation() > 50_000 * MS && ignored.deviation() < 100 * MS);
    }

    #[test]
    fn what_makes_no_detector_is_refused() {
        let refused = |options| PhiAccrual::new(options).unwrap_err();
        assert_eq!(refused(Options { window: 0, ..exact() }), OptionsError::Window(0));
        assert_eq!(refused(Options { window: MAX_WINDOW + 1, ..exact() }), OptionsError::Window(4097));
        assert_eq!(
            refused(Options { least_deviation: Duration::ZERO, ..exact() }),
            OptionsError::Zero("the least deviation")
        );
        assert!(PhiAccrual::new(Options { window: 1, ..exact() }).is_ok());
    }

    proptest! {
        #[test]
        fn mean_and_deviation_are_those_of_the_window(
            window in 1..20_usize,
            intervals in prop::collection::vec(prop_oneof![0..2_000_000_000_u64, 0..u64::MAX / 64], 20..60),
        ) {
            let (detector, _) = fed(Options { window, ..exact() }, &intervals);
            let kept: Vec<f64> = intervals[intervals.len() - window..].iter().map(|i| *i.min(&LONGEST) as f64).collect();
            let mean = kept.iter().sum::<f64>() / window as f64;
            let variance = kept.iter().map(|i| (i - mean) * (i - mean)).sum::<f64>() / window as f64;
            prop_assert!((detector.mean().as_nanos() as f64 - mean).abs() <= 1.0 + mean * 1e-12);
            prop_assert!((detector.deviation().as_nanos() as f64 - variance.sqrt()).abs() <= 2.0 + mean * 1e-9);
        }

        #[test]
        fn phi_grows_with_the_silence_and_the_deadline_is_where_it_crosses(
            intervals in prop::collection::vec(0..3_000_000_000_u64, 0..50),
            threshold in 0.1..40.0,
            steps in prop::collection::vec(0..5_000_000_000_u64, 1..20),
            exponential: bool,
        ) {
            let model = if exponential { Model::Exponential } else { Model::Normal };
            let (detector, last) = fed(Options { model, least_deviation: MS, ..exact() }, &intervals);
            let (mut now, mut phi) = (last, 0.0);
            for step in steps {
                now += Duration::from_nanos(step);
                prop_assert!(detector.phi(now) >= phi && detector.phi(now).is_finite());
                phi = detector.phi(now);
            }
            let at = detector.deadline(threshold).unwrap();
            prop_assert!(detector.suspects(at, threshold));
            prop_assert!(at == last || !detector.suspects(at - Duration::from_nanos(1), threshold));
        }
    }
}
