//! Times to live in arguments: seconds or milliseconds, from now or since 1970.

use crate::fault::Fault;
use crate::parse;

/// A time as it was given.
#[derive(Debug, Clone)]
pub(crate) struct Deadline {
    number: Option<i64>,
    seconds: bool,
    absolute: bool,
}

impl Deadline {
    /// Of the option `ex`, `px`, `exat` or `pxat`.
    pub(crate) fn unit(unit: &[u8], number: &[u8]) -> Deadline {
        Deadline {
            number: parse::int(number),
            seconds: matches!(unit, b"ex" | b"exat"),
            absolute: matches!(unit, b"exat" | b"pxat"),
        }
    }
}

/// The moment in Unix milliseconds that `given` means; an error names the command.
pub(crate) fn deadline(given: &Deadline, now: u64, command: &str) -> Result<u64, Fault> {
    let number = given.number.ok_or(Fault::NOT_AN_INTEGER)?;
    let invalid = || Fault::because(format!("ERR invalid expire time in '{command}' command"));
    if number <= 0 {
        return Err(invalid());
    }
    moment(number, given.seconds, given.absolute, now).map(|at| at as u64).ok_or_else(invalid)
}

/// A number of seconds or milliseconds as a moment in Unix milliseconds, which may lie before 1970; `None` when it
/// cannot be expressed.
pub(crate) fn moment(number: i64, seconds: bool, absolute: bool, now: u64) -> Option<i64> {
    let millis = if seconds { number.checked_mul(1000)? } else { number };
    if absolute { Some(millis) } else { millis.checked_add(now as i64) }
}
