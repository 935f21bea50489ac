//! Numbers in arguments, as strictly as Redis reads them.

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

/// A float as `strtod` reads it, without surrounding spaces, and not NaN.
pub(crate) fn float(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.len() > 256 {
        return None;
    }
    let value = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok()? as f64,
        None => text.parse::<f64>().ok()?,
    };
    // `strtod` reports an overflow; only a spelled-out infinity is one.
    let spelled = text.trim_start_matches(['+', '-']).get(..3).is_some_and(|s| s.eq_ignore_ascii_case("inf"));
    (!value.is_nan() && (value.is_finite() || spelled)).then_some(value)
}

/// A timeout in seconds, as the blocking commands take it.
pub(crate) fn timeout(text: &[u8]) -> Result<f64, crate::fault::Fault> {
    use crate::fault::Fault;
    let seconds = float(text).ok_or(Fault::TIMEOUT_NOT_A_FLOAT)?;
    if !seconds.is_finite() || seconds * 1000.0 > i64::MAX as f64 {
        return Err(Fault::new("ERR timeout is out of range"));
    }
    if seconds < 0.0 {
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
        for text in ["", "nan", " 1", "1 ", "1e999", "abc"] {
            assert_eq!(float(text.as_bytes()), None, "{text:?}");
        }
    }
}
