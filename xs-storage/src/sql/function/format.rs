//! `format()`, which was `printf()`: C's conversions, and SQLite's own for text in SQL.

use super::core::Answer;
use super::extended::{Extended, scientific};
use super::{Arity, Context, Error, Registry};
use crate::row::ValueRef;
use crate::sql::utf8;
use crate::sql::value::{NumberText, Value};

pub(super) fn register(registry: &mut Registry) {
    for name in ["format", "printf"] {
        registry.add_scalar(name, Arity::AtLeast(0), true, format);
    }
}

/// What stands between the percent sign and the letter.
#[derive(Clone, Debug, Default)]
pub(super) struct Spec {
    /// `-`: to the left of its width.
    pub(super) left: bool,
    /// `+` or a space: before a number that is not below zero.
    pub(super) sign: Option<u8>,
    /// `#`
    pub(super) alternate: bool,
    /// `!`: characters are counted, not bytes; a real number has all its digits.
    pub(super) full: bool,
    /// `0`: zeros fill the width.
    pub(super) zeros: bool,
    /// `,`: between thousands of whole numbers.
    pub(super) thousands: bool,
    pub(super) width: i32,
    pub(super) precision: Option<i32>,
}

/// The arguments that are still to be written; those that are missing are nothing.
struct Arguments<'a> {
    rest: std::slice::Iter<'a, ValueRef<'a>>,
}

impl<'a> Arguments<'a> {
    fn next(&mut self) -> ValueRef<'a> {
        self.rest.next().copied().unwrap_or(ValueRef::Null)
    }

    fn narrow(&mut self) -> i32 {
        self.next().to_integer() as i32
    }
}

fn format(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let Some((format, rest)) = args.split_first() else { return Ok(Value::Null) };
    let mut room = NumberText::new();
    let Some(format) = format.text_in(&mut room) else { return Ok(Value::Null) };
    let mut out = Output { text: Vec::new(), begun: false, longest: context.longest };
    let mut arguments = Arguments { rest: rest.iter() };
    let mut format = utf8::before_nul(format);
    while let Some(percent) = format.iter().position(|byte| *byte == b'%') {
        if percent > 0 {
            out.push(&format[..percent])?;
        }
        let mut reader = Reader { text: &format[percent + 1..] };
        if reader.text.is_empty() {
            out.push(b"%")?;
            return Ok(out.finish());
        }
        let spec = reader.spec(&mut arguments);
        // What is no conversion ends the text.
        let Some(letter) = reader.next() else { return Ok(out.finish()) };
        if !out.convert(&spec, letter, &mut arguments)? {
            return Ok(out.finish());
        }
        format = reader.text;
    }
    if !format.is_empty() {
        out.push(format)?;
    }
    Ok(out.finish())
}

struct Reader<'a> {
    text: &'a [u8],
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.text.split_first()?;
        self.text = rest;
        Some(*first)
    }

    fn number(&mut self) -> i32 {
        let mut number = 0_u32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.wrapping_mul(10).wrapping_add((digit - b'0').into());
            self.text = &self.text[1..];
        }
        (number & 0x7fff_ffff) as i32
    }

    /// Up to the letter. Behind a width, only a precision and `l` may stand.
    fn spec(&mut self, arguments: &mut Arguments<'_>) -> Spec {
        let mut spec = Spec::default();
        loop {
            match self.peek() {
                Some(b'-') => spec.left = true,
                Some(sign @ (b'+' | b' ')) => spec.sign = Some(sign),
                Some(b'#') => spec.alternate = true,
                Some(b'!') => spec.full = true,
                Some(b'0') => spec.zeros = true,
                Some(b',') => spec.thousands = true,
                Some(b'1'..=b'9') => {
                    spec.width = self.number();
                    if !matches!(self.peek(), Some(b'.' | b'l')) {
                        return spec;
                    }
                    continue;
                }
                Some(b'*') => {
                    self.text = &self.text[1..];
                    let width = arguments.narrow();
                    spec.left |= width < 0;
                    spec.width = width.checked_abs().unwrap_or(0);
                    if !matches!(self.peek(), Some(b'.' | b'l')) {
                        return spec;
                    }
                    continue;
                }
                Some(b'.') => {
                    self.text = &self.text[1..];
                    spec.precision = if self.peek() == Some(b'*') {
                        self.text = &self.text[1..];
                        arguments.narrow().checked_abs()
                    } else {
                        Some(self.number())
                    };
                    if self.peek() != Some(b'l') {
                        return spec;
                    }
                    continue;
                }
                Some(b'l') => {
                    for _ in 0..2 {
                        if self.peek() == Some(b'l') {
                            self.text = &self.text[1..];
                        }
                    }
                    return spec;
                }
                _ => return spec,
            }
            self.text = &self.text[1..];
        }
    }
}

struct Output {
    text: Vec<u8>,
    /// Whether anything was written, be it empty.
    begun: bool,
    longest: usize,
}

impl Output {
    /// Where nothing was written, nothing is the answer.
    fn finish(self) -> Value {
        if self.begun { Value::Text(self.text.into()) } else { Value::Null }
    }

    fn fits(&self, more: usize) -> Result<(), Error> {
        if more > self.longest.saturating_sub(self.text.len()) { Err(Error::TooBig) } else { Ok(()) }
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.fits(bytes.len())?;
        self.begun = true;
        self.text.extend_from_slice(bytes);
        Ok(())
    }

    fn fill(&mut self, byte: u8, many: usize) -> Result<(), Error> {
        self.fits(many)?;
        self.text.resize(self.text.len() + many, byte);
        Ok(())
    }

    /// In so many columns.
    fn padded(&mut self, bytes: &[u8], width: usize, left: bool) -> Result<(), Error> {
        let spaces = width.saturating_sub(bytes.len());
        if !left {
            self.fill(b' ', spaces)?;
        }
        self.push(bytes)?;
        if left {
            self.fill(b' ', spaces)?;
        }
        Ok(())
    }

    /// Text, whose width may count characters.
    fn padded_text(&mut self, bytes: &[u8], spec: &Spec) -> Result<(), Error> {
        let mut width = spec.width.max(0) as usize;
        if spec.full && width > 0 {
            width += bytes.iter().filter(|byte| is_inner(**byte)).count();
        }
        self.padded(bytes, width, spec.left)
    }

    /// Writes an argument; no, if the letter is no conversion's.
    fn convert(&mut self, spec: &Spec, letter: u8, arguments: &mut Arguments<'_>) -> Result<bool, Error> {
        let width = spec.width.max(0) as usize;
        match letter {
            b'd' | b'i' | b'u' | b'r' | b'o' | b'x' | b'X' | b'p' => {
                // Numbers are as long as they are told to be, and no longer than a text may be.
                let zeros = spec.precision.unwrap_or(0).max(if spec.zeros { spec.width } else { 0 });
                self.fits(zeros.max(0) as usize)?;
                let text = integer(spec, letter, arguments.next().to_integer());
                self.padded(&text, width, spec.left)?;
            }
            b'f' | b'e' | b'E' | b'g' | b'G' => {
                let real = arguments.next().to_real();
                self.fits(spec.precision.unwrap_or(0).max(0) as usize)?;
                self.fits(width)?;
                let text = self::real(spec, letter, real);
                self.padded(&text, width, spec.left)?;
            }
            b's' | b'z' => {
                let mut room = NumberText::new();
                let argument = arguments.next();
                let text = argument.text_in(&mut room).map_or(&b""[..], utf8::before_nul);
                self.padded_text(beginning(text, spec), spec)?;
            }
            b'c' => self.repeated(spec, arguments.next())?,
            b'q' | b'Q' | b'w' => {
                let text = quoted(spec, letter, arguments.next(), self.longest)?;
                self.padded_text(&text, spec)?;
            }
            b'n' => self.push(b"")?,
            b'%' => self.padded(b"%", width, spec.left)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first character of a text, as often as the precision says.
    fn repeated(&mut self, spec: &Spec, argument: ValueRef<'_>) -> Result<(), Error> {
        let mut room = NumberText::new();
        let text = argument.text_in(&mut room).map_or(&b""[..], utf8::before_nul);
        // No character is the zero byte.
        let char = match first_char(text, 4) {
            b"" => &b"\0"[..],
            char => char,
        };
        let mut spec = Spec { full: true, ..spec.clone() };
        let times = spec.precision.unwrap_or(1);
        if times > 1 {
            spec.width = spec.width.saturating_sub(times - 1);
            if spec.width > 1 && !spec.left {
                self.fill(b' ', spec.width as usize - 1)?;
                spec.width = 0;
            }
            let times = times as usize - 1;
            self.fits(times.saturating_mul(char.len()))?;
            (0..times).for_each(|_| self.text.extend_from_slice(char));
        }
        self.padded_text(char, &spec)
    }
}

/// Whether a byte is of a character, and not its first.
fn is_inner(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The first character of a text, of at most so many bytes.
fn first_char(text: &[u8], longest: usize) -> &[u8] {
    match text {
        [first, rest @ ..] if *first >= 0xc0 => {
            let inner = rest.iter().take(longest - 1).take_while(|byte| is_inner(**byte)).count();
            &text[..=inner]
        }
        [_, ..] => &text[..1],
        [] => text,
    }
}

/// As much of a text as the precision lets through.
fn beginning<'a>(text: &'a [u8], spec: &Spec) -> &'a [u8] {
    let Some(precision) = spec.precision else { return text };
    let mut len = 0;
    for _ in 0..precision {
        match if spec.full { first_char(&text[len..], usize::MAX).len() } else { text.len().min(len + 1) - len } {
            0 => break,
            char => len += char,
        }
    }
    &text[..len]
}

/// With each quote twice; `%Q` between quotes, unless it is nothing.
fn quoted(spec: &Spec, letter: u8, argument: ValueRef<'_>, longest: usize) -> Result<Vec<u8>, Error> {
    let mut room = NumberText::new();
    let (text, around) = match argument.text_in(&mut room) {
        Some(text) => (utf8::before_nul(text), letter == b'Q'),
        None if letter == b'Q' => (&b"NULL"[..], false),
        None => (&b"(NULL)"[..], false),
    };
    let quote = if letter == b'w' { b'"' } else { b'\'' };
    let text = beginning(text, spec);
    if text.len().saturating_mul(2) > longest
        && text.len() + text.iter().filter(|byte| **byte == quote).count() > longest
    {
        return Err(Error::TooBig);
    }
    let mut quoted = Vec::with_capacity(text.len() + 2);
    quoted.extend(around.then_some(quote));
    for byte in text {
        quoted.push(*byte);
        quoted.extend((*byte == quote).then_some(quote));
    }
    quoted.extend(around.then_some(quote));
    Ok(quoted)
}

fn integer(spec: &Spec, letter: u8, value: i64) -> Vec<u8> {
    let signed = matches!(letter, b'd' | b'i' | b'r');
    let (sign, magnitude) = match value {
        _ if !signed => (None, value as u64),
        ..0 => (Some(b'-'), value.unsigned_abs()),
        _ => (spec.sign, value.unsigned_abs()),
    };
    let (base, digits, prefix) = match letter {
        b'o' => (8, b"0123456789abcdef", &b"0"[..]),
        b'x' => (16, b"0123456789abcdef", &b"0x"[..]),
        b'p' => (16, b"0123456789ABCDEF", &b"0x"[..]),
        b'X' => (16, b"0123456789ABCDEF", &b"0X"[..]),
        _ => (10, b"0123456789abcdef", &b""[..]),
    };
    let mut backwards = Vec::new();
    if letter == b'r' {
        backwards.extend_from_slice(match (magnitude / 10 % 10, magnitude % 10) {
            (1, _) => b"ht",
            (_, 1) => b"ts",
            (_, 2) => b"dn",
            (_, 3) => b"dr",
            _ => b"ht",
        });
    }
    let mut rest = magnitude;
    loop {
        backwards.push(digits[(rest % base) as usize]);
        rest /= base;
        if rest == 0 {
            break;
        }
    }
    let mut len = spec.precision.unwrap_or(-1);
    if spec.zeros {
        len = len.max(spec.width - i32::from(sign.is_some()));
    }
    backwards.resize(backwards.len().max(len.max(0) as usize), b'0');
    if spec.thousands && matches!(letter, b'd' | b'i' | b'u') {
        let mut grouped = Vec::with_capacity(backwards.len() + backwards.len() / 3);
        for (at, digit) in backwards.iter().enumerate() {
            if at > 0 && at % 3 == 0 {
                grouped.push(b',');
            }
            grouped.push(*digit);
        }
        backwards = grouped;
    }
    backwards.extend(sign);
    if spec.alternate && magnitude != 0 {
        backwards.extend(prefix.iter().rev());
    }
    backwards.reverse();
    backwards
}

/// A number of the kind that `%f`, `%e` and `%g` write. Not infinite and no zeros before it, its width is for others to fill.
pub(super) fn real(spec: &Spec, letter: u8, real: f64) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend(if real < 0.0 { Some(b'-') } else { spec.sign });
    let signed = text.len();
    if real.is_infinite() {
        text.extend_from_slice(b"Inf");
        return text;
    }
    let general = matches!(letter, b'g' | b'G');
    // Nobody writes a hundred million digits on purpose.
    let mut precision = spec.precision.unwrap_or(6).min(100_000_000);
    if general && precision > 0 {
        precision -= 1;
    }
    let mut rounder = rounder(precision);
    let mut magnitude = Extended::of(real.abs());
    if letter == b'f' {
        let binary = (real.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        if precision + binary / 3 < 15 {
            // A number that was written with few digits and a five behind them is rounded as it was written.
            rounder = Extended::of(rounder).plus(magnitude.times(3e-16)).to_f64();
        }
        magnitude = magnitude.plus(Extended::of(rounder));
    }
    let (mut magnitude, mut exponent) = scientific(magnitude);
    if letter != b'f' {
        magnitude = magnitude.plus(Extended::of(rounder));
        if magnitude >= Extended::of(10.0) {
            magnitude = magnitude.times(0.1);
            exponent += 1;
        }
    }
    let mut with_exponent = matches!(letter, b'e' | b'E');
    let without_zeros = if general { !spec.alternate } else { spec.full };
    if general {
        with_exponent = exponent < -4 || exponent > precision;
        if !with_exponent {
            precision -= exponent;
        }
    }
    // Digits that mean something; zeros stand for the others.
    let mut significant = if spec.full { 26 } else { 16 };
    let mut digit = || match significant {
        0 => b'0',
        _ => {
            significant -= 1;
            magnitude.digit()
        }
    };
    let place = if with_exponent { 0 } else { exponent };
    if place < 0 {
        text.push(b'0');
    }
    text.extend((0..=place).map(|_| digit()));
    if precision > 0 || spec.alternate || spec.full {
        text.push(b'.');
        let zeros = (-1 - place).clamp(0, precision.max(0));
        text.resize(text.len() + zeros as usize, b'0');
        text.extend((zeros..precision).map(|_| digit()));
        if without_zeros {
            while text.last() == Some(&b'0') {
                text.pop();
            }
            match text.last() {
                Some(b'.') if spec.full => text.push(b'0'),
                Some(b'.') => drop(text.pop()),
                _ => {}
            }
        }
    }
    if with_exponent {
        text.push(if matches!(letter, b'E' | b'G') { b'E' } else { b'e' });
        text.push(if exponent < 0 { b'-' } else { b'+' });
        text.extend(format!("{:02}", exponent.unsigned_abs()).bytes());
    }
    let missing = (spec.width.max(0) as usize).saturating_sub(text.len());
    if spec.zeros && !spec.left && missing > 0 {
        text.splice(signed..signed, std::iter::repeat_n(b'0', missing));
    }
    text
}

/// Half of the last digit.
fn rounder(precision: i32) -> f64 {
    const HALVES: [f64; 10] = [5e-1, 5e-2, 5e-3, 5e-4, 5e-5, 5e-6, 5e-7, 5e-8, 5e-9, 5e-10];
    let digits = precision & 0xfff;
    let mut half = HALVES[(digits % 10) as usize];
    for _ in 0..digits / 10 {
        half *= 1e-10;
    }
    half
}
