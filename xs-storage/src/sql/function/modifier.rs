//! What is done to a moment, one modifier after the other: `start of month`, `+1 day`, `localtime`.

use super::moment::{DAY, Date, EPOCH, Moment, Time};
use super::{Context, Error};
use crate::sql::utf8;
use crate::sql::value::{is_space, whole_number};

/// Applies a modifier that stands at a position, from one; no, if it is none.
pub(super) fn apply(moment: &mut Moment, text: &[u8], position: usize, context: &Context<'_>) -> Result<bool, Error> {
    let text = utf8::before_nul(text);
    let lower = text.to_ascii_lowercase();
    Ok(match &lower[..] {
        b"auto" => position == 1 && auto(moment),
        // It is read as one already.
        b"julianday" => position == 1 && moment.julian.is_some() && moment.raw.take().is_some(),
        b"unixepoch" => {
            position == 1 && moment.raw.is_some_and(|seconds| of_seconds(moment, seconds, 464_269_060_800_000.0))
        }
        b"localtime" => {
            moment.make_local(zone(context)?)?;
            true
        }
        b"utc" => {
            to_utc(moment, zone(context)?)?;
            true
        }
        [b'+' | b'-' | b'0'..=b'9', ..] => shift(moment, &lower),
        _ => {
            if let Some(day) = lower.strip_prefix(b"weekday ") {
                weekday(moment, day)
            } else if let Some(unit) = lower.strip_prefix(b"start of ") {
                start(moment, unit)
            } else {
                false
            }
        }
    })
}

fn zone<'a>(context: &Context<'a>) -> Result<&'a dyn Fn(i64) -> i64, Error> {
    context.zone.ok_or_else(|| Error::failed("local time unavailable"))
}

/// A number that is no Julian day may be seconds since 1970.
fn auto(moment: &mut Moment) -> bool {
    match moment.raw {
        Some(seconds) if moment.julian.is_none() => {
            (-210_866_760_000.0..=253_402_300_799.0).contains(&seconds) && of_seconds(moment, seconds, f64::INFINITY)
        }
        _ => {
            moment.raw = None;
            true
        }
    }
}

/// Before a limit in milliseconds.
fn of_seconds(moment: &mut Moment, seconds: f64, limit: f64) -> bool {
    let millis = seconds * 1000.0 + EPOCH as f64;
    if !(0.0..limit).contains(&millis) {
        return false;
    }
    *moment = Moment { in_utc: moment.in_utc, failed: moment.failed, ..Moment::of_julian((millis + 0.5) as i64) };
    true
}

/// What clocks showed as this: a guess, and by what it is wrong, until it isn't.
fn to_utc(moment: &mut Moment, zone: &dyn Fn(i64) -> i64) -> Result<(), Error> {
    if moment.in_utc {
        return Ok(());
    }
    let wanted = moment.compute_julian();
    let (mut guess, mut wrong) = (wanted, 0);
    for _ in 0..4 {
        guess -= wrong;
        let mut shown = Moment::of_julian(guess);
        shown.make_local(zone)?;
        if shown.failed {
            break;
        }
        wrong = shown.compute_julian() - wanted;
        if wrong == 0 {
            break;
        }
    }
    *moment = Moment { in_utc: true, failed: moment.failed, ..Moment::of_julian(guess) };
    Ok(())
}

/// The next such day, or this one; Sunday is zero.
fn weekday(moment: &mut Moment, text: &[u8]) -> bool {
    let Some(wanted) = whole_number(text).filter(|day| (0.0..7.0).contains(day) && day.fract() == 0.0) else {
        return false;
    };
    let (date, time) = (moment.compute_date(), moment.compute_time());
    moment.zone = None;
    moment.set(date, time);
    let julian = moment.compute_julian();
    let mut day = (julian + DAY + DAY / 2) / DAY % 7;
    if day > wanted as i64 {
        day -= 7;
    }
    moment.julian = Some(julian + (wanted as i64 - day) * DAY);
    moment.forget_date_and_time();
    true
}

fn start(moment: &mut Moment, unit: &[u8]) -> bool {
    if moment.julian.is_none() && moment.date.is_none() && moment.time.is_none() {
        return false;
    }
    let date = moment.compute_date();
    let date = match unit {
        b"day" => date,
        b"month" => Date { day: 1, ..date },
        b"year" => Date { day: 1, month: 1, ..date },
        _ => return false,
    };
    moment.raw = None;
    moment.zone = None;
    moment.set(date, Time::default());
    true
}

/// Names, how many of them there may be, and their seconds.
const UNITS: [(&[u8], f32, f64); 6] = [
    (b"second", 4.6427e14, 1.0),
    (b"minute", 7.7379e12, 60.0),
    (b"hour", 1.2897e11, 3600.0),
    (b"day", 5_373_485.0, 86_400.0),
    (b"month", 176_546.0, 30.0 * 86_400.0),
    (b"year", 14_713.0, 365.0 * 86_400.0),
];

/// By a number of units, or by hours and minutes.
fn shift(moment: &mut Moment, text: &[u8]) -> bool {
    let end = 1 + text[1..].iter().take_while(|byte| **byte != b':' && !is_space(**byte)).count();
    let Some(mut number) = whole_number(&text[..end]) else { return false };
    if text.get(end) == Some(&b':') {
        return shift_by_time(moment, text);
    }
    let spaces = text[end..].iter().take_while(|byte| is_space(**byte)).count();
    let unit = &text[end + spaces..];
    if !(3..=10).contains(&unit.len()) {
        return false;
    }
    let unit = unit.strip_suffix(b"s").unwrap_or(unit);
    moment.compute_julian();
    let found = UNITS.iter().find(|(name, most, _)| *name == unit && number.abs() < f64::from(*most));
    let Some(&(name, _, seconds)) = found else { return false };
    let half = if number < 0.0 { -0.5 } else { 0.5 };
    if matches!(name, b"month" | b"year") {
        let (mut date, time) = (moment.compute_date(), moment.compute_time());
        let whole = number as i32;
        if name == b"year" {
            date.year += whole;
        } else {
            let months = date.month - 1 + whole;
            date.year += months.div_euclid(12);
            date.month = months.rem_euclid(12) + 1;
        }
        moment.set(date, time);
        number -= f64::from(whole);
    }
    let julian = moment.compute_julian();
    moment.julian = Some(julian.saturating_add((number * 1000.0 * seconds + half) as i64));
    moment.forget_date_and_time();
    true
}

fn shift_by_time(moment: &mut Moment, text: &[u8]) -> bool {
    let unsigned = if text[0].is_ascii_digit() { text } else { &text[1..] };
    // Letters of a zone are small here.
    let Some(mut by) = Moment::read_time(unsigned) else { return false };
    let by = (by.compute_julian() - DAY / 2) % DAY;
    let by = if text[0] == b'-' { -by } else { by };
    let julian = moment.compute_julian();
    moment.forget_date_and_time();
    moment.julian = Some(julian.saturating_add(by));
    true
}
