//! What the `metrics` facade is told, kept for a page: [`Recorder`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::atomics::AtomicU64;
use metrics::{Key, KeyName, Metadata, SharedString, Unit};
use parking_lot::Mutex;

use super::{Exposition, Kind, NANOSECONDS, SECONDS};
use crate::histogram::AtomicHistogram;

/// Series at most, unless said otherwise.
const MOST_SERIES: usize = 10_000;
/// Upper bounds of histograms of anything but time: sizes and numbers.
const SIZES: [f64; 16] = {
    let (mut bounds, mut at) = ([1.0; 16], 1);
    while at < bounds.len() {
        bounds[at] = bounds[at - 1] * 4.0;
        at += 1;
    }
    bounds
};

/// Keeps what is told to the `metrics` facade, in bounded memory and in the order of names, and writes it to a page. Clones
/// are the same one.
///
/// Histograms whose name ends in `_seconds` count nanoseconds, as finely as
/// [`Histogram`](crate::histogram::Histogram) does, and are written with the bounds [`SECONDS`]; others count whole units, and
/// are written with powers of four. What the format does not allow in a name becomes `_`. A metric that was told as of one
/// kind keeps it: told as of another, nothing is kept, nor of a series that is one too many.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<Shared>,
}

struct Shared {
    most_series: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    families: BTreeMap<String, Family>,
    /// What families are described as, also before there is one.
    help: BTreeMap<String, SharedString>,
    series: usize,
    refused: u64,
}

struct Family {
    kind: Kind,
    series: BTreeMap<Labels, Value>,
}

/// By name.
type Labels = Vec<(String, String)>;

enum Value {
    /// A whole number.
    Counter(Arc<AtomicU64>),
    /// The bits of an `f64`.
    Gauge(Arc<AtomicU64>),
    Histogram(Arc<Scaled>),
}

/// A histogram of fractions.
struct Scaled {
    values: AtomicHistogram,
    /// How many of its values make one of what is told.
    unit: f64,
}

impl metrics::HistogramFn for Scaled {
    fn record(&self, value: f64) {
        self.record_many(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        if !value.is_nan() {
            // The conversion saturates: what is negative is nothing.
            self.values.record_many((value * self.unit).round() as u64, count as u64);
        }
    }
}

/// There is a recorder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process has a recorder of metrics already")]
pub struct AlreadyInstalled;

impl Recorder {
    /// Keeps 10,000 series at most.
    pub fn new() -> Self {
        Recorder::with_most_series(MOST_SERIES)
    }

    /// Keeps so many series at most: labels that a client chooses must not fill the memory.
    pub fn with_most_series(most_series: usize) -> Self {
        Recorder { shared: Arc::new(Shared { most_series, state: Mutex::default() }) }
    }

    /// Makes it the recorder of this process. What was counted before is lost; layers that keep their handles
    /// ([`Stats`](super::Stats)) must not have counted before.
    ///
    /// # Errors
    ///
    /// The process has one.
    pub fn install(&self) -> Result<(), AlreadyInstalled> {
        metrics::set_global_recorder(self.clone()).map_err(|_| AlreadyInstalled)
    }

    /// Writes everything to a page, and `xs_metrics_refused_total`, how often a metric was asked for and not kept. Metrics that
    /// are on the page already are left out.
    pub fn expose(&self, page: &mut Exposition) {
        let state = &*self.shared.state.lock();
        for (name, family) in &state.families {
            let help = state.help.get(name).map_or("", |help| help);
            let Ok(mut written) = page.family(name, family.kind, help) else { continue };
            for (labels, value) in &family.series {
                let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
                let written = match value {
                    Value::Counter(count) => written.sample(&labels, count.load(Ordering::Acquire) as f64),
                    Value::Gauge(bits) => written.sample(&labels, f64::from_bits(bits.load(Ordering::Acquire))),
                    Value::Histogram(histogram) => {
                        let bounds = if histogram.unit == NANOSECONDS { &SECONDS } else { &SIZES };
                        written.histogram(&labels, &histogram.values.snapshot(), bounds, histogram.unit)
                    }
                };
                debug_assert!(written.is_ok(), "labels were made good when they came");
            }
        }
        if let Ok(mut family) = page.family("xs_metrics_refused_total", Kind::Counter, "Series that were not kept.") {
            let _ = family.sample(&[], state.refused as f64);
        }
    }

    /// A page of everything.
    pub fn render(&self) -> String {
        let mut page = Exposition::new();
        self.expose(&mut page);
        page.into_text()
    }

    /// What a counter has counted so far, in all its series that have these labels and maybe others; a gauge's values are added.
    /// Of histograms, how many values they have.
    pub fn total(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let state = self.shared.state.lock();
        let has =
            |series: &Labels| labels.iter().all(|(n, v)| series.iter().any(|(name, value)| name == n && value == v));
        let series = state.families.get(name).into_iter().flat_map(|family| &family.series);
        let values = series.filter(|(labels, _)| has(labels)).map(|(_, value)| match value {
            Value::Counter(count) => count.load(Ordering::Acquire) as f64,
            Value::Gauge(bits) => f64::from_bits(bits.load(Ordering::Acquire)),
            Value::Histogram(histogram) => histogram.values.snapshot().count() as f64,
        });
        values.sum()
    }

    fn describe(&self, name: KeyName, help: SharedString) {
        let state = &mut *self.shared.state.lock();
        if state.help.len() < self.shared.most_series {
            state.help.insert(good(name.as_str(), true), help);
        }
    }

    /// The value of a series, which `make` makes if it is new; `None` if it is not kept.
    fn value<T>(
        &self,
        key: &Key,
        kind: Kind,
        make: impl FnOnce(&str) -> Value,
        of: impl FnOnce(&Value) -> Option<T>,
    ) -> Option<T> {
        let name = good(key.name(), true);
        let mut labels: Labels = key.labels().map(|label| (good(label.key(), false), label.value().into())).collect();
        labels.sort_unstable();
        labels.dedup_by(|a, b| a.0 == b.0);
        let state = &mut *self.shared.state.lock();
        let full = state.series >= self.shared.most_series;
        let kept = match state.families.entry(name) {
            Entry::Vacant(_) if full => None,
            Entry::Vacant(entry) => {
                let value = make(entry.key());
                let answer = of(&value);
                entry.insert(Family { kind, series: BTreeMap::from([(labels, value)]) });
                state.series += 1;
                answer
            }
            Entry::Occupied(entry) if entry.get().kind != kind => None,
            Entry::Occupied(mut entry) => match entry.get().series.get(&labels) {
                Some(known) => of(known),
                None if full => None,
                None => {
                    let value = make(entry.key());
                    let answer = of(&value);
                    entry.get_mut().series.insert(labels, value);
                    state.series += 1;
                    answer
                }
            },
        };
        state.refused += u64::from(kept.is_none());
        kept
    }
}

/// A name as the format allows it.
fn good(name: &str, colon: bool) -> String {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '_' || (colon && char == ':');
    let mut good: String = name.chars().map(|char| if allowed(char) { char } else { '_' }).collect();
    if !colon && (good == "le" || good.starts_with("__")) {
        // The format's own.
        good.insert_str(0, "label_");
    } else if good.is_empty() || good.starts_with(|first: char| first.is_ascii_digit()) {
        good.insert(0, '_');
    }
    good
}

impl metrics::Recorder for Recorder {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key, description);
    }

    fn describe_gauge(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key, description);
    }

    fn describe_histogram(&self, key: KeyName, _: Option<Unit>, description: SharedString) {
        self.describe(key, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        let count = self.value(
            key,
            Kind::Counter,
            |_| Value::Counter(Arc::default()),
            |value| match value {
                Value::Counter(count) => Some(count.clone()),
                _ => None,
            },
        );
        count.map_or_else(metrics::Counter::noop, metrics::Counter::from_arc)
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        let gauge = self.value(
            key,
            Kind::Gauge,
            |_| Value::Gauge(Arc::default()),
            |value| match value {
                Value::Gauge(bits) => Some(bits.clone()),
                _ => None,
            },
        );
        gauge.map_or_else(metrics::Gauge::noop, metrics::Gauge::from_arc)
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        let make = |name: &str| {
            let unit = if name.ends_with("_seconds") { NANOSECONDS } else { 1.0 };
            Value::Histogram(Arc::new(Scaled { values: AtomicHistogram::new(), unit }))
        };
        let histogram = self.value(key, Kind::Histogram, make, |value| match value {
            Value::Histogram(histogram) => Some(histogram.clone()),
            _ => None,
        });
        histogram.map_or_else(metrics::Histogram::noop, metrics::Histogram::from_arc)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state.lock();
        f.debug_struct("Recorder")
            .field("series", &state.series)
            .field("refused", &state.refused)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_on_the_page() {
        let recorder = Recorder::new();
        metrics::with_local_recorder(&recorder, || {
            metrics::describe_counter!("jobs.done", "Jobs\nof the night.");
            metrics::counter!("jobs.done", "queue" => "b").increment(2);
            metrics::counter!("jobs.done", "queue" => "a", "le" => "x").increment(1);
            metrics::counter!("jobs.done", "queue" => "b").increment(5);
            metrics::gauge!("9lives").set(9.0);
            metrics::gauge!("9lives").decrement(0.5);
            metrics::histogram!("size_bytes").record(70.0);
            metrics::histogram!("took_seconds").record(0.003);
            metrics::histogram!("took_seconds").record(f64::NAN);
            metrics::histogram!("took_seconds").record(-1.0);
        });
        let page = recorder.render();
        for line in [
            "# HELP jobs_done Jobs\\nof the night.",
            "jobs_done{label_le=\"x\",queue=\"a\"} 1",
            "jobs_done{queue=\"b\"} 7",
            "_9lives 8.5",
            "size_bytes_bucket{le=\"64\"} 0",
            "size_bytes_bucket{le=\"256\"} 1",
            "took_seconds_bucket{le=\"0.0025\"} 1",
            "took_seconds_bucket{le=\"0.005\"} 2",
            "took_seconds_sum 0.003",
            "xs_metrics_refused_total 0",
        ] {
            assert!(page.lines().any(|written| written == line), "{line} is not in\n{page}");
        }
        assert_eq!(recorder.total("jobs_done", &[]), 8.0);
        assert_eq!(recorder.total("jobs_done", &[("queue", "b")]), 7.0);
        assert_eq!(recorder.total("jobs_done", &[("queue", "c")]), 0.0);
    }

    #[test]
    fn series_without_end_and_metrics_of_two_kinds_are_refused_and_told() {
        let recorder = Recorder::with_most_series(3);
        metrics::with_local_recorder(&recorder, || {
            for n in 0..10 {
                metrics::counter!("many", "n" => n.to_string()).increment(1);
            }
            metrics::gauge!("many").set(4.0);
            metrics::counter!("another").increment(1);
            metrics::counter!("many", "n" => "2").increment(1);
        });
        assert_eq!(recorder.total("many", &[]), 4.0);
        assert_eq!(recorder.total("another", &[]), 0.0);
        assert!(recorder.render().ends_with("xs_metrics_refused_total 9\n"), "{}", recorder.render());
    }
}
