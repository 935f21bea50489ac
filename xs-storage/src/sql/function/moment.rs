//! Moments: a day number, a date and a time, each of which the others are computed from when they are asked for.

use std::ops::RangeInclusive;

use super::Error;
use crate::sql::value::{is_space, whole_number};

/// Milliseconds from noon of 24 November 4714 before our era to the beginning of 1970.
pub(super) const EPOCH: i64 = 210_866_760_000_000;
pub(super) const DAY: i64 = 86_400_000;
const NOON: i64 = DAY / 2;
/// The last millisecond of the year 9999.
const LAST: i64 = 464_269_060_799_999;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i32,
    pub(super) month: i32,
    pub(super) day: i32,
}

/// What a time is added to if no date is told.
const NO_DATE: Date = Date { year: 2000, month: 1, day: 1 };

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Time {
    pub(super) hour: i32,
    pub(super) minute: i32,
    pub(super) second: f64,
}

/// A date may be none of the calendar, such as 31 February: it is one as soon as something is computed with it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Moment {
    /// The Julian day, in milliseconds.
    pub(super) julian: Option<i64>,
    pub(super) date: Option<Date>,
    pub(super) time: Option<Time>,
    /// Minutes that the time is ahead of UTC.
    pub(super) zone: Option<i32>,
    /// A number that may be a Julian day, or seconds since 1970.
    pub(super) raw: Option<f64>,
    /// Whether the text said that it is UTC, or how far from it.
    pub(super) in_utc: bool,
    pub(super) failed: bool,
}

impl Moment {
    pub(super) fn of_julian(julian: i64) -> Moment {
        Moment { julian: Some(julian), ..Moment::default() }
    }

    pub(super) fn of_number(number: f64) -> Moment {
        let julian = (0.0..5_373_484.5).contains(&number).then_some((number * DAY as f64 + 0.5) as i64);
        Moment { julian, raw: Some(number), ..Moment::default() }
    }

    /// Reads a date, a time, both or a number; nothing else, and no `now`.
    pub(super) fn read(text: &[u8]) -> Option<Moment> {
        let number = || whole_number(text).map(Moment::of_number);
        Moment::read_date(text).or_else(|| Moment::read_time(text)).or_else(number)
    }

    fn read_date(text: &[u8]) -> Option<Moment> {
        let (before_christ, text) = match text.strip_prefix(b"-") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (year, text) = digits(text, 4, 0..=14_712)?;
        let (month, text) = digits(text.strip_prefix(b"-")?, 2, 1..=12)?;
        let (day, text) = digits(text.strip_prefix(b"-")?, 2, 1..=31)?;
        let behind = text.iter().take_while(|byte| is_space(**byte) || **byte == b'T').count();
        let text = &text[behind..];
        let mut moment = if text.is_empty() { Moment::default() } else { Moment::read_time(text)? };
        moment.date = Some(Date { year: if before_christ { -year } else { year }, month, day });
        if moment.zone.is_some() {
            moment.compute_julian();
        }
        Some(moment)
    }

    /// `HH:MM`, seconds, a fraction of them, and how far from UTC.
    pub(super) fn read_time(text: &[u8]) -> Option<Moment> {
        let (hour, text) = digits(text, 2, 0..=24)?;
        let (minute, mut text) = digits(text.strip_prefix(b":")?, 2, 0..=59)?;
        let mut second = 0.0;
        if let Some(behind) = text.strip_prefix(b":") {
            let (whole, behind) = digits(behind, 2, 0..=59)?;
            (second, text) = (f64::from(whole), behind);
            if let [b'.', fraction @ ..] = behind
                && let len @ 1.. = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count()
            {
                let (mut value, mut scale) = (0.0, 1.0);
                for digit in &fraction[..len] {
                    value = value * 10.0 + f64::from(digit - b'0');
                    scale *= 10.0;
                }
                // More than some three hundred digits are too many for doubles.
                second += if scale < f64::INFINITY { value / scale } else { 0.0 };
                text = &fraction[len..];
            }
        }
        let (zone, in_utc) = read_zone(text)?;
        Some(Moment {
            time: Some(Time { hour, minute, second }),
            zone: Some(zone).filter(|zone| *zone != 0),
            in_utc,
            ..Moment::default()
        })
    }

    /// Nothing is right from here on.
    fn fail(&mut self) {
        *self = Moment { failed: true, ..Moment::default() };
    }

    pub(super) fn forget_date_and_time(&mut self) {
        (self.date, self.time, self.zone) = (None, None, None);
    }

    /// The day number, zero if there is none.
    pub(super) fn compute_julian(&mut self) -> i64 {
        if let Some(julian) = self.julian {
            return julian;
        }
        let Date { mut year, mut month, day } = self.date.unwrap_or(NO_DATE);
        if !(-4713..=9999).contains(&year) || self.raw.is_some() {
            self.fail();
            return 0;
        }
        // Years begin in March, so that the leap day is their last.
        if month <= 2 {
            year -= 1;
            month += 12;
        }
        let century = year / 100;
        let leap = 2 - century + century / 4;
        let days = 36_525 * (year + 4716) / 100 + 306_001 * (month + 1) / 10_000 + day + leap;
        let mut julian = i64::from(days) * DAY - 1524 * DAY - NOON;
        if let Some(time) = self.time {
            julian += i64::from(time.hour * 3_600_000 + time.minute * 60_000) + (time.second * 1000.0 + 0.5) as i64;
            if let Some(zone) = self.zone {
                julian -= i64::from(zone) * 60_000;
                self.forget_date_and_time();
            }
        }
        self.julian = Some(julian);
        julian
    }

    pub(super) fn compute_date(&mut self) -> Date {
        if let Some(date) = self.date {
            return date;
        }
        let date = match self.julian {
            None => NO_DATE,
            Some(julian) if !is_valid(julian) => {
                self.fail();
                return NO_DATE;
            }
            Some(julian) => {
                // Fliegel and Van Flandern's way, in the form that Meeus gave it.
                let day = ((julian + NOON) / DAY) as i32;
                let centuries = ((f64::from(day) - 1_867_216.25) / 36_524.25) as i32;
                let b = day + 1 + centuries - centuries / 4 + 1524;
                let years = ((f64::from(b) - 122.1) / 365.25) as i32;
                let d = 36_525 * (years & 32_767) / 100;
                let e = (f64::from(b - d) / 30.6001) as i32;
                let month = if e < 14 { e - 1 } else { e - 13 };
                let year = if month > 2 { years - 4716 } else { years - 4715 };
                Date { year, month, day: b - d - (30.6001 * f64::from(e)) as i32 }
            }
        };
        self.date = Some(date);
        date
    }

    pub(super) fn compute_time(&mut self) -> Time {
        if let Some(time) = self.time {
            return time;
        }
        let julian = self.compute_julian();
        let millis = (julian.saturating_add(NOON) % DAY) as i32;
        let (seconds, rest) = (millis / 1000, f64::from(millis) / 1000.0 - f64::from(millis / 1000));
        let time = Time { hour: seconds / 3600, minute: seconds % 3600 / 60, second: rest + f64::from(seconds % 60) };
        (self.time, self.raw) = (Some(time), None);
        time
    }

    /// With another date or time, which its day number is then computed from.
    pub(super) fn set(&mut self, date: Date, time: Time) {
        (self.date, self.time, self.julian) = (Some(date), Some(time), None);
    }

    /// As clocks show it that are ahead of UTC by what `ahead` says of a second since 1970.
    pub(super) fn make_local(&mut self, ahead: &dyn Fn(i64) -> i64) -> Result<(), Error> {
        let julian = self.compute_julian();
        // Where rules of summer time may be unknown, those of a year like it, of which there are four.
        let mut known = *self;
        let mut years = 0;
        if !(EPOCH..=213_014_145_600_000).contains(&julian) {
            let (date, time) = (known.compute_date(), known.compute_time());
            if known.failed {
                self.fail();
                return Ok(());
            }
            years = 2000 + date.year % 4 - date.year;
            known.set(Date { year: date.year + years, ..date }, time);
        }
        let seconds = known.compute_julian() / 1000 - EPOCH / 1000;
        let local = seconds.checked_add(ahead(seconds)).ok_or_else(|| Error::failed("local time unavailable"))?;
        let millis = local.checked_mul(1000).and_then(|millis| millis.checked_add(EPOCH));
        let Some(millis) = millis.filter(|millis| is_valid(*millis)) else {
            return Err(Error::failed("local time unavailable"));
        };
        let mut shown = Moment::of_julian(millis);
        let (date, mut time) = (shown.compute_date(), shown.compute_time());
        time.second += (julian % 1000) as f64 * 0.001;
        self.set(Date { year: date.year - years, ..date }, time);
        (self.raw, self.zone) = (None, None);
        Ok(())
    }
}

pub(super) fn is_valid(julian: i64) -> bool {
    (0..=LAST).contains(&julian)
}

/// So many digits, a number within the range.
fn digits(text: &[u8], many: usize, range: RangeInclusive<i32>) -> Option<(i32, &[u8])> {
    let (digits, rest) = text.split_at_checked(many)?;
    let mut number = 0;
    for digit in digits {
        number = number * 10 + char::from(*digit).to_digit(10)? as i32;
    }
    range.contains(&number).then_some((number, rest))
}

/// The end of a time: nothing, `Z`, or hours and minutes.
fn read_zone(text: &[u8]) -> Option<(i32, bool)> {
    let spaces = text.iter().take_while(|byte| is_space(**byte)).count();
    let (minutes, rest) = match &text[spaces..] {
        [] => return Some((0, false)),
        [b'Z' | b'z', rest @ ..] => (0, rest),
        [sign @ (b'+' | b'-'), rest @ ..] => {
            let (hours, rest) = digits(rest, 2, 0..=14)?;
            let (minutes, rest) = digits(rest.strip_prefix(b":")?, 2, 0..=59)?;
            let minutes = hours * 60 + minutes;
            (if *sign == b'-' { -minutes } else { minutes }, rest)
        }
        _ => return None,
    };
    rest.iter().all(|byte| is_space(*byte)).then_some((minutes, true))
}
