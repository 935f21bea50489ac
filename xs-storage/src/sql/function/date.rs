//! Dates and times: text, Julian days, seconds since 1970.

use super::core::Answer;
use super::format::{self, Spec};
use super::moment::{DAY, Date, EPOCH, Moment, Time, is_valid};
use super::{Arity, Context, Error, Registry, modifier};
use crate::row::ValueRef;
use crate::sql::utf8;
use crate::sql::value::{NumberText, Value};

pub(super) fn register(registry: &mut Registry) {
    use Arity::{AtLeast, Exactly};
    let forms: [(&str, &str, fn(&mut Moment) -> Value); 3] = [
        ("date", "current_date", |moment| {
            let mut text = Vec::with_capacity(11);
            write_date(&mut text, moment.compute_date());
            Value::Text(text.into())
        }),
        ("time", "current_time", |moment| {
            let mut text = Vec::with_capacity(8);
            write_time(&mut text, moment.compute_time());
            Value::Text(text.into())
        }),
        ("datetime", "current_timestamp", |moment| {
            let mut text = Vec::with_capacity(20);
            write_date(&mut text, moment.compute_date());
            text.push(b' ');
            write_time(&mut text, moment.compute_time());
            Value::Text(text.into())
        }),
    ];
    for (name, current, form) in forms {
        register_one(registry, name, form);
        registry.add_scalar(current, Exactly(0), false, move |context: &mut Context<'_>, _: &[ValueRef<'_>]| {
            Ok(form(&mut now(context)?))
        });
    }
    register_one(registry, "julianday", |moment| (moment.compute_julian() as f64 / DAY as f64).into());
    register_one(registry, "unixepoch", |moment| seconds(moment).into());
    registry.add_scalar("strftime", AtLeast(0), true, strftime);
}

fn register_one(registry: &mut Registry, name: &str, form: fn(&mut Moment) -> Value) {
    registry.add_scalar(name, Arity::AtLeast(0), true, move |context: &mut Context<'_>, args: &[ValueRef<'_>]| {
        Ok(moment(context, args)?.map_or(Value::Null, |mut moment| form(&mut moment)))
    });
}

fn now(context: &Context<'_>) -> Result<Moment, Error> {
    let now = context.now.and_then(|now| now.checked_add(EPOCH));
    now.map(Moment::of_julian).ok_or_else(|| Error::failed("the current time is unknown here"))
}

/// What the arguments mean together; nothing, if one of them is wrong or the moment is out of range.
fn moment(context: &Context<'_>, args: &[ValueRef<'_>]) -> Result<Option<Moment>, Error> {
    let mut room = NumberText::new();
    let mut moment = match args.first() {
        None => now(context)?,
        Some(&number @ (ValueRef::Integer(_) | ValueRef::Real(_))) => Moment::of_number(number.to_real()),
        Some(text) => match text.text_in(&mut room).map(utf8::before_nul) {
            None => return Ok(None),
            Some(text) if text.eq_ignore_ascii_case(b"now") => now(context)?,
            Some(text) => match Moment::read(text) {
                Some(moment) => moment,
                None => return Ok(None),
            },
        },
    };
    for (position, modifier) in args.iter().enumerate().skip(1) {
        let mut room = NumberText::new();
        match modifier.text_in(&mut room) {
            Some(modifier) if modifier::apply(&mut moment, modifier, position, context)? => {}
            _ => return Ok(None),
        }
    }
    let julian = moment.compute_julian();
    Ok(Some(moment).filter(|moment| !moment.failed && is_valid(julian)))
}

/// Since 1970.
fn seconds(moment: &mut Moment) -> i64 {
    moment.compute_julian() / 1000 - EPOCH / 1000
}

fn digits(text: &mut Vec<u8>, number: i32, many: usize) {
    text.extend(format!("{number:0many$}").bytes());
}

fn write_date(text: &mut Vec<u8>, date: Date) {
    if date.year < 0 {
        text.push(b'-');
    }
    digits(text, date.year.abs(), 4);
    text.push(b'-');
    digits(text, date.month, 2);
    text.push(b'-');
    digits(text, date.day, 2);
}

fn write_time(text: &mut Vec<u8>, time: Time) {
    digits(text, time.hour, 2);
    text.push(b':');
    digits(text, time.minute, 2);
    text.push(b':');
    digits(text, time.second as i32, 2);
}

fn strftime(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let Some((form, rest)) = args.split_first() else { return Ok(Value::Null) };
    let mut room = NumberText::new();
    let Some(form) = form.text_in(&mut room).map(utf8::before_nul) else { return Ok(Value::Null) };
    let Some(mut moment) = moment(context, rest)? else { return Ok(Value::Null) };
    let julian = moment.compute_julian();
    let (date, time) = (moment.compute_date(), moment.compute_time());
    let mut text = Vec::with_capacity(form.len());
    let mut form = form.iter();
    while let Some(byte) = form.next() {
        if *byte != b'%' {
            text.push(*byte);
            continue;
        }
        match form.next() {
            Some(b'd') => digits(&mut text, date.day, 2),
            Some(b'f') => {
                // No sixtieth second, even rounded.
                let spec = Spec { zeros: true, width: 6, precision: Some(3), ..Spec::default() };
                text.extend(format::real(&spec, b'f', time.second.min(59.999)));
            }
            Some(b'H') => digits(&mut text, time.hour, 2),
            Some(b'j') => digits(&mut text, day_of_year(julian, date, time) + 1, 3),
            Some(b'J') => {
                let spec = Spec { precision: Some(16), ..Spec::default() };
                text.extend(format::real(&spec, b'g', julian as f64 / DAY as f64));
            }
            Some(b'm') => digits(&mut text, date.month, 2),
            Some(b'M') => digits(&mut text, time.minute, 2),
            Some(b's') => text.extend(seconds(&mut moment).to_string().bytes()),
            Some(b'S') => digits(&mut text, time.second as i32, 2),
            Some(b'w') => text.push(b'0' + ((julian + DAY + DAY / 2) / DAY % 7) as u8),
            Some(b'W') => {
                let since_monday = ((julian + DAY / 2) / DAY % 7) as i32;
                digits(&mut text, (day_of_year(julian, date, time) + 7 - since_monday) / 7, 2);
            }
            // With the sign in one of the four places.
            Some(b'Y') => digits(&mut text, date.year, 4),
            Some(b'%') => text.push(b'%'),
            _ => return Ok(Value::Null),
        }
        context.fits(text.len())?;
    }
    context.fits(text.len())?;
    Ok(Value::Text(text.into()))
}

/// From zero.
fn day_of_year(julian: i64, date: Date, time: Time) -> i32 {
    let mut first = Moment::default();
    first.set(Date { month: 1, day: 1, ..date }, time);
    ((julian - first.compute_julian() + DAY / 2) / DAY) as i32
}
