//! Numbers in arguments, as strictly as Redis reads them.

use xs_proto::resp::{HexFloat, LongDouble};

use crate::fault::Fault;

/// A 64-bit integer in canonical form: no sign but `-`, no leading zeros, no spaces.
#[inline]
pub(crate) fn int(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut value: u64 = 0;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u64::from(digit - b'0');
    }
    match negative {
        false => i64::try_from(value).ok(),
        true if value <= i64::MIN.unsigned_abs() => Some((value as i64).wrapping_neg()),
        true => None,
    }
}

/// A float as the commands take it: what `strtod` reads to the end, but nothing empty, no spaces, no NaN, and no number
/// that is too large or too small to be told from infinity or zero.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    let value = strtod(text)?;
    let fits = match value {
        0.0 => is_zero(text),
        _ => value.is_finite() || text.trim_start_matches(['+', '-']).starts_with(['i', 'I']),
    };
    fits.then_some(value)
}

/// A float as the ends of score ranges take it: whatever C's `strtod` makes of the text. Spaces may come first, nothing
/// at all is zero, and a number that is too large is infinite.
pub(crate) fn loose_float(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.is_empty() {
        return Some(0.0);
    }
    let spaces = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t'..=b'\r')).count();
    strtod(std::str::from_utf8(&text[spaces..]).ok()?)
}

/// A number in decimal or hexadecimal, or infinity; not NaN.
fn strtod(text: &str) -> Option<f64> {
    let value = HexFloat::parse(text.as_bytes()).map(f64::from).or_else(|| text.parse().ok())?;
    (!value.is_nan()).then_some(value)
}

/// Whether a number says zero, and doesn't only come out as that.
fn is_zero(text: &str) -> bool {
    match HexFloat::parse(text.as_bytes()) {
        Some(hex) => hex.is_zero(),
        None => !text.bytes().take_while(|byte| !matches!(byte, b'e' | b'E')).any(|byte| matches!(byte, b'1'..=b'9')),
    }
}

/// A timeout in seconds, as the blocking commands take it.
pub(crate) fn timeout(text: &[u8]) -> Result<f64, Fault> {
    let Some(seconds) = float(text) else {
        // Redis reads it with more range than a double has.
        return Err(LongDouble::parse(text).map_or(Fault::TIMEOUT_NOT_A_FLOAT, |_| Fault::TIMEOUT_NEGATIVE));
    };
    // Redis computes in 64-bit milliseconds, and what doesn't fit comes out negative.
    if !(0.0..i64::MAX as f64).contains(&(seconds * 1000.0)) {
        return Err(Fault::TIMEOUT_NEGATIVE);
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_in_canonical_form_only() {
        for (text, value) in
            [("0", 0), ("-1", -1), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(int(text.as_bytes()), Some(value));
        }
        for text in [
            "",
            "-",
            "-0",
            "01",
            "+1",
            " 1",
            "1 ",
            "1a",
            "9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999",
        ] {
            assert_eq!(int(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn floats_are_what_strtod_takes_without_nan_and_overflow() {
        assert_eq!(float(b"3.0e3"), Some(3000.0));
        assert_eq!(float(b"-inf"), Some(f64::NEG_INFINITY));
        assert_eq!(float(b"+INFINITY"), Some(f64::INFINITY));
        for text in
            ["", "nan", " 1", "1 ", "1e999", "1e-999", "abc", "0x", "0x1p", "0x1p9999", "0x1p-9999", "1e", "5\0"]
        {
            assert_eq!(float(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(float(b"0e5"), Some(0.0));
        assert_eq!(float(b"-0x10"), Some(-16.0));
        assert_eq!(float(b"0x.8p1"), Some(1.0));
        assert_eq!(float(b"0x0p9"), Some(0.0));
    }

    #[test]
    fn the_ends_of_ranges_are_read_loosely() {
        for (text, value) in
            [("", 0.0), ("  1", 1.0), ("1e999", f64::INFINITY), ("1e-999", 0.0), ("5\0x", 5.0), ("0x1p-9999", 0.0)]
        {
            assert_eq!(loose_float(text.as_bytes()), Some(value), "{text:?}");
        }
        for text in ["nan", "1 ", "abc", "  "] {
            assert_eq!(loose_float(text.as_bytes()), None, "{text:?}");
        }
    }
}
