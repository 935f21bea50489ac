//! How long things take: the events above a threshold (`LATENCY`), and each command's distribution.
//!
//! A [`Histogram`] counts durations in steps that grow with them: every doubling is cut into 32 equal parts, so a
//! percentile is at most 3 % off whatever its size.
//!
//! ```text
//!   nanoseconds   0 1 2 … 63 │ 64 66 68 … 126 │ 128 132 … 252 │ 256 …        one step: 1, 2, 4, 8 …
//!                 └ exact  ┘   └── 32 parts ─┘   └─ 32 parts ─┘
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Seconds that are remembered of each event.
const SECONDS: usize = 160;
/// Each doubling is cut into this many parts.
const PARTS: u64 = 32;
/// Whatever takes this long or longer counts as this long: a second.
const LONGEST: u64 = 1_000_000_000;

/// `LATENCY`: the events, with the worst of each second in which one happened.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    events: BTreeMap<&'static str, Event>,
}

/// One event: its worst ever, and its last seconds.
#[derive(Debug, Default)]
pub(crate) struct Event {
    /// Milliseconds.
    pub(crate) worst: u64,
    /// Unix seconds with the worst of that second, oldest first.
    pub(crate) samples: Vec<(u64, u64)>,
}

impl Latency {
    /// Notes that `event` took `millis` at the Unix time `second`.
    pub(crate) fn add(&mut self, event: &'static str, millis: u64, second: u64) {
        let event = self.events.entry(event).or_default();
        event.worst = event.worst.max(millis);
        match event.samples.last_mut() {
            Some((last, worst)) if *last == second => *worst = (*worst).max(millis),
            _ => event.samples.push((second, millis)),
        }
        if event.samples.len() > SECONDS {
            event.samples.remove(0);
        }
    }

    pub(crate) fn get(&self, event: &[u8]) -> Option<(&'static str, &Event)> {
        self.iter().find(|(name, _)| name.as_bytes() == event)
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &Event)> {
        self.events.iter().map(|(name, event)| (*name, event))
    }

    /// Forgets one event, or all; how many there were.
    pub(crate) fn reset(&mut self, event: Option<&[u8]>) -> usize {
        let before = self.events.len();
        match event {
            None => self.events.clear(),
            Some(event) => self.events.retain(|name, _| name.as_bytes() != event),
        }
        before - self.events.len()
    }
}

impl Event {
    /// The samples as a picture for a terminal: a column a second, how long ago beneath it.
    pub(crate) fn graph(&self, name: &str, now: u64) -> String {
        const COLUMNS: usize = 80;
        const ROWS: usize = 4;
        const SHADES: [char; 3] = ['_', 'o', '#'];
        let values = || self.samples.iter().map(|(_, millis)| *millis);
        let (low, high) = (values().min().unwrap_or(0), values().max().unwrap_or(0));
        let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", self.worst);
        let _ = writeln!(text, "{}", "-".repeat(COLUMNS));
        let steps = (ROWS * SHADES.len()) as u64;
        let height = |millis: u64| ((millis - low) * steps / (high - low).max(1)).min(steps - 1) as usize;
        for part in self.samples.chunks(COLUMNS) {
            for row in (0..ROWS).rev() {
                let column = |(_, millis): &(u64, u64)| match height(*millis) / SHADES.len() {
                    full if full > row => '|',
                    full if full == row => SHADES[height(*millis) % SHADES.len()],
                    _ => ' ',
                };
                let _ = writeln!(text, "{}", part.iter().map(column).collect::<String>());
            }
            let labels: Vec<Vec<char>> = part.iter().map(|(second, _)| ago(now.saturating_sub(*second))).collect();
            text.push('\n');
            for line in 0..labels.iter().map(Vec::len).max().unwrap_or(0) {
                let _ = writeln!(
                    text,
                    "{}",
                    labels.iter().map(|label| label.get(line).unwrap_or(&' ')).collect::<String>()
                );
            }
        }
        text
    }
}

/// `42s`, `7m`, `3h`, `2d`: one letter a line beneath its column.
fn ago(seconds: u64) -> Vec<char> {
    let text = match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    };
    text.chars().collect()
}

/// How often which duration was seen.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    counts: Vec<u32>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram { counts: vec![0; index(LONGEST) + 1], total: 0 }
    }
}

/// The step that a number of nanoseconds falls into.
fn index(nanos: u64) -> usize {
    let doublings = nanos.max(PARTS).ilog2() - PARTS.ilog2();
    (u64::from(doublings) * PARTS + (nanos >> doublings)) as usize
}

/// The largest number of nanoseconds in a step.
fn highest(index: usize) -> u64 {
    let index = index as u64;
    let doublings = (index / PARTS).saturating_sub(1);
    ((index - doublings * PARTS + 1) << doublings) - 1
}

impl Histogram {
    #[inline]
    pub(crate) fn add(&mut self, took: Duration) {
        let nanos = (took.as_nanos() as u64).min(LONGEST);
        let count = &mut self.counts[index(nanos)];
        *count = count.saturating_add(1);
        self.total += 1;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The nanoseconds that `percent` of all durations did not exceed.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.total as f64).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= wanted
        });
        found.map_or(0, highest)
    }

    /// How many durations did not exceed so many microseconds, for the powers of two (of 1024 ns) where that number
    /// grows. The microseconds are the ones that Redis prints, which come from steps of 1/128.
    pub(crate) fn doublings(&self) -> Vec<(u64, u64)> {
        let mut found = Vec::new();
        let mut before = 0;
        let mut level: u64 = 1024;
        while before < self.total {
            let end = index(level.min(LONGEST)) + 1;
            let seen = self.counts[..end].iter().map(|count| u64::from(*count)).sum();
            if seen > before {
                found.push(((level + level / 128 - 1) / 1000, seen));
            }
            if level >= LONGEST {
                break;
            }
            before = seen;
            level *= 2;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_step_holds_what_falls_into_it_and_is_narrow(nanos in 0..=LONGEST) {
            let at = index(nanos);
            let highest = highest(at);
            prop_assert!(nanos <= highest);
            prop_assert!(at == 0 || super::highest(at - 1) < nanos);
            prop_assert!(highest - nanos <= nanos / PARTS);
        }
    }

    #[test]
    fn percentiles_are_within_a_step_of_the_truth() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.add(Duration::from_micros(micros));
        }
        for (percent, micros) in [(0.0, 1.0), (50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let found = histogram.percentile(percent) as f64 / 1000.0;
            assert!((found - micros).abs() <= micros / 32.0 + 1.0, "p{percent} = {found}");
        }
        histogram.add(Duration::from_secs(100));
        assert!(histogram.percentile(100.0) >= LONGEST);
    }

    #[test]
    fn doublings_count_up_to_everything() {
        let mut histogram = Histogram::default();
        for micros in [1, 1, 3, 30, 40, 5_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let found = histogram.doublings();
        assert_eq!(found[..4], [(1, 2), (4, 3), (33, 4), (66, 5)]);
        assert_eq!(found.last().unwrap().1, 6);
    }

    #[test]
    fn an_event_keeps_the_worst_of_each_second() {
        let mut latency = Latency::default();
        for (millis, second) in [(5, 10), (9, 10), (7, 10), (20, 11), (1, 12)] {
            latency.add("command", millis, second);
        }
        let (_, event) = latency.get(b"command").unwrap();
        assert_eq!(event.samples, [(10, 9), (11, 20), (12, 1)]);
        assert_eq!(event.worst, 20);
        let graph = event.graph("command", 71);
        assert!(graph.starts_with("command - high 20 ms, low 1 ms (all time high 20 ms)\n-----"));
        assert!(graph.ends_with("115\nmm9\n  s\n"), "{graph}");
        for second in 100..400 {
            latency.add("command", 1, second);
        }
        assert_eq!(latency.get(b"command").unwrap().1.samples.len(), SECONDS);
        assert_eq!((latency.reset(Some(b"other")), latency.reset(None)), (0, 1));
    }
}
