//! Numbers with 64 bits of fraction, in which SQLite 3.40 writes reals: its rounding can be told only from what they round to.

/// `fraction × 2^exponent`, not below zero. The highest bit of the fraction is set, or the number is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Extended {
    // First, so that comparing field by field compares the numbers.
    exponent: i32,
    fraction: u64,
}

impl Extended {
    const ZERO: Extended = Extended { exponent: i32::MIN, fraction: 0 };

    /// Of a finite number that is not below zero.
    pub(super) fn of(real: f64) -> Extended {
        let bits = real.to_bits();
        let (raised, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
        match raised {
            0 => Extended::rounded(fraction.into(), -1074, false),
            _ => Extended::rounded((fraction | 1 << 52).into(), raised - 1075, false),
        }
    }

    /// The nearest, an even one of two; `more` says that there was a bit more than the fraction has.
    fn rounded(fraction: u128, exponent: i32, more: bool) -> Extended {
        if fraction == 0 {
            return Extended::ZERO;
        }
        let extra = 64 - fraction.leading_zeros() as i32;
        if extra <= 0 {
            return Extended { exponent: exponent + extra, fraction: (fraction << -extra) as u64 };
        }
        let kept = (fraction >> extra) as u64;
        let (lost, half) = (fraction & ((1 << extra) - 1), 1 << (extra - 1));
        let up = lost > half || lost == half && (more || kept & 1 == 1);
        let exponent = exponent + extra;
        match kept.checked_add(up.into()) {
            Some(fraction) => Extended { exponent, fraction },
            None => Extended { exponent: exponent + 1, fraction: 1 << 63 },
        }
    }

    pub(super) fn is_zero(self) -> bool {
        self.fraction == 0
    }

    pub(super) fn times(self, other: f64) -> Extended {
        self.times_extended(Extended::of(other))
    }

    fn times_extended(self, other: Extended) -> Extended {
        if self.is_zero() || other.is_zero() {
            return Extended::ZERO;
        }
        let product = u128::from(self.fraction) * u128::from(other.fraction);
        Extended::rounded(product, self.exponent + other.exponent, false)
    }

    /// By another, which is not zero.
    pub(super) fn divided(self, other: Extended) -> Extended {
        if self.is_zero() {
            return Extended::ZERO;
        }
        let (whole, by) = (u128::from(self.fraction) << 64, u128::from(other.fraction));
        // One more bit tells a half from less.
        let (quotient, rest) = (whole / by, (whole % by) << 1);
        let (quotient, rest) = (quotient << 1 | u128::from(rest >= by), rest % by);
        Extended::rounded(quotient, self.exponent - other.exponent - 65, rest != 0)
    }

    pub(super) fn plus(self, other: Extended) -> Extended {
        let (large, small) = if self >= other { (self, other) } else { (other, self) };
        if small.is_zero() {
            return large;
        }
        let sum = u128::from(large.fraction) << 63;
        let small_fraction = u128::from(small.fraction) << 63;
        let exponent = large.exponent - 63;
        match u32::try_from(large.exponent - small.exponent) {
            Ok(apart @ ..127) => {
                let shifted = small_fraction >> apart;
                Extended::rounded(sum + shifted, exponent, shifted << apart != small_fraction)
            }
            _ => Extended::rounded(sum, exponent, true),
        }
    }

    /// The nearest double.
    pub(super) fn to_f64(self) -> f64 {
        if self.is_zero() {
            return 0.0;
        }
        let half = self.exponent / 2;
        self.fraction as f64 * 2_f64.powi(half) * 2_f64.powi(self.exponent - half)
    }

    /// Takes the digit before the point of a number below ten, and moves the next one there.
    pub(super) fn digit(&mut self) -> u8 {
        if self.is_zero() {
            return b'0';
        }
        let digit = match u32::try_from(-self.exponent) {
            Ok(behind @ 0..64) => self.fraction >> behind,
            _ => 0,
        };
        if digit > 0 {
            let rest = self.fraction - (digit << -self.exponent);
            *self = Extended::rounded(rest.into(), self.exponent, false);
        }
        *self = self.times(10.0);
        b'0' + digit.min(9) as u8
    }
}

/// A number as one from one to below ten and a power of ten. Nothing, if there is no such power among those of doubles.
pub(super) fn scientific(real: Extended) -> (Extended, i32) {
    let (mut real, mut exponent) = (real, 0);
    if real.is_zero() {
        return (real, 0);
    }
    let mut scale = Extended::of(1.0);
    for (step, tens) in [(1e100, 100), (1e10, 10), (10.0, 1)] {
        while real >= scale.times(step) {
            scale = scale.times(step);
            exponent += tens;
        }
    }
    real = real.divided(scale);
    while real < Extended::of(1e-8) {
        real = real.times(1e8);
        exponent -= 8;
    }
    while real < Extended::of(1.0) {
        real = real.times(10.0);
        exponent -= 1;
    }
    (real, exponent)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_come_one_by_one() {
        let mut tenth = Extended::of(0.1).times(10.0);
        let digits: Vec<u8> = (0..20).map(|_| tenth.digit()).collect();
        assert_eq!(digits, b"10000000000000000555");
    }

    proptest! {
        #[test]
        fn doubles_stay_themselves(real in 0.0..f64::MAX) {
            prop_assert_eq!(Extended::of(real).to_f64(), real);
        }

        /// What is exact in 64 bits is rounded once, as doubles do it.
        #[test]
        fn computing_is_as_exact_as_with_doubles(a in any::<u32>(), b in 1..u32::MAX) {
            let (a, b) = (f64::from(a), f64::from(b));
            prop_assert_eq!(Extended::of(a).times(b).to_f64(), a * b);
            prop_assert_eq!(Extended::of(a).plus(Extended::of(b)).to_f64(), a + b);
            prop_assert!((Extended::of(a).divided(Extended::of(b)).to_f64() - a / b).abs() <= a / b * f64::EPSILON);
        }

        #[test]
        fn order_is_that_of_doubles(a in 0.0..f64::MAX, b in 0.0..1e10) {
            prop_assert_eq!(Extended::of(a) < Extended::of(b), a < b);
        }
    }
}
