//! What is known of calls: [`Stats`], which counts them, and [`Operation`], which is read from it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{Exposition, InvalidMetric, Kind, NANOSECONDS, SECONDS};
use crate::histogram::{AtomicHistogram, Histogram, nanos};

/// The outcome of a call that was dropped before it ended.
pub const CANCELLED: &str = "cancelled";
/// The outcome of a call whose own outcome is one too many.
pub const OTHER: &str = "other";
/// Outcomes of an operation that are told apart.
const MOST_OUTCOMES: usize = 12;

const TOTAL: (&str, &str) = ("xs_requests_total", "Requests that have ended, by outcome.");
const TOOK: (&str, &str) = ("xs_request_duration_seconds", "How long requests took, by outcome.");
const IN_FLIGHT: (&str, &str) = ("xs_requests_in_flight", "Requests under way.");

/// Counts calls: how many are under way, and how many ended how, after how long. Clones count together.
///
/// A call is of one of a few *operations*, which are listed beforehand, and ends with one of a few *outcomes*, whose names are
/// in the program: at most twelve an operation, the next one counts as [`OTHER`]. So its memory is bounded, whatever is asked.
#[derive(Clone)]
pub struct Stats {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    operations: Box<[Counts]>,
}

/// What is counted of an operation.
struct Counts {
    name: Arc<str>,
    /// How many have begun. How many have ended is known from the outcomes: a second counter would be one more atomic
    /// operation for each call, for what is asked for once a second.
    began: AtomicU64,
    /// Filled from the front, for an outcome that is seen for the first time.
    outcomes: [OnceLock<Series>; MOST_OUTCOMES],
    other: OnceLock<Series>,
    #[cfg(feature = "metrics")]
    gauge: OnceLock<metrics::Gauge>,
}

/// The calls of one operation with one outcome.
struct Series {
    outcome: &'static str,
    took: AtomicHistogram,
    #[cfg(feature = "metrics")]
    facade: (metrics::Counter, metrics::Histogram),
}

impl Stats {
    /// Nothing has been counted. `name` is the label of that name; an operation is known by its place in `operations`. If there
    /// are none, there is one, called "call".
    ///
    /// The `metrics` facade's recorder must be in place before the first call is counted.
    pub fn new<N: AsRef<str>>(name: &str, operations: impl IntoIterator<Item = N>) -> Self {
        let mut operations: Box<[Counts]> = operations.into_iter().map(|name| Counts::new(name.as_ref())).collect();
        if operations.is_empty() {
            operations = Box::new([Counts::new("call")]);
        }
        Stats { shared: Arc::new(Shared { name: name.into(), operations }) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The name of an operation.
    pub fn operation_name(&self, operation: usize) -> &str {
        &self.counts(operation).name
    }

    /// A call begins. A number that names no operation counts as the last one. [`ended`](Stats::ended) must follow.
    #[inline]
    pub fn began(&self, operation: usize) {
        let counts = self.counts(operation);
        counts.began.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        counts.gauge(self.name()).increment(1.0);
    }

    /// A call that began has ended.
    #[inline]
    pub fn ended(&self, operation: usize, outcome: &'static str, took: Duration) {
        let counts = self.counts(operation);
        let series = counts.series(self.name(), outcome);
        series.took.record(nanos(took));
        #[cfg(feature = "metrics")]
        {
            counts.gauge(self.name()).decrement(1.0);
            series.facade.0.increment(1);
            series.facade.1.record(took.as_secs_f64());
        }
    }

    /// How many calls are under way.
    pub fn in_flight(&self) -> u64 {
        let of = |counts: &Counts| counts.in_flight(counts.all().map(|series| series.took.count()).sum());
        self.shared.operations.iter().map(of).sum()
    }

    /// What has been counted by now, by operation, in their order.
    pub fn operations(&self) -> Vec<Operation> {
        let read = |counts: &Counts| {
            let outcomes: Vec<_> = counts.all().map(|series| (series.outcome, series.took.snapshot())).collect();
            let ended = outcomes.iter().map(|(_, took)| took.count()).sum();
            Operation { name: counts.name.clone(), in_flight: counts.in_flight(ended), outcomes }
        };
        self.shared.operations.iter().map(read).collect()
    }

    /// All operations as one.
    pub fn all(&self) -> Operation {
        let mut all = Operation { name: self.shared.name.clone(), in_flight: 0, outcomes: Vec::new() };
        for operation in self.operations() {
            all.in_flight += operation.in_flight;
            for (outcome, took) in operation.outcomes {
                match all.outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                    Some((_, all)) => all.merge(&took),
                    None => all.outcomes.push((outcome, took)),
                }
            }
        }
        all
    }

    /// Writes all of `stats`, each of which has a name of its own: `xs_requests_total{name,operation,outcome}`,
    /// `xs_request_duration_seconds` with the same labels and the bounds [`SECONDS`], and
    /// `xs_requests_in_flight{name,operation}`.
    ///
    /// # Errors
    ///
    /// They are on the page already: the facade's recorder has them as well.
    pub fn expose(stats: &[Stats], page: &mut Exposition) -> Result<(), InvalidMetric> {
        let read: Vec<(&str, Vec<Operation>)> = stats.iter().map(|stats| (stats.name(), stats.operations())).collect();
        let each = || read.iter().flat_map(|(name, all)| all.iter().map(|operation| (*name, operation)));
        let mut family = page.family(TOTAL.0, Kind::Counter, TOTAL.1)?;
        for (name, operation) in each() {
            for (outcome, took) in &operation.outcomes {
                let labels = [("name", name), ("operation", &*operation.name), ("outcome", *outcome)];
                family.sample(&labels, took.count() as f64)?;
            }
        }
        let mut family = page.family(TOOK.0, Kind::Histogram, TOOK.1)?;
        for (name, operation) in each() {
            for (outcome, took) in &operation.outcomes {
                let labels = [("name", name), ("operation", &*operation.name), ("outcome", *outcome)];
                family.histogram(&labels, took, &SECONDS, NANOSECONDS)?;
            }
        }
        let mut family = page.family(IN_FLIGHT.0, Kind::Gauge, IN_FLIGHT.1)?;
        for (name, operation) in each() {
            family.sample(&[("name", name), ("operation", &*operation.name)], operation.in_flight as f64)?;
        }
        Ok(())
    }

    fn counts(&self, operation: usize) -> &Counts {
        let all = &self.shared.operations;
        &all[operation.min(all.len() - 1)]
    }
}

impl Counts {
    fn new(name: &str) -> Self {
        Counts {
            name: name.into(),
            began: AtomicU64::new(0),
            outcomes: Default::default(),
            other: OnceLock::new(),
            #[cfg(feature = "metrics")]
            gauge: OnceLock::new(),
        }
    }

    #[cfg(feature = "metrics")]
    fn gauge(&self, name: &str) -> &metrics::Gauge {
        self.gauge.get_or_init(|| {
            metrics::describe_gauge!(IN_FLIGHT.0, IN_FLIGHT.1);
            metrics::gauge!(IN_FLIGHT.0, "name" => name.to_owned(), "operation" => self.name.clone())
        })
    }

    /// Those that have begun by now, without those that had ended before that was asked.
    fn in_flight(&self, ended: u64) -> u64 {
        self.began.load(Ordering::Relaxed).saturating_sub(ended)
    }

    fn series(&self, name: &str, outcome: &'static str) -> &Series {
        for slot in &self.outcomes {
            let series = slot.get_or_init(|| Series::new(name, &self.name, outcome));
            // Somebody may have taken the slot for another outcome.
            // Most often it is the very same name, which is seen without reading it.
            if std::ptr::eq(series.outcome, outcome) || series.outcome == outcome {
                return series;
            }
        }
        self.other.get_or_init(|| Series::new(name, &self.name, OTHER))
    }

    fn all(&self) -> impl Iterator<Item = &Series> {
        self.outcomes.iter().chain([&self.other]).filter_map(OnceLock::get)
    }
}

impl Series {
    #[cold]
    #[cfg_attr(not(feature = "metrics"), allow(unused_variables))]
    fn new(name: &str, operation: &Arc<str>, outcome: &'static str) -> Self {
        #[cfg(feature = "metrics")]
        let facade = {
            metrics::describe_counter!(TOTAL.0, TOTAL.1);
            metrics::describe_histogram!(TOOK.0, metrics::Unit::Seconds, TOOK.1);
            let name: Arc<str> = name.into();
            let labels =
                || [("name", name.clone()), ("operation", operation.clone()), ("outcome", Arc::<str>::from(outcome))];
            (metrics::counter!(TOTAL.0, &labels()), metrics::histogram!(TOOK.0, &labels()))
        };
        Series {
            outcome,
            took: AtomicHistogram::new(),
            #[cfg(feature = "metrics")]
            facade,
        }
    }
}

impl fmt::Debug for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stats")
            .field("name", &self.name())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

/// What was counted of an operation at one moment.
#[derive(Debug, Clone)]
pub struct Operation {
    name: Arc<str>,
    in_flight: u64,
    outcomes: Vec<(&'static str, Histogram)>,
}

impl Operation {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many calls were under way.
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The outcomes that were seen, and how long those calls took, in nanoseconds.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, &Histogram)> {
        self.outcomes.iter().map(|(outcome, took)| (*outcome, took))
    }

    /// How many calls have ended.
    pub fn count(&self) -> u64 {
        self.outcomes.iter().map(|(_, took)| took.count()).sum()
    }

    /// How many calls have ended so.
    pub fn count_of(&self, outcome: &str) -> u64 {
        self.outcomes().filter(|(known, _)| *known == outcome).map(|(_, took)| took.count()).sum()
    }

    /// How long all calls took together, in nanoseconds, but for those that were dropped: theirs is how long their callers
    /// were patient.
    pub fn took(&self) -> Histogram {
        let mut all = Histogram::new();
        self.outcomes().filter(|(outcome, _)| *outcome != CANCELLED).for_each(|(_, took)| all.merge(took));
        all
    }

    /// How long the share `quantile` (from 0 to 1) of those calls took at most. Never too short, and too long by less than a
    /// 32nd. `None` if none has ended.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        self.took().quantile(quantile).map(Duration::from_nanos)
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn calls_are_counted_by_operation_and_outcome() {
        let stats = Stats::new("shop", ["read", "write"]);
        for (operation, outcome, took) in [(0, "ok", 1), (0, "ok", 3), (1, "error", 5), (9, CANCELLED, 100)] {
            stats.began(operation);
            assert_eq!(stats.in_flight(), 1);
            stats.ended(operation, outcome, took * MS);
        }
        stats.began(1);
        let [read, write] = &stats.operations()[..] else { panic!("there are two") };
        assert_eq!((read.name(), read.count(), read.count_of("ok"), read.in_flight()), ("read", 2, 2, 0));
        assert_eq!((write.name(), write.count(), write.count_of("ok"), write.in_flight()), ("write", 2, 0, 1));
        let all = stats.all();
        assert_eq!((all.name(), all.count(), all.in_flight()), ("shop", 4, 1));
        let longest = all.quantile(1.0).unwrap();
        assert!(longest >= 5 * MS && longest < 6 * MS, "{longest:?}: whoever gave up after 100 ms is not among them");
        assert_eq!(Stats::new("none", [""; 0]).all().quantile(0.5), None);
        assert_eq!(Stats::new("none", [""; 0]).operation_name(7), "call");
    }

    #[test]
    fn outcomes_without_end_count_as_other() {
        const OUTCOMES: [&str; 14] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
        let stats = Stats::new("test", ["call"]);
        for outcome in OUTCOMES.into_iter().chain(OUTCOMES) {
            stats.began(0);
            stats.ended(0, outcome, MS);
        }
        let all = stats.all();
        assert_eq!((all.count(), all.count_of("l"), all.count_of("m"), all.count_of(OTHER)), (28, 2, 0, 4));
        assert_eq!(all.outcomes().count(), 13);
    }

    #[test]
    fn threads_that_meet_a_new_outcome_at_once_count_in_one_place() {
        let stats = Stats::new("test", ["call"]);
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let stats = &stats;
                scope.spawn(move || {
                    for outcome in if thread % 2 == 0 { ["ok", "error", "late"] } else { ["late", "error", "ok"] } {
                        stats.began(0);
                        stats.ended(0, outcome, MS);
                    }
                });
            }
        });
        let all = stats.all();
        assert_eq!(all.outcomes().count(), 3);
        assert!(["ok", "error", "late"].iter().all(|outcome| all.count_of(outcome) == 4));
    }

    #[test]
    fn several_stand_on_one_page() {
        let both = [Stats::new("a", ["x"]), Stats::new("b", ["y"])];
        for (stats, outcome) in both.iter().zip(["ok", "error"]) {
            stats.began(0);
            stats.ended(0, outcome, 3 * MS);
        }
        let mut page = Exposition::new();
        Stats::expose(&both, &mut page).unwrap();
        for line in [
            "xs_requests_total{name=\"a\",operation=\"x\",outcome=\"ok\"} 1",
            "xs_requests_total{name=\"b\",operation=\"y\",outcome=\"error\"} 1",
            "xs_request_duration_seconds_bucket{name=\"a\",operation=\"x\",outcome=\"ok\",le=\"0.0025\"} 0",
            "xs_request_duration_seconds_bucket{name=\"a\",operation=\"x\",outcome=\"ok\",le=\"0.005\"} 1",
            "xs_request_duration_seconds_sum{name=\"b\",operation=\"y\",outcome=\"error\"} 0.003",
            "xs_requests_in_flight{name=\"b\",operation=\"y\"} 0",
        ] {
            assert!(page.text().lines().any(|written| written == line), "{line} is not in\n{}", page.text());
        }
        assert_eq!(page.text().matches("# TYPE").count(), 3);
        assert!(Stats::expose(&both, &mut page).is_err());
    }
}
