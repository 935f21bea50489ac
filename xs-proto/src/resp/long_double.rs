//! [`LongDouble`]: the 80-bit numbers in which Redis adds.
//!
//! `INCRBYFLOAT` computes in C's `long double`, which on x86 has 64 bits of significand, and prints seventeen decimals.
//! This is why 10.5 + 0.1 is `10.6` there, where doubles would say `10.59999999999999964`, and why 1234567.1 + 0.1 is
//! `1234567.20000000000004547`. Whoever wants to answer the same must compute the same. Rust has no such type, so this
//! is one in integers: reading, one operation and printing, each exact and rounded once, to the nearest, ties to even.

use std::fmt::{self, Display};
use std::ops::Add;

use super::hex_float::HexFloat;

/// A number with 64 significant bits and the range of x86's extended precision. Prints as Redis prints a number for
/// people: up to seventeen decimals, without trailing zeros and never with an exponent.
///
/// ```
/// use xs_proto::resp::LongDouble;
///
/// let sum = LongDouble::parse(b"10.5").unwrap() + LongDouble::parse(b"0.1").unwrap();
/// assert_eq!(sum.to_string(), "10.6");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongDouble {
    negative: bool,
    /// Its highest bit is set unless the number is zero.
    significand: u64,
    /// The number is `significand * 2^exponent`.
    exponent: i32,
    finite: bool,
}

/// Redis reads no longer numbers.
const MAX_TEXT: usize = 5 * 1024;
/// The exponent of the largest numbers, with the significand read as an integer.
const MAX_EXPONENT: i32 = 16383 - 63;
/// Below this not even one bit is left.
const MIN_EXPONENT: i32 = -16445 - 63;

impl LongDouble {
    const ZERO: LongDouble = LongDouble { negative: false, significand: 0, exponent: 0, finite: true };

    /// Reads decimal digits with an optional sign, fraction and exponent, a [`HexFloat`], or `inf`. Numbers too large or
    /// too small for the range are refused, as Redis refuses them.
    pub fn parse(text: &[u8]) -> Option<LongDouble> {
        if text.len() >= MAX_TEXT {
            return None;
        }
        if let Some(hex) = HexFloat::parse(text) {
            let value = Self::rounded(hex.negative, hex.bits, hex.sticky, hex.exponent);
            return (value.finite && (hex.is_zero() || value.significand != 0)).then_some(value);
        }
        let (negative, rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(LongDouble { negative, finite: false, ..Self::ZERO });
        }
        let (digits, scale) = match rest.iter().position(|b| matches!(b, b'e' | b'E')) {
            None => (rest, 0),
            Some(e) => (&rest[..e], parse_exponent(&rest[e + 1..])?),
        };
        let mut number = Big::default();
        let (mut seen, mut decimals) = (false, None);
        for digit in digits {
            match digit {
                b'0'..=b'9' => {
                    seen = true;
                    number.mul_add(10, u32::from(digit - b'0'));
                    decimals = decimals.map(|n: i32| n + 1);
                }
                b'.' if decimals.is_none() => decimals = Some(0),
                _ => return None,
            }
        }
        if !seen {
            return None;
        }
        if number.is_zero() {
            return Some(LongDouble { negative, ..Self::ZERO });
        }
        let scale = scale.saturating_sub(decimals.unwrap_or(0));
        // Beyond this no number of fewer than `MAX_TEXT` digits can be in range, and the work stays bounded.
        if scale.unsigned_abs() as usize > 2 * MAX_TEXT {
            return None;
        }
        // 10^n is 5^n * 2^n, and the twos only move the exponent.
        let mut exponent = scale;
        let mut sticky = false;
        if scale >= 0 {
            fives(scale).for_each(|power| number.mul_add(power, 0));
        } else {
            // Enough bits in front that the quotient has more than 64; 5^n takes less than 2.33 bits per n.
            let room = (-scale) * 7 / 3 + 72;
            number.shift_left(room as u32);
            exponent -= room;
            fives(-scale).for_each(|power| sticky |= number.div(power) != 0);
        }
        let (bits, dropped, lost) = number.top();
        let value = Self::rounded(negative, bits, sticky | lost, exponent + dropped as i32);
        (value.finite && value.significand != 0).then_some(value)
    }

    /// Whether this is a number, and not the infinity that a sum beyond the range gives.
    pub fn is_finite(&self) -> bool {
        self.finite
    }

    /// `bits * 2^exponent`, and a little more when `sticky`, to the nearest.
    fn rounded(negative: bool, bits: u128, sticky: bool, exponent: i32) -> LongDouble {
        if bits == 0 {
            return LongDouble { negative, ..Self::ZERO };
        }
        let zeros = bits.leading_zeros();
        let bits = bits << zeros;
        let mut significand = (bits >> 64) as u64;
        let mut exponent = exponent - zeros as i32 + 64;
        let rest = bits as u64;
        let half = 1 << 63;
        if rest > half || (rest == half && (sticky || significand & 1 == 1)) {
            let (next, carried) = significand.overflowing_add(1);
            significand = if carried { 1 << 63 } else { next };
            exponent += i32::from(carried);
        }
        if exponent < MIN_EXPONENT {
            return LongDouble { negative, ..Self::ZERO };
        }
        LongDouble { negative, significand, exponent, finite: exponent <= MAX_EXPONENT }
    }
}

/// Factors whose product is 5^n, each the largest that fits into a word.
fn fives(n: i32) -> impl Iterator<Item = u32> {
    let n = n.unsigned_abs();
    std::iter::repeat_n(5u32.pow(13), n as usize / 13).chain([5u32.pow(n % 13)])
}

fn parse_exponent(text: &[u8]) -> Option<i32> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0i32, |value, d| value.saturating_mul(10).saturating_add(i32::from(d - b'0')));
    Some(if negative { -value } else { value })
}

impl From<f64> for LongDouble {
    /// Exact. What is no number becomes infinite.
    fn from(value: f64) -> Self {
        let bits = value.to_bits();
        let fraction = bits & ((1 << 52) - 1);
        let (significand, exponent) = match (bits >> 52) as i32 & 0x7ff {
            0 => (fraction, -1074),
            exponent => (fraction | 1 << 52, exponent - 1075),
        };
        let exact = Self::rounded(value.is_sign_negative(), u128::from(significand), false, exponent);
        LongDouble { finite: value.is_finite(), ..exact }
    }
}

impl Add for LongDouble {
    type Output = LongDouble;

    fn add(self, other: LongDouble) -> LongDouble {
        if !(self.finite && other.finite) {
            return LongDouble { finite: false, ..self };
        }
        if self.significand == 0 || other.significand == 0 {
            return if other.significand == 0 { self } else { other };
        }
        let ordered = (self.exponent, self.significand) >= (other.exponent, other.significand);
        let (large, small) = if ordered { (self, other) } else { (other, self) };
        // The larger one leaves one bit above for a carry and 63 below. What the smaller one loses further down can
        // decide a tie, and nothing else.
        let a = u128::from(large.significand) << 63;
        let (b, lost) = match large.exponent - small.exponent {
            distance @ 0..=63 => (u128::from(small.significand) << (63 - distance), false),
            distance @ 64..=126 => {
                let shift = distance - 63;
                (u128::from(small.significand) >> shift, small.significand & ((1 << shift) - 1) != 0)
            }
            _ => (0, true),
        };
        let bits = match large.negative == small.negative {
            true => a + b,
            false => a - b - u128::from(lost),
        };
        let sum = Self::rounded(large.negative, bits, lost, large.exponent - 63);
        LongDouble { negative: sum.negative && bits != 0, ..sum }
    }
}

impl Display for LongDouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        if !self.finite {
            return write!(f, "{sign}inf");
        }
        if self.exponent >= 0 {
            let mut number = Big::from(self.significand);
            number.shift_left(self.exponent as u32);
            return write!(f, "{}{number}", if self.significand == 0 { "" } else { sign });
        }
        const DECIMALS: u128 = 10u128.pow(17);
        let scaled = u128::from(self.significand) * DECIMALS;
        let shift = self.exponent.unsigned_abs();
        let units = if shift >= 127 {
            0
        } else {
            let (units, rest, half) = (scaled >> shift, scaled & ((1 << shift) - 1), 1u128 << (shift - 1));
            units + u128::from(rest > half || (rest == half && units & 1 == 1))
        };
        let (integral, fraction) = (units / DECIMALS, units % DECIMALS);
        match (units, fraction) {
            (0, _) => f.write_str("0"),
            (_, 0) => write!(f, "{sign}{integral}"),
            _ => {
                let fraction = format!("{fraction:017}");
                write!(f, "{sign}{integral}.{}", fraction.trim_end_matches('0'))
            }
        }
    }
}

/// A natural number of any size, the lowest word first, without zero words at the top.
#[derive(Debug, Default)]
struct Big(Vec<u32>);

impl Big {
    fn from(value: u64) -> Big {
        let mut big = Big(vec![value as u32, (value >> 32) as u32]);
        big.trim();
        big
    }

    fn is_zero(&self) -> bool {
        self.0.is_empty()
    }

    fn trim(&mut self) {
        while self.0.last() == Some(&0) {
            self.0.pop();
        }
    }

    fn mul_add(&mut self, factor: u32, addend: u32) {
        let mut carry = u64::from(addend);
        for word in &mut self.0 {
            carry += u64::from(*word) * u64::from(factor);
            *word = carry as u32;
            carry >>= 32;
        }
        if carry > 0 {
            self.0.push(carry as u32);
        }
    }

    /// Divides, and answers the remainder. Dividing by one factor after the other gives the floor of dividing by their
    /// product, and all remainders are zero exactly when that one's is.
    fn div(&mut self, divisor: u32) -> u32 {
        let mut rest = 0u64;
        for word in self.0.iter_mut().rev() {
            rest = rest << 32 | u64::from(*word);
            *word = (rest / u64::from(divisor)) as u32;
            rest %= u64::from(divisor);
        }
        self.trim();
        rest as u32
    }

    fn shift_left(&mut self, bits: u32) {
        if self.is_zero() {
            return;
        }
        if !bits.is_multiple_of(32) {
            self.mul_add(1 << (bits % 32), 0);
        }
        self.0.splice(0..0, std::iter::repeat_n(0, (bits / 32) as usize));
    }

    /// The highest words, how many bits stand below them, and whether any of those is set.
    fn top(&self) -> (u128, usize, bool) {
        let dropped = self.0.len().saturating_sub(4);
        let bits = self.0[dropped..].iter().rev().fold(0u128, |bits, word| bits << 32 | u128::from(*word));
        (bits, 32 * dropped, self.0[..dropped].iter().any(|word| *word != 0))
    }
}

impl Display for Big {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = Big(self.0.clone());
        let mut groups = Vec::new();
        while !rest.is_zero() {
            groups.push(rest.div(1_000_000_000));
        }
        write!(f, "{}", groups.pop().unwrap_or(0))?;
        groups.iter().rev().try_for_each(|group| write!(f, "{group:09}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sum(a: &str, b: &str) -> String {
        (LongDouble::parse(a.as_bytes()).unwrap() + LongDouble::parse(b.as_bytes()).unwrap()).to_string()
    }

    #[test]
    fn sums_are_those_that_redis_answers() {
        // Taken from INCRBYFLOAT of Redis 7.0.15 on x86-64.
        let cases = [
            ("10.5", "0.1", "10.6"),
            ("3.0e3", "200", "3200"),
            ("1234567.1", "0.1", "1234567.20000000000004547"),
            ("1e20", "0.1", "100000000000000000000"),
            ("5.0e-20", "1", "1"),
            ("0.1", "0.2", "0.3"),
            ("-1", "1", "0"),
            ("123456789.123456789", "0.000000001", "123456789.12345678999554366"),
            ("100000000000000000000", "1", "100000000000000000000"),
            ("1.1", "-1.1", "0"),
            ("-5e-18", "0", "0"),
        ];
        for (a, b, expected) in cases {
            assert_eq!(sum(a, b), expected, "{a} + {b}");
            assert_eq!(sum(b, a), expected, "{b} + {a}");
        }
        let large = sum("1e300", "1");
        assert!(
            large.starts_with("10000000000000000000089973240795591938705239442732907479382600823212656465961809"),
            "{large}"
        );
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "1.2.3",
            " 1",
            "1 ",
            "0x",
            "0x1p",
            "nan",
            "1e5000",
            "1e-6000",
            "--1",
            "0x1p16384",
            "0x1p-20000",
        ] {
            assert_eq!(LongDouble::parse(text.as_bytes()), None, "{text:?}");
        }
        for (text, printed) in [
            ("1.", "1"),
            (".5", "0.5"),
            ("-0", "0"),
            ("+3", "3"),
            ("1e4000", ""),
            ("0e9999", "0"),
            ("0x10", "16"),
            ("-0x.8p0", "-0.5"),
            ("0x0", "0"),
            ("0xffffffffffffffff", "18446744073709551615"),
        ] {
            let value = LongDouble::parse(text.as_bytes()).unwrap();
            assert!(value.is_finite());
            assert!(printed.is_empty() || value.to_string() == printed, "{text:?} is {value}");
        }
        let inf = LongDouble::parse(b"-inf").unwrap();
        assert!(!inf.is_finite() && !(inf + LongDouble::from(1.0)).is_finite());
        let huge = LongDouble::parse(b"1e4932").unwrap();
        assert!(!(huge + huge).is_finite());
        assert!(!LongDouble::from(f64::NAN).is_finite());
    }

    #[test]
    fn doubles_convert_exactly() {
        assert_eq!(LongDouble::from(0.1).to_string(), "0.10000000000000001");
        assert_eq!(LongDouble::from(-2.5).to_string(), "-2.5");
        assert_eq!(LongDouble::from(5e-324).to_string(), "0");
        assert_eq!(LongDouble::from(f64::MAX).to_string(), format!("{:.0}", f64::MAX));
    }

    proptest! {
        #[test]
        fn integers_of_64_bits_add_exactly(a: i64, b: i64) {
            let exact = i128::from(a) + i128::from(b);
            prop_assert_eq!(sum(&a.to_string(), &b.to_string()), exact.to_string());
        }

        #[test]
        fn doubles_print_as_the_standard_library_prints_them(value in -1e18f64..1e18) {
            let plain = format!("{value:.17}");
            let plain = plain.trim_end_matches('0').trim_end_matches('.');
            prop_assert_eq!(LongDouble::from(value).to_string(), if plain == "-0" { "0" } else { plain });
        }

        #[test]
        fn reading_agrees_with_the_standard_library(value in any::<f64>().prop_filter("finite", |v| v.is_finite())) {
            // With so many decimals the text is the double, exactly.
            let read = LongDouble::parse(format!("{value:.1100}").as_bytes());
            prop_assert_eq!(read, Some(LongDouble::from(value)));
        }

        #[test]
        fn no_text_panics(text in "[-+0-9.eE]{0,12}") {
            if let Some(value) = LongDouble::parse(text.as_bytes()) {
                let _ = (value + value).to_string();
            }
        }
    }
}
