//! So much in so much time, and the exact arithmetic that the policies share.
//!
//! A rate of `amount` in `period` nanoseconds is a fraction, and most rates are no whole number of nanoseconds a unit: a
//! third of a second already isn't. The buckets therefore count in *shares*: a nanosecond brings `amount` shares, a unit
//! costs `period` of them. Both are whole, so nothing is rounded and nothing drifts; 128 bits hold every product.

use std::time::Duration;

use xs_os::Nanos;

/// The longest period, and the longest time that anybody is told to wait: 292 years.
pub(super) const LONGEST: u64 = i64::MAX as u64;

/// So much in so much time: at least one unit, in at least a nanosecond.
///
/// ```
/// use std::time::Duration;
/// use xs_net::limit::{InvalidRate, Rate};
///
/// let rate = Rate::new(100, Duration::from_secs(60))?;
/// assert_eq!(rate.interval(), Duration::from_millis(600));
/// assert_eq!(Rate::per_second(0), Err(InvalidRate::Zero));
/// # Ok::<(), InvalidRate>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    amount: u64,
    period: u64,
}

/// What cannot be a rate. The mistake is in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRate {
    /// Nothing may ever pass: leave the service out instead.
    #[error("a rate lets at least one unit through")]
    Zero,
    /// The period is empty.
    #[error("a rate's period is at least a nanosecond")]
    NoPeriod,
    /// The period is longer than 292 years.
    #[error("a rate's period is at most 292 years")]
    TooLong,
    /// More than one unit a nanosecond, for a policy that counts in whole nanoseconds.
    #[error("more than a unit a nanosecond")]
    TooFast,
    /// More in a period than a store can count.
    #[error("more than a signed 64-bit number in a period")]
    TooMuch,
}

impl Rate {
    /// `amount` units in every `period`.
    ///
    /// # Errors
    ///
    /// See [`InvalidRate`].
    pub fn new(amount: u64, period: Duration) -> Result<Self, InvalidRate> {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        match (amount, period) {
            (0, _) => Err(InvalidRate::Zero),
            (_, 0) => Err(InvalidRate::NoPeriod),
            (_, period) if period > LONGEST => Err(InvalidRate::TooLong),
            (amount, period) => Ok(Rate { amount, period }),
        }
    }

    /// `amount` units a second.
    ///
    /// # Errors
    ///
    /// If `amount` is zero.
    pub fn per_second(amount: u64) -> Result<Self, InvalidRate> {
        Self::new(amount, Duration::from_secs(1))
    }

    /// `amount` units a minute.
    ///
    /// # Errors
    ///
    /// If `amount` is zero.
    pub fn per_minute(amount: u64) -> Result<Self, InvalidRate> {
        Self::new(amount, Duration::from_secs(60))
    }

    /// How many units.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// In what time.
    pub fn period(&self) -> Duration {
        Duration::from_nanos(self.period)
    }

    /// The time from one unit to the next, rounded up to whole nanoseconds.
    pub fn interval(&self) -> Duration {
        Duration::from_nanos(self.period.div_ceil(self.amount))
    }

    #[inline]
    pub(super) fn period_nanos(&self) -> u64 {
        self.period
    }

    /// What `units` cost, in shares: below 2¹²⁷.
    #[inline]
    pub(super) fn price(&self, units: u64) -> u128 {
        u128::from(units) * u128::from(self.period)
    }

    /// What time brings, in shares: below 2¹²⁷.
    #[inline]
    pub(super) fn earned(&self, nanos: u64) -> u128 {
        u128::from(nanos.min(LONGEST)) * u128::from(self.amount)
    }

    /// How long until so many shares have come, rounded up to whole nanoseconds.
    #[inline]
    pub(super) fn time_for(&self, shares: u128) -> u128 {
        match u64::try_from(shares) {
            Ok(0) => 0,
            Ok(shares) => u128::from(shares.div_ceil(self.amount)),
            Err(_) => shares.div_ceil(u128::from(self.amount)),
        }
    }
}

/// What stands in a bucket, in shares, brought over from one rate and size to another: as many units, but no more than the new
/// one holds, and on top of that what was promised beyond the old one.
pub(super) fn carry(shares: u128, from: (Rate, u64), to: (Rate, u64)) -> u128 {
    let held = shares.min(from.0.price(from.1));
    let scale = |shares: u128| {
        let (old, new) = (u128::from(from.0.period), u128::from(to.0.period));
        (shares / old).saturating_mul(new).saturating_add((shares % old * new).div_ceil(old))
    };
    scale(held).min(to.0.price(to.1)).saturating_add(scale(shares - held))
}

/// From one moment to another in nanoseconds, cut at [`LONGEST`]; zero if the second is not later.
#[inline]
pub(super) fn nanos_from(earlier: Nanos, later: Nanos) -> u64 {
    later.since(earlier).min(LONGEST)
}

/// A duration in nanoseconds, cut at [`LONGEST`].
#[inline]
pub(super) fn nanos_of(duration: Duration) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    match duration.as_secs() {
        seconds if seconds < LONGEST / SECOND => seconds * SECOND + u64::from(duration.subsec_nanos()),
        _ => LONGEST,
    }
}

/// `at` and so many nanoseconds, cut at [`LONGEST`], and at the last moment that there is.
#[inline]
pub(super) fn later(at: Nanos, nanos: u128) -> Nanos {
    at.later(cut(nanos))
}

/// So many nanoseconds, cut at [`LONGEST`].
#[inline]
pub(super) fn cut(nanos: u128) -> u64 {
    u64::try_from(nanos).unwrap_or(LONGEST).min(LONGEST)
}

/// So many nanoseconds, cut at [`LONGEST`].
#[inline]
pub(super) fn duration(nanos: u128) -> Duration {
    Duration::from_nanos(cut(nanos))
}
