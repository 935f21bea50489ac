//! Prometheus' text format, version 0.0.4: [`Exposition`].

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::time::Duration;

use crate::histogram::Histogram;

/// The media type of what is written.
pub const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds for how long calls take, in seconds: from 100 µs to 10 s. The last bucket has no bound.
pub const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The unit of a histogram of nanoseconds that is written in seconds.
pub const NANOSECONDS: f64 = Duration::from_secs(1).as_nanos() as f64;

/// What kind of metric a family is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, until the process begins anew.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
}

/// Why something cannot be written. What was written before is whole and stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidMetric {
    /// Not letters, digits, `_` and `:` of ASCII, the first no digit; for a label without `:`, and not `le` or with `__` in
    /// front, which are the format's own.
    #[error("{0:?} is no name for a metric or a label")]
    Name(String),
    /// All samples of a family stand together: it can be begun once.
    #[error("the metric {0:?} was written before")]
    Repeated(String),
}

/// Writes metrics as Prometheus reads them.
///
/// ```
/// use xs_net::observe::{Exposition, Kind};
///
/// let mut page = Exposition::new();
/// let mut family = page.family("jobs_total", Kind::Counter, "Jobs that are done.")?;
/// family.sample(&[("queue", "night")], 7.0)?;
/// let expected = "# HELP jobs_total Jobs that are done.\n# TYPE jobs_total counter\njobs_total{queue=\"night\"} 7\n";
/// assert_eq!(page.into_text(), expected);
/// # Ok::<(), xs_net::observe::InvalidMetric>(())
/// ```
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
    families: BTreeSet<String>,
}

/// A metric whose samples are being written.
#[derive(Debug)]
pub struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

impl Exposition {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a metric. Its samples follow, and each must have other labels: that is not checked.
    ///
    /// # Errors
    ///
    /// It has no good name, or was begun before.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Result<Family<'a>, InvalidMetric> {
        if !is_name(name, true) {
            return Err(InvalidMetric::Name(name.into()));
        }
        if !self.families.insert(name.into()) {
            return Err(InvalidMetric::Repeated(name.into()));
        }
        if !help.is_empty() {
            self.text.push_str("# HELP ");
            self.text.push_str(name);
            self.text.push(' ');
            escape(help, false, &mut self.text);
            self.text.push('\n');
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        put(&mut self.text, format_args!("# TYPE {name} {kind}\n"));
        Ok(Family { text: &mut self.text, name })
    }

    /// What has been written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What has been written.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    /// A sample of a counter or a gauge.
    ///
    /// # Errors
    ///
    /// A label has no good name; nothing was written.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: f64) -> Result<(), InvalidMetric> {
        self.check(labels)?;
        self.line("", labels, None, value);
        Ok(())
    }

    /// A histogram with these upper bounds, ascending, and one bucket more that has no bound. `unit` is how many of the histogram's
    /// values make one of what is written: 10⁹ for nanoseconds that are written as seconds.
    ///
    /// A value that lies below a bound by less than a 32nd may be counted above it ([`Histogram::at_most`]).
    ///
    /// # Errors
    ///
    /// A label has no good name; nothing was written.
    pub fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        histogram: &Histogram,
        bounds: &[f64],
        unit: f64,
    ) -> Result<(), InvalidMetric> {
        self.check(labels)?;
        for &bound in bounds {
            // A bound beyond every value is told as such: the conversion saturates.
            let count = histogram.at_most((bound * unit).round() as u64);
            self.line("_bucket", labels, Some(bound), count as f64);
        }
        self.line("_bucket", labels, Some(f64::INFINITY), histogram.count() as f64);
        self.line("_sum", labels, None, histogram.sum() as f64 / unit);
        self.line("_count", labels, None, histogram.count() as f64);
        Ok(())
    }

    fn check(&self, labels: &[(&str, &str)]) -> Result<(), InvalidMetric> {
        let bad = labels.iter().find(|(name, _)| !is_name(name, false) || *name == "le" || name.starts_with("__"));
        bad.map_or(Ok(()), |(name, _)| Err(InvalidMetric::Name((*name).into())))
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], bound: Option<f64>, value: f64) {
        let text = &mut *self.text;
        text.push_str(self.name);
        text.push_str(suffix);
        let mut before = '{';
        for (name, value) in labels {
            text.push(before);
            text.push_str(name);
            text.push_str("=\"");
            escape(value, true, text);
            text.push('"');
            before = ',';
        }
        if let Some(bound) = bound {
            text.push(before);
            put(text, format_args!("le=\"{}\"", Number(bound)));
            before = ',';
        }
        if before == ',' {
            text.push('}');
        }
        put(text, format_args!(" {}\n", Number(value)));
    }
}

/// A number as Go reads it.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            value if value.is_nan() => f.write_str("NaN"),
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            value => value.fmt(f),
        }
    }
}

/// Writing to memory does not fail.
fn put(text: &mut String, what: fmt::Arguments<'_>) {
    let _ = text.write_fmt(what);
}

fn is_name(name: &str, colon: bool) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || (colon && byte == b':');
    name.bytes().all(good) && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

fn escape(value: &str, quoted: bool, text: &mut String) {
    for char in value.chars() {
        match char {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quoted => text.push_str("\\\""),
            _ => text.push(char),
        }
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use crate::histogram::nanos;
    use proptest::prelude::*;

    #[test]
    fn a_histogram_is_written_cumulatively_with_its_sum_and_count() {
        let mut histogram = Histogram::new();
        for millis in [1, 2, 2, 40, 30_000] {
            histogram.record(nanos(Duration::from_millis(millis)));
        }
        let mut page = Exposition::new();
        let mut family = page.family("xs_took_seconds", Kind::Histogram, "How long.\nTruly: \\").unwrap();
        family.histogram(&[("name", "a \"b\"\n\\")], &histogram, &[0.0015, 0.005, 0.05, 10.0], NANOSECONDS).unwrap();
        let label = r#"name="a \"b\"\n\\""#;
        let expected = format!(
            "# HELP xs_took_seconds How long.\\nTruly: \\\\\n# TYPE xs_took_seconds histogram\n\
             xs_took_seconds_bucket{{{label},le=\"0.0015\"}} 1\nxs_took_seconds_bucket{{{label},le=\"0.005\"}} 3\n\
             xs_took_seconds_bucket{{{label},le=\"0.05\"}} 4\nxs_took_seconds_bucket{{{label},le=\"10\"}} 4\n\
             xs_took_seconds_bucket{{{label},le=\"+Inf\"}} 5\nxs_took_seconds_sum{{{label}}} 30.045\n\
             xs_took_seconds_count{{{label}}} 5\n"
        );
        assert_eq!(page.into_text(), expected);
    }

    #[test]
    fn numbers_are_as_go_reads_them_and_names_are_checked() {
        let mut page = Exposition::new();
        let mut family = page.family("a:b_1", Kind::Gauge, "").unwrap();
        for value in [0.5, -3.0, 1e21, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            family.sample(&[], value).unwrap();
        }
        for name in ["", "1a", "a-b", "é", "a:b", "le", "__name__"] {
            assert_eq!(family.sample(&[(name, "")], 0.0), Err(InvalidMetric::Name(name.into())));
        }
        let lines: Vec<&str> = page.text().lines().collect();
        let values: Vec<&str> = lines[1..].iter().map(|line| line.strip_prefix("a:b_1 ").unwrap()).collect();
        assert_eq!(values, ["0.5", "-3", "1000000000000000000000", "NaN", "+Inf", "-Inf"]);
        assert_eq!(page.family("a:b_1", Kind::Gauge, "").unwrap_err(), InvalidMetric::Repeated("a:b_1".into()));
        assert_eq!(page.family("1", Kind::Gauge, "").unwrap_err(), InvalidMetric::Name("1".into()));
    }

    proptest! {
        #[test]
        fn a_label_says_what_it_was_given_and_stays_in_its_line(value: String) {
            let mut page = Exposition::new();
            page.family("m", Kind::Counter, "").unwrap().sample(&[("l", &value)], 1.0).unwrap();
            let written = page.text().strip_prefix("# TYPE m counter\nm{l=\"").unwrap().strip_suffix("\"} 1\n").unwrap();
            prop_assert!(!written.contains('\n'));
            let (mut read, mut chars) = (String::new(), written.chars());
            while let Some(char) = chars.next() {
                prop_assert_ne!(char, '"', "nothing ends the value before its end");
                read.push(match char {
                    '\\' => match chars.next() {
                        Some('n') => '\n',
                        Some(char @ ('"' | '\\')) => char,
                        other => panic!("{other:?} behind a backslash"),
                    },
                    char => char,
                });
            }
            prop_assert_eq!(read, value);
        }
    }
}
