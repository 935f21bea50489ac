//! Times as people write them: `250us`, `1.5ms`, `1ms..5ms`.

use serde::{Deserialize, Deserializer, de::Error as _};
use xs_os::sched::{LONGEST, Time};

/// Reads a time: a number, which may have a point, and `ns`, `us` (or `µs`), `ms`, `s`, `m` or `h`.
///
/// # Errors
///
/// What is wrong, as a sentence.
pub fn duration(text: &str) -> Result<Time, String> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let scale: Time = match unit.trim() {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(format!("{text:?} has no unit: write 5ms, 250us or 1.5s")),
        other => return Err(format!("{other:?} is no unit of time: there are ns, us, ms, s, m and h")),
    };
    let wrong = || format!("{number:?} is no number");
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && part.is_empty() || part.contains('.') {
        return Err(wrong());
    }
    let digits = |text: &str| if text.is_empty() { Ok(0) } else { text.parse::<u64>().map_err(|_| wrong()) };
    // What is finer than a nanosecond is cut off.
    let part: String = part.chars().take(12).collect();
    let fraction = u128::from(digits(&part)?) * u128::from(scale) / 10_u128.pow(part.len() as u32);
    let nanos = u128::from(digits(whole)?) * u128::from(scale) + fraction;
    match Time::try_from(nanos) {
        Ok(nanos) if nanos <= LONGEST => Ok(nanos),
        _ => Err(format!("{text:?} is more than 11 days")),
    }
}

/// A time in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nanos(pub(crate) Time);

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        duration(&String::deserialize(from)?).map(Nanos).map_err(D::Error::custom)
    }
}

/// A time in a file, or two with two dots between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span(pub(crate) xs_os::sched::Span);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let (min, max) = text.split_once("..").unwrap_or((&text, &text));
        let (min, max) = (duration(min).map_err(D::Error::custom)?, duration(max).map_err(D::Error::custom)?);
        if min > max {
            return Err(D::Error::custom(format!("{text:?} ends before it begins")));
        }
        Ok(Span(xs_os::sched::Span::between(min, max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_exactly() {
        let good = [
            ("5ms", 5_000_000),
            ("1.5us", 1_500),
            ("0.000000001s", 1),
            ("2m", 120_000_000_000),
            (" 7 ns ", 7),
            (".5s", 500_000_000),
        ];
        for (text, nanos) in good {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_said() {
        let bad = [
            ("5", "no unit"),
            ("ms", "no number"),
            ("1.2.3s", "no number"),
            ("5 parsecs", "no unit of time"),
            ("-1s", "no unit of time"),
            ("99999999999999999999s", "no number"),
            ("1000h", "11 days"),
            ("", "no unit"),
        ];
        for (text, because) in bad {
            assert!(duration(text).unwrap_err().contains(because), "{text}: {:?}", duration(text));
        }
    }
}
