//! How things are shown to people.

use std::fmt::Write;
use std::time::Duration;

/// A span as systemd shows it, to the second from a minute on: `1min 30s`, `250ms`.
pub(super) fn span(span: Duration) -> String {
    const UNITS: [(&str, u64); 7] = [
        ("y", 31_557_600_000),
        ("month", 2_629_800_000),
        ("w", 604_800_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("min", 60_000),
        ("s", 1000),
    ];
    let mut millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    if millis >= 60_000 {
        millis -= millis % 1000;
    }
    let mut out = String::new();
    for (unit, length) in UNITS {
        let (count, rest) = (millis / length, millis % length);
        if unit == "s" && count > 0 && rest > 0 {
            let _ = write!(out, " {count}.{rest:03}s");
            return out.trim_start().to_owned();
        }
        if count > 0 {
            let s = if unit == "month" && count > 1 { "s" } else { "" };
            let _ = write!(out, " {count}{unit}{s}");
        }
        millis = rest;
    }
    if millis > 0 || out.is_empty() {
        let _ = write!(out, " {millis}ms");
    }
    out.trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (millis, text) in
            [(0, "0ms"), (250, "250ms"), (1500, "1.500s"), (90_500, "1min 30s"), (3_600_000, "1h"), (5000, "5s")]
        {
            assert_eq!(span(Duration::from_millis(millis)), text);
        }
    }
}
