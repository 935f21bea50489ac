//! The arithmetic of `INCRBYFLOAT`: the x87's 80-bit extended numbers, which Redis calls `long double`.
//!
//! Their 64-bit significand is what makes `0.1 + 0.2` print as `0.3`: seventeen decimals of a sum are exact to the last
//! digit shown, where a double's would not be.

use rustc_apfloat::Float;
use rustc_apfloat::Round;
use rustc_apfloat::ieee::X87DoubleExtended;

/// A finite 80-bit number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct LongDouble(X87DoubleExtended);

/// Digits behind the point that are printed.
const DECIMALS: u32 = 17;
/// Longer texts are refused, as Redis does.
const LONGEST: usize = 255;

impl LongDouble {
    /// Reads what `strtold` reads, without surrounding spaces, infinities included and NaN excluded.
    pub(crate) fn parse(text: &[u8]) -> Option<LongDouble> {
        let text = std::str::from_utf8(text).ok()?;
        let digits = text.trim_start_matches(['+', '-']);
        let negative = match text.len() - digits.len() {
            0 => false,
            1 => text.starts_with('-'),
            _ => return None,
        };
        if digits.eq_ignore_ascii_case("inf") || digits.eq_ignore_ascii_case("infinity") {
            let infinity = X87DoubleExtended::INFINITY;
            return Some(LongDouble(if negative { -infinity } else { infinity }));
        }
        let plain = digits.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
        if text.len() > LONGEST || !plain || !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let value = X87DoubleExtended::from_str_r(digits, Round::NearestTiesToEven).ok()?.value;
        if !value.is_finite() {
            return None;
        }
        Some(LongDouble(if negative { -value } else { value }))
    }

    /// The sum; `None` when it is infinite or not a number.
    pub(crate) fn add(self, other: LongDouble) -> Option<LongDouble> {
        let sum = (self.0 + other.0).value;
        sum.is_finite().then_some(LongDouble(sum))
    }
}

impl std::fmt::Display for LongDouble {
    /// `%.17Lf` without trailing zeros; never `-0`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bits = self.0.to_bits();
        let significand = bits as u64;
        // value = significand × 2^exponent
        let exponent = ((bits >> 64) & 0x7fff) as i32 - 16383 - 63;
        let (whole, fraction) = match exponent {
            0.. => (shifted_decimal(significand, exponent as u32), 0),
            _ => split(significand, exponent.unsigned_abs()),
        };
        let text = match fraction {
            0 => whole,
            _ => format!("{whole}.{fraction:0width$}", width = DECIMALS as usize).trim_end_matches('0').to_owned(),
        };
        let negative = bits >> 79 & 1 == 1 && text != "0";
        write!(f, "{}{text}", if negative { "-" } else { "" })
    }
}

/// `significand × 2^-shift` as the digits before the point and the seventeen behind it, rounded to nearest, ties to even.
fn split(significand: u64, shift: u32) -> (String, u64) {
    const SCALE: u128 = 10_u128.pow(DECIMALS);
    let (whole, rest) = match shift {
        0..64 => (significand >> shift, significand & ((1 << shift) - 1)),
        _ => (0, significand),
    };
    // rest × 10^17 needs at most 64 + 57 bits.
    let scaled = u128::from(rest) * SCALE;
    let (mut fraction, below) = match shift {
        0..128 => (scaled >> shift, scaled & ((1 << shift) - 1)),
        _ => return (whole.to_string(), 0),
    };
    let half = 1_u128 << (shift - 1);
    if below > half || (below == half && fraction & 1 == 1) {
        fraction += 1;
    }
    let carry = fraction == SCALE;
    ((u128::from(whole) + u128::from(carry)).to_string(), if carry { 0 } else { fraction as u64 })
}

/// The decimal digits of `significand × 2^shift`, by doubling a number kept in groups of nine digits.
fn shifted_decimal(significand: u64, shift: u32) -> String {
    const GROUP: u64 = 1_000_000_000;
    let mut groups = vec![significand % GROUP, significand / GROUP % GROUP, significand / GROUP / GROUP];
    for _ in 0..shift {
        let mut carry = 0;
        for group in &mut groups {
            let doubled = *group * 2 + carry;
            (*group, carry) = (doubled % GROUP, doubled / GROUP);
        }
        if carry > 0 {
            groups.push(carry);
        }
    }
    let digits: String = groups.iter().rev().map(|group| format!("{group:09}")).collect();
    match digits.trim_start_matches('0') {
        "" => "0".to_owned(),
        digits => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        Some(LongDouble::parse(a.as_bytes())?.add(LongDouble::parse(b.as_bytes())?)?.to_string())
    }

    /// Replies of redis-server 7.0.15.
    #[test]
    fn sums_print_as_the_real_server_prints_them() {
        for (a, b, text) in [
            ("0.1", "0.2", "0.3"),
            ("3", "1.1", "4.1"),
            ("1", "-1.1", "-0.1"),
            ("17179869184", "1.5", "17179869185.5"),
            ("5.0e3", "200", "5200"),
            ("1.5", "-1.5", "0"),
            ("1e20", "1", "100000000000000000000"),
            ("0", "1e-18", "0"),
            ("0", "1e-17", "0.00000000000000001"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(text), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", " 1", "1 ", "abc", "1.1abc", "nan", "--1", "1e99999", "0x1"] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text:?}");
        }
        assert_eq!(sum("0", "inf"), None);
    }

    #[test]
    fn the_largest_number_prints_every_digit() {
        let text = sum("1e4932", "0").unwrap();
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with("1000000000000000000"));
    }
}
