//! [`http_date`]: the calendar's time in the one form that HTTP writes.

use std::time::{SystemTime, UNIX_EPOCH};

/// A time as `Date` and its kind have it, `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7). Times before 1970
/// count as its first second, and times after 9999 as their last.
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
///
/// let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
/// assert_eq!(&xs_proto::http1::http_date(time), b"Sun, 06 Nov 1994 08:49:37 GMT");
/// ```
pub fn http_date(time: SystemTime) -> [u8; 29] {
    const LAST: u64 = 253_402_300_799;
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).min(LAST);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // The calendar repeats every 400 years of 146,097 days, counted from March so that the leap day comes last.
    let day = days + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year_of_era = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day + 2) / 153;
    let day_of_month = day - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12;
    let year = 400 * era + year_of_era + u64::from(from_march >= 10);

    let mut date = *b"Day, 00 Mon 0000 00:00:00 GMT";
    let names = |table: &'static [u8], at: u64| &table[3 * at as usize..3 * at as usize + 3];
    date[..3].copy_from_slice(names(b"ThuFriSatSunMonTueWed", days % 7));
    date[8..11].copy_from_slice(names(b"JanFebMarAprMayJunJulAugSepOctNovDec", month));
    let mut two = |at: usize, number: u64| {
        date[at] += (number / 10) as u8;
        date[at + 1] += (number % 10) as u8;
    };
    two(5, day_of_month);
    two(12, year / 100);
    two(14, year % 100);
    two(17, second / 3600);
    two(20, second / 60 % 60);
    two(23, second % 60);
    date
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> String {
        String::from_utf8(http_date(UNIX_EPOCH + Duration::from_secs(seconds)).to_vec()).unwrap()
    }

    #[test]
    fn days_that_calendars_get_wrong() {
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(at(951_868_799), "Tue, 29 Feb 2000 23:59:59 GMT");
        assert_eq!(at(1_709_251_199), "Thu, 29 Feb 2024 23:59:59 GMT");
        assert_eq!(at(1_735_689_599), "Tue, 31 Dec 2024 23:59:59 GMT");
        assert_eq!(at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(at(u64::MAX / 4), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(http_date(UNIX_EPOCH - Duration::from_secs(9)), http_date(UNIX_EPOCH));
    }
}
