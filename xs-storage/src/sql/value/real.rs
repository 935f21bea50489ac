//! Numbers as text: fifteen digits of a real one, as many as survive the way back.

use std::fmt::Write;
use std::ops::Deref;

/// The text of a number, which is never long.
#[derive(Clone, Copy, Debug, Default)]
pub struct NumberText {
    bytes: [u8; 32],
    len: usize,
}

impl NumberText {
    /// No text yet.
    pub const fn new() -> NumberText {
        NumberText { bytes: [0; 32], len: 0 }
    }

    /// Writes an integer and lends the text.
    pub fn integer(&mut self, integer: i64) -> &[u8] {
        let mut digits = itoa::Buffer::new();
        self.len = 0;
        self.push(digits.format(integer).as_bytes());
        self
    }

    /// Writes a real number as SQLite does (`%!.15g`) and lends the text.
    pub fn real(&mut self, real: f64) -> &[u8] {
        self.len = 0;
        if real < 0.0 {
            self.push(b"-");
        }
        if real.is_infinite() {
            self.push(b"Inf");
        } else if real == 0.0 || real.is_nan() {
            self.push(b"0.0");
        } else {
            self.finite(&Decimal::<15>::of(real.abs()));
        }
        self
    }

    fn finite<const N: usize>(&mut self, decimal: &Decimal<N>) {
        let zeros = decimal.digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let digits = &decimal.digits[..N - zeros];
        match decimal.exponent {
            exponent if (0..N as i32).contains(&exponent) => {
                let whole = exponent as usize + 1;
                let (before, behind) = digits.split_at(whole.min(digits.len()));
                self.push(before);
                self.push(&b"0000000000000000"[..whole - before.len()]);
                self.push(b".");
                self.push(if behind.is_empty() { b"0" } else { behind });
            }
            -4..0 => {
                self.push(b"0.");
                self.push(&b"000"[..(-1 - decimal.exponent) as usize]);
                self.push(digits);
            }
            exponent => {
                self.push(&digits[..1]);
                self.push(b".");
                self.push(if digits.len() > 1 { &digits[1..] } else { b"0" });
                self.push(if exponent < 0 { b"e-" } else { b"e+" });
                let exponent = exponent.unsigned_abs();
                if exponent < 10 {
                    self.push(b"0");
                }
                self.push(itoa::Buffer::new().format(exponent).as_bytes());
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

impl Deref for NumberText {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// A positive number as `0.d₁d₂…dₙ × 10^(exponent + 1)`: rounded to `N` digits, a half upwards.
pub(crate) struct Decimal<const N: usize> {
    pub(crate) digits: [u8; N],
    pub(crate) exponent: i32,
}

impl<const N: usize> Decimal<N> {
    /// Of a finite number above zero.
    pub(crate) fn of(real: f64) -> Decimal<N> {
        let mut written = Written::default();
        // The standard library rounds an exact half to the even digit. Two digits more tell where one may be.
        let _ = write!(written, "{real:.0$e}", N + 1);
        let mut decimal = written.decimal::<N>();
        let up = match written.beyond(N) {
            b"50" => {
                // Of what doubles are made, no more than some 770 digits can be; a half has none behind its five.
                let mut exact = Written::default();
                let _ = write!(exact, "{real:.0$e}", N + 60);
                exact.beyond(N)[0] >= b'5'
            }
            more => more[0] >= b'5',
        };
        if up {
            decimal.increment();
        }
        decimal
    }

    fn increment(&mut self) {
        for digit in self.digits.iter_mut().rev() {
            if *digit < b'9' {
                *digit += 1;
                return;
            }
            *digit = b'0';
        }
        self.digits[0] = b'1';
        self.exponent += 1;
    }
}

/// What is formatted as `d.ddd…e±x`.
struct Written {
    bytes: [u8; 128],
    len: usize,
}

impl Default for Written {
    fn default() -> Written {
        Written { bytes: [0; 128], len: 0 }
    }
}

impl Written {
    fn decimal<const N: usize>(&self) -> Decimal<N> {
        let mut digits = [self.bytes[0]; N];
        digits[1..].copy_from_slice(&self.bytes[2..N + 1]);
        let text = &self.bytes[..self.len];
        let exponent = text.iter().rposition(|byte| *byte == b'e').and_then(|e| str::from_utf8(&text[e + 1..]).ok());
        Decimal { digits, exponent: exponent.and_then(|exponent| exponent.parse().ok()).unwrap_or(0) }
    }

    /// The two digits behind the first `n`.
    fn beyond(&self, n: usize) -> &[u8] {
        &self.bytes[n + 1..n + 3]
    }
}

impl Write for Written {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let free = self.bytes.get_mut(self.len..self.len + text.len()).ok_or(std::fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        self.len += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(real: f64) -> String {
        String::from_utf8(NumberText::new().real(real).to_vec()).unwrap()
    }

    #[test]
    fn reals_are_written_as_sqlite_does() {
        for (real, written) in [
            (1.0, "1.0"),
            (-0.0, "0.0"),
            (0.1 + 0.2, "0.3"),
            (1e14, "100000000000000.0"),
            (999_999_999_999_999.0, "999999999999999.0"),
            (1e15, "1.0e+15"),
            (-1.5e300, "-1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_123_456_789_012_345, "0.000123456789012345"),
            (0.000_01, "1.0e-05"),
            (5e-324, "4.94065645841247e-324"),
            (f64::MAX, "1.79769313486232e+308"),
            (f64::INFINITY, "Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (1.0 / 3.0, "0.333333333333333"),
            (123_456.789, "123456.789"),
            (9.999_999_999_999_999e14, "1.0e+15"),
            (0.999_999_999_999_999_9, "1.0"),
            // A half goes up, to the odd digit too.
            (10_000_000_000_000.25, "10000000000000.3"),
            (10_000_000_000_000.75, "10000000000000.8"),
        ] {
            assert_eq!(text(real), written, "{real:e}");
        }
    }
}
