//! Numbers as text, exactly as Redis reads and prints them.

use std::fmt::Write;

/// Reads a canonical decimal `i64`: no sign but `-`, no leading zeros, no `-0`, nothing else around it. This is the
/// form in which an integer, printed again, gives the same bytes.
///
/// ```
/// use xs_proto::resp::parse_i64;
/// assert_eq!(parse_i64(b"-42"), Some(-42));
/// assert_eq!(parse_i64(b"+42"), None);
/// assert_eq!(parse_i64(b"042"), None);
/// ```
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'0'] => return Some(0),
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    // Nineteen digits fit into a u64 whatever they are.
    if !matches!(digits, [b'1'..=b'9', ..]) || digits.len() > 19 {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    match negative {
        false => i64::try_from(value).ok(),
        true if value <= 1 << 63 => Some((value as i64).wrapping_neg()),
        true => None,
    }
}

/// Reads a double as RESP3 writes it: decimal digits with an optional fraction and exponent, `inf`, `-inf` or `nan`.
pub fn parse_double(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"+inf" => return Some(f64::INFINITY),
        b"-inf" => return Some(f64::NEG_INFINITY),
        b"nan" | b"-nan" => return Some(f64::NAN),
        _ => {}
    }
    if !text.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Appends `value` as C's `%.17g` prints it, which is how Redis 7.0 shows scores and coordinates: seventeen
/// significant digits, no trailing zeros, an exponent below 1e-4 and from 1e17 up.
///
/// Seventeen digits always suffice to read the same number again. They are more than needed: 3.1 becomes
/// `3.1000000000000001`, the neighbourhood of 3.1 that a double can express.
///
/// ```
/// use xs_proto::resp::format_double;
/// let text = |value| { let mut text = Vec::new(); format_double(value, &mut text); String::from_utf8(text).unwrap() };
/// assert_eq!(text(3.0), "3");
/// assert_eq!(text(3.1), "3.1000000000000001");
/// assert_eq!(text(1e20), "1e+20");
/// assert_eq!(text(f64::NEG_INFINITY), "-inf");
/// ```
pub fn format_double(value: f64, text: &mut Vec<u8>) {
    // Scores are integers most of the time, and below 1e17 their form is that of an integer. Minus zero keeps its sign.
    if value.abs() < 1e17 && value as i64 as f64 == value && !(value == 0.0 && value.is_sign_negative()) {
        text.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
        return;
    }
    if !value.is_finite() {
        let name: &[u8] = match value {
            f64::INFINITY => b"inf",
            f64::NEG_INFINITY => b"-inf",
            _ => b"nan",
        };
        text.extend_from_slice(name);
        return;
    }
    // One digit, a point, sixteen digits, `e` and the exponent: never more than 23 bytes.
    let mut scientific = Short { bytes: [0; 32], len: 0 };
    let _ = write!(scientific, "{:.16e}", value.abs());
    let mut digits = [b'0'; 17];
    digits[0] = scientific.bytes[0];
    digits[1..].copy_from_slice(&scientific.bytes[2..18]);
    let exponent = scientific.bytes[19..scientific.len].iter().fold(0, |exponent: i32, b| match b {
        b'0'..=b'9' => exponent * 10 + i32::from(b - b'0'),
        _ => exponent,
    });
    let exponent = if scientific.bytes[19] == b'-' { -exponent } else { exponent };
    let significant = digits.iter().rposition(|b| *b != b'0').map_or(1, |last| last + 1);
    let digits = &digits[..significant];
    if value.is_sign_negative() {
        text.push(b'-');
    }
    if !(-4..17).contains(&exponent) {
        text.push(digits[0]);
        if significant > 1 {
            text.push(b'.');
            text.extend_from_slice(&digits[1..]);
        }
        text.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
        if exponent.abs() < 10 {
            text.push(b'0');
        }
        text.extend_from_slice(itoa::Buffer::new().format(exponent.abs()).as_bytes());
    } else if exponent < 0 {
        text.extend_from_slice(b"0.");
        text.resize(text.len() + (-exponent - 1) as usize, b'0');
        text.extend_from_slice(digits);
    } else {
        let integral = exponent as usize + 1;
        text.extend_from_slice(&digits[..integral.min(significant)]);
        text.resize(text.len() + integral.saturating_sub(significant), b'0');
        if significant > integral {
            text.push(b'.');
            text.extend_from_slice(&digits[integral..]);
        }
    }
}

/// A few bytes of text on the stack.
struct Short {
    bytes: [u8; 32],
    len: usize,
}

impl Write for Short {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let room = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(std::fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(value: f64) -> String {
        let mut text = Vec::new();
        format_double(value, &mut text);
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn doubles_look_as_c_prints_them_with_17_digits() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-3.0, "-3"),
            (3.1, "3.1000000000000001"),
            (0.1, "0.10000000000000001"),
            (-0.25, "-0.25"),
            (1.0 / 3.0, "0.33333333333333331"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012344999999999999"),
            (0.00001, "1.0000000000000001e-05"),
            (123456.789, "123456.789"),
            (99999999999999984.0, "99999999999999984"),
            (1e17, "1e+17"),
            (1.5e17, "1.5e+17"),
            (1e21, "1e+21"),
            (1e100, "1e+100"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "4.9406564584124654e-324"),
            (9007199254740993.0, "9007199254740992"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "nan"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(value), expected);
        }
    }

    #[test]
    fn integers_are_canonical_or_nothing() {
        let good: [(&[u8], i64); 6] = [
            (b"0", 0),
            (b"7", 7),
            (b"-1", -1),
            (b"9223372036854775807", i64::MAX),
            (b"-9223372036854775808", i64::MIN),
            (b"1000000000000000000", 1_000_000_000_000_000_000),
        ];
        for (text, value) in good {
            assert_eq!(parse_i64(text), Some(value));
        }
        let bad = ["", "-", "-0", "00", "01", "+1", " 1", "1 ", "1a", "9223372036854775808", "-9223372036854775809"];
        for text in bad {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_i64(b"99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn printed_doubles_read_back_the_same(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back = parse_double(text(value).as_bytes()).unwrap();
            prop_assert!(back.to_bits() == bits || (value.is_nan() && back.is_nan()));
        }

        #[test]
        fn printed_integers_read_back_the_same(value in any::<i64>()) {
            prop_assert_eq!(parse_i64(value.to_string().as_bytes()), Some(value));
        }
    }
}
