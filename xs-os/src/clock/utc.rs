//! A moment by the calendar: [`Utc`].

use std::time::{SystemTime, UNIX_EPOCH};

/// A moment as people write it, in UTC.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use xs_os::clock::Utc;
///
/// let utc = Utc::from(UNIX_EPOCH + Duration::from_millis(784_111_777_250));
/// assert_eq!((utc.year, utc.month, utc.day), (1994, 11, 6));
/// assert_eq!((utc.hour, utc.minute, utc.second, utc.nanos), (8, 49, 37, 250_000_000));
/// assert_eq!(utc.month_name(), "Nov");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Utc {
    /// The year, from 1970 on.
    pub year: u64,
    /// The month, from 1 to 12.
    pub month: u8,
    /// The day of the month, from 1 to 31.
    pub day: u8,
    /// From 0 to 23.
    pub hour: u8,
    /// From 0 to 59.
    pub minute: u8,
    /// From 0 to 59: there are no leap seconds.
    pub second: u8,
    /// Nanoseconds of the second.
    pub nanos: u32,
}

impl Utc {
    /// The month's name in three letters.
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES[usize::from(self.month - 1) % 12]
    }
}

/// A moment before 1970 counts as its first.
impl From<SystemTime> for Utc {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        // Years are counted from March, so that the leap day is the last of its year and every month but the last has a
        // fixed place; and the calendar repeats every 400 years.
        let days = days + 719_468; // from 1 March of the year 0
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        Utc {
            year: era * 400 + year_of_era + u64::from(from_march >= 10),
            month: ((from_march + 2) % 12) as u8 + 1,
            day: (of_year - (153 * from_march + 2) / 5 + 1) as u8,
            hour: (second / 3600) as u8,
            minute: (second / 60 % 60) as u8,
            second: (second % 60) as u8,
            nanos: since.subsec_nanos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn days_that_calendars_get_wrong() {
        for (seconds, year, month, day) in [
            (0, 1970, 1, 1),
            (951_782_400, 2000, 2, 29),
            (1_709_251_199, 2024, 2, 29),
            (1_709_251_200, 2024, 3, 1),
            (1_735_689_599, 2024, 12, 31),
            (4_107_542_400, 2100, 3, 1),
        ] {
            let utc = Utc::from(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!((utc.year, utc.month, utc.day), (year, month, day));
        }
        assert_eq!(Utc::from(UNIX_EPOCH - Duration::from_secs(1)), Utc::from(UNIX_EPOCH));
    }

    #[test]
    fn every_day_of_400_years_follows_the_one_before() {
        let day = |n: u64| Utc::from(UNIX_EPOCH + Duration::from_secs(n * 86_400));
        let long = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        for n in 0..146_097 {
            let (today, next) = (day(n), day(n + 1));
            let last = match today.month {
                2 => 28 + u8::from(long(today.year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            let expected = match (today.month, today.day) {
                (12, 31) => (today.year + 1, 1, 1),
                (month, day) if day == last => (today.year, month + 1, 1),
                (month, day) => (today.year, month, day + 1),
            };
            assert_eq!((next.year, next.month, next.day), expected);
        }
    }
}
