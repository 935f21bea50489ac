//! [`HexFloat`]: a number in the hexadecimal notation of C, before it is rounded to any precision.
//!
//! C's `strtod` and `strtold` take `0x1.8p3` wherever they take `12`, so Redis does, in scores, increments and timeouts
//! alike. The two precisions round the same digits differently, and rounding twice is wrong, so the digits are kept whole
//! here and rounded once, by whoever knows the precision.

/// A number in hexadecimal: `bits * 2^exponent`, and a little more when `sticky`.
///
/// ```
/// use xs_proto::resp::HexFloat;
///
/// assert_eq!(HexFloat::parse(b"-0x1.8p3").map(f64::from), Some(-12.0));
/// assert_eq!(HexFloat::parse(b"12"), None); // that is decimal
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HexFloat {
    pub(super) negative: bool,
    /// The first digits that aren't zero, as many as fit.
    pub(super) bits: u128,
    /// One of the digits behind those isn't zero.
    pub(super) sticky: bool,
    pub(super) exponent: i32,
}

/// Exponents are stopped here, far outside of what any float can hold, so that they can be added up.
const FAR: i64 = 1 << 24;

impl HexFloat {
    /// Reads a sign perhaps, `0x`, hexadecimal digits with a point perhaps, and `p` with a decimal exponent of two
    /// perhaps. The whole text must be the number.
    pub fn parse(text: &[u8]) -> Option<HexFloat> {
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        let [b'0', b'x' | b'X', text @ ..] = text else { return None };
        let (mut bits, mut sticky, mut exponent) = (0_u128, false, 0_i64);
        let (mut seen, mut behind_point) = (false, false);
        let mut rest = text;
        while let [byte, tail @ ..] = rest {
            match (byte, (*byte as char).to_digit(16)) {
                (b'.', _) if !behind_point => behind_point = true,
                (_, Some(digit)) => {
                    seen = true;
                    let has_room = bits >> 124 == 0;
                    if has_room {
                        bits = bits << 4 | u128::from(digit);
                    } else {
                        sticky |= digit != 0;
                    }
                    exponent += 4 * (i64::from(!has_room) - i64::from(behind_point));
                }
                _ => break,
            }
            rest = tail;
        }
        let power = match rest {
            [] => 0,
            [b'p' | b'P', power @ ..] => decimal(power)?,
            _ => return None,
        };
        let exponent = (exponent + power).clamp(-FAR, FAR) as i32;
        seen.then_some(HexFloat { negative, bits, sticky, exponent })
    }

    /// Whether it is zero before any rounding.
    pub fn is_zero(&self) -> bool {
        self.bits == 0
    }
}

/// An exponent: a sign perhaps, and digits.
fn decimal(text: &[u8]) -> Option<i64> {
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // So far outside that the digits of the longest text couldn't bring it back.
    const FARTHEST: i64 = 1 << 40;
    let value = digits.iter().fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(FARTHEST));
    Some(sign * value)
}

impl From<HexFloat> for f64 {
    /// To the nearest, ties to even; infinite when it is too large, zero when it is too small.
    fn from(hex: HexFloat) -> f64 {
        let sign = if hex.negative { -1.0 } else { 1.0 };
        if hex.bits == 0 {
            return sign * 0.0;
        }
        // The number lies between 2^top and twice that. Below 2^-1022 there are fewer and fewer bits.
        let width = 128 - hex.bits.leading_zeros() as i32;
        let top = width - 1 + hex.exponent;
        let precision = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
        if top > 1023 || precision < 0 {
            return sign * if top > 1023 { f64::INFINITY } else { 0.0 };
        }
        let cut = width - precision;
        let significand = match cut {
            // More bits are asked for than there are; nothing stands behind them, or they'd be more.
            ..=0 => hex.bits << -cut,
            _ => {
                let (kept, rest) = match cut {
                    128 => (0, hex.bits),
                    _ => (hex.bits >> cut, hex.bits & ((1 << cut) - 1)),
                };
                let half = 1_u128 << (cut - 1);
                kept + u128::from(rest > half || (rest == half && (hex.sticky || kept & 1 == 1)))
            }
        };
        sign * significand as f64 * power_of_two(hex.exponent + cut)
    }
}

/// `2^exponent`, for exponents from -1074 to 1023.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(match exponent {
        -1022.. => ((exponent + 1023) as u64) << 52,
        _ => 1 << (exponent + 1074),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<f64> {
        HexFloat::parse(text.as_bytes()).map(f64::from)
    }

    #[test]
    fn what_strtod_takes_and_no_more() {
        for (text, value) in [
            ("0x10", 16.0),
            ("-0X10", -16.0),
            ("+0x.8p1", 1.0),
            ("0x1.", 1.0),
            ("0x1P-3", 0.125),
            ("0x1.921fb54442d18p+1", std::f64::consts::PI),
            ("0x0p99999999999999999999", 0.0),
            ("0x1p99999999999999999999", f64::INFINITY),
            ("0x1p-99999999999999999999", 0.0),
            ("0x1.fffffffffffff7p1023", f64::MAX),
            ("0x1.fffffffffffff8p1023", f64::INFINITY),
            ("0x1p-1074", 5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1075", 5e-324),
            // A tie goes to the even one, unless anything at all stands behind it.
            ("0x1.00000000000008", 1.0),
            ("0x1.000000000000080000000000000000000000000000000001", 1.0 + f64::EPSILON),
            ("0x1.00000000000018", 1.0 + 2.0 * f64::EPSILON),
        ] {
            assert_eq!(read(text), Some(value), "{text}");
        }
        for text in
            ["", "10", "0x", "0x.", "0x.p1", "0x1p", "0x1p+", "0x1p3x", "0x1g", "0x+1", "0x1.1.1", " 0x1", "0x1 "]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
        let long = format!("0x{}1p{}", "0".repeat(500), 4);
        assert_eq!(read(&long), Some(16.0));
        assert_eq!(read(&format!("0x1{}p-2000", "0".repeat(500))), Some(1.0));
    }

    proptest! {
        #[test]
        fn every_double_is_read_back(value in any::<f64>().prop_filter("finite", |value| value.is_finite())) {
            let bits = value.to_bits();
            let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
            let (first, power) = if exponent == 0 { (0, -1022) } else { (1, exponent - 1023) };
            let sign = if value.is_sign_negative() { "-" } else { "" };
            prop_assert_eq!(read(&format!("{sign}0x{first}.{fraction:013x}p{power}")), Some(value));
        }

        #[test]
        fn integers_round_as_the_compiler_rounds_them(value: u128) {
            prop_assert_eq!(read(&format!("0x{value:x}")), Some(value as f64));
        }

        #[test]
        fn no_text_panics(text in "[-+]?0x[0-9a-f.]{0,50}(p[-+]?[0-9]{0,6})?") {
            let _ = read(&text);
        }
    }
}
