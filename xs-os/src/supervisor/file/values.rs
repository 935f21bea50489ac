//! Values of one word: truth, times, sizes, numbers.

use std::time::Duration;

pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "y" | "true" | "t" | "on" => Ok(true),
        "0" | "no" | "n" | "false" | "f" | "off" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

/// Units of time with their microseconds, the longer names first where one begins with another.
const UNITS: [(&str, u64); 31] = [
    ("seconds", SECOND),
    ("second", SECOND),
    ("sec", SECOND),
    ("s", SECOND),
    ("minutes", 60 * SECOND),
    ("minute", 60 * SECOND),
    ("min", 60 * SECOND),
    ("months", 2_629_800 * SECOND),
    ("month", 2_629_800 * SECOND),
    ("M", 2_629_800 * SECOND),
    ("msec", 1000),
    ("ms", 1000),
    ("m", 60 * SECOND),
    ("hours", 3600 * SECOND),
    ("hour", 3600 * SECOND),
    ("hr", 3600 * SECOND),
    ("h", 3600 * SECOND),
    ("days", 86_400 * SECOND),
    ("day", 86_400 * SECOND),
    ("d", 86_400 * SECOND),
    ("weeks", 604_800 * SECOND),
    ("week", 604_800 * SECOND),
    ("w", 604_800 * SECOND),
    ("years", 31_557_600 * SECOND),
    ("year", 31_557_600 * SECOND),
    ("y", 31_557_600 * SECOND),
    ("usec", 1),
    ("us", 1),
    ("μs", 1),
    ("µs", 1),
    ("", SECOND),
];
const SECOND: u64 = 1_000_000;

/// A span such as `1min 30s`, `1.5h` or `5` (seconds); `None` for `infinity`.
///
/// ```
/// use std::time::Duration;
/// use xs_os::supervisor::time_span;
///
/// assert_eq!(time_span("1min 30s"), Ok(Some(Duration::from_secs(90))));
/// assert_eq!(time_span("infinity"), Ok(None));
/// assert!(time_span("soon").is_err());
/// ```
///
/// # Errors
///
/// Why it is none.
pub fn time_span(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("{text:?} is no time span");
    let mut rest = text.trim();
    if rest == "infinity" {
        return Ok(None);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut micros = 0_u64;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        // A number begins with a digit or with a dot that digits follow.
        if number.is_empty() || part.contains('.') || (number.contains('.') && part.is_empty()) {
            return Err(wrong());
        }
        let after = after.trim_start();
        let end = after.find(|c: char| !c.is_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(end);
        let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale).ok_or_else(wrong)?;
        let digits = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<u64>().map_err(|_| wrong()) };
        // What is finer than a microsecond of the longest unit is cut off.
        let part = part.get(..part.len().min(13)).unwrap_or_default();
        let fraction = u128::from(digits(part)?) * u128::from(scale) / 10_u128.pow(part.len() as u32);
        let amount = digits(whole)?.checked_mul(scale).and_then(|whole| whole.checked_add(fraction as u64));
        micros = amount.and_then(|amount| micros.checked_add(amount)).ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    Ok(Some(Duration::from_micros(micros)))
}

/// A span that cannot be endless.
pub(super) fn finite(text: &str) -> Result<Duration, String> {
    time_span(text)?.ok_or_else(|| "infinity makes no sense here".into())
}

/// A timeout: `infinity` and 0 are none.
pub(super) fn timeout(text: &str) -> Result<Option<Duration>, String> {
    Ok(time_span(text)?.filter(|span| !span.is_zero()))
}

/// Bytes such as `512M` or `1.5G`, by 1024; `None` for `infinity`.
pub(super) fn size(text: &str) -> Result<Option<u64>, String> {
    if text == "infinity" {
        return Ok(None);
    }
    let wrong = || format!("{text:?} is no size");
    let (number, shift) = match text.char_indices().last() {
        Some((at, unit)) if !unit.is_ascii_digit() => {
            let shift = "BKMGTPE".find(unit).ok_or_else(wrong)? as u32 * 10;
            (text.get(..at).unwrap_or_default().trim_end(), shift)
        }
        _ => (text, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 || !part.chars().all(|c| c.is_ascii_digit()) {
        return Err(wrong());
    }
    let whole = whole.parse::<u64>().map_err(|_| wrong())?;
    let part = if part.is_empty() { 0 } else { part.parse::<u64>().map_err(|_| wrong())? << shift.min(33) };
    let part = part / 10_u64.pow(number.split_once('.').map_or(0, |(_, part)| part.len() as u32));
    let part = part.checked_shl(shift.saturating_sub(33)).ok_or_else(wrong)?;
    whole.checked_mul(1 << shift).and_then(|whole| whole.checked_add(part)).map(Some).ok_or_else(wrong)
}

/// A percentage such as `20%`, as hundredths.
pub(super) fn percent(text: &str) -> Result<u32, String> {
    let number = text.strip_suffix('%').map(str::trim_end);
    number.and_then(|number| number.parse().ok()).filter(|n| *n > 0).ok_or_else(|| format!("{text:?} is no percentage"))
}

/// Permissions such as `0644`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777).ok_or_else(|| format!("{text:?} is no mode"))
}

/// A number within bounds.
pub(super) fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display>(
    text: &str,
    least: N,
    most: N,
) -> Result<N, String> {
    let number = text.parse::<N>().ok().filter(|n| *n >= least && *n <= most);
    number.ok_or_else(|| format!("{text:?} is no number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums() {
        let micros = |text: &str| time_span(text).unwrap().unwrap().as_micros();
        for (text, expected) in [
            ("5", 5_000_000),
            ("1min 30s", 90_000_000),
            ("1.5h", 5_400_000_000),
            ("2ms 3us", 2003),
            ("1h30", 3_630_000_000),
            (".5s", 500_000),
            ("1d 2 weeks", 1_296_000_000_000),
            ("0", 0),
            ("10 m", 600_000_000),
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        for text in
            ["", " ", "s", "1.2.3", "1.", "1 parsec", "-1", "999999999999999y", ".", "infinity 1s", "1s infinity"]
        {
            assert!(time_span(text).is_err(), "{text}");
        }
        assert_eq!(timeout("0"), Ok(None));
    }

    #[test]
    fn sizes_are_by_1024() {
        for (text, expected) in [
            ("0", 0),
            ("512", 512),
            ("1K", 1024),
            ("1.5G", 3 << 29),
            ("7T", 7 << 40),
            ("0.5E", 1 << 59),
            ("10 M", 10 << 20),
        ] {
            assert_eq!(size(text), Ok(Some(expected)), "{text}");
        }
        for text in ["", "K", "1Q", "-1", "99999999E", "1.x", "1.1234567890K", "1µ"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert_eq!((percent("20%"), mode("0644")), (Ok(20), Ok(0o644)));
        assert!(percent("x%").is_err() && mode("9").is_err() && number("7", 0, 6).is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    #[ignore = "needs systemd-analyze"]
    fn systemd_reads_the_same_times() {
        for text in [
            "5",
            "1min 30s",
            "1.5h",
            "2ms 3us",
            "1h30",
            ".5s",
            "1d 2 weeks",
            "3months",
            "1y",
            "0.000001s",
            "1M 1m",
            "7 usec",
        ] {
            let output = std::process::Command::new("systemd-analyze").args(["timespan", text]).output().unwrap();
            let said = String::from_utf8(output.stdout).unwrap();
            let line = said.lines().find(|line| line.trim_start().starts_with("μs:")).unwrap();
            let micros: u128 = line.split_once(':').unwrap().1.trim().parse().unwrap();
            assert_eq!(time_span(text).unwrap().unwrap().as_micros(), micros, "{text}");
        }
        for text in ["", "1.2.3", "1 parsec", "-1", "s"] {
            let output = std::process::Command::new("systemd-analyze").args(["timespan", "--", text]).output().unwrap();
            assert!(!output.status.success() && time_span(text).is_err(), "{text}");
        }
    }
}
