//! Numbers out of text: as much of its beginning as is one.

/// What a text is, read as a number of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Digits, perhaps too many for an integer; spaces around them.
    Integer,
    /// With a point or an exponent; spaces around it.
    Real,
    /// It begins with a number that has a point or an exponent.
    RealPrefix,
    /// Anything else: digits and something else behind them, or no number at all.
    Other,
}

/// How much of a text an integer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// All of it, but for spaces.
    Whole,
    /// Its beginning, or nothing of it.
    Prefix,
    /// The digits are too many: the nearest integer stands for them.
    TooLarge,
}

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn digits_from(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn spaces_from(text: &[u8], at: usize) -> usize {
    at + text[at..].iter().take_while(|byte| is_space(**byte)).count()
}

/// The real number that a text begins with, zero if there is none, and what the text is as a whole.
pub(crate) fn real(text: &[u8]) -> (f64, Shape) {
    let start = spaces_from(text, 0);
    let signed = usize::from(matches!(text.get(start), Some(b'-' | b'+')));
    let whole = digits_from(text, start + signed);
    let mut digits = whole - start - signed;
    // The end of what a number may be, and of what is one: they differ behind an `e` without digits.
    let (mut end, mut number, mut marks, mut exponent_whole) = (whole, whole, 0, true);
    if text.get(end) == Some(&b'.') {
        marks += 1;
        let behind = digits_from(text, end + 1);
        digits += behind - end - 1;
        (end, number) = (behind, behind);
    }
    if matches!(text.get(end), Some(b'e' | b'E')) {
        marks += 1;
        end += 1;
        let sign = usize::from(matches!(text.get(end), Some(b'-' | b'+')));
        let behind = digits_from(text, end + sign);
        exponent_whole = behind > end + sign;
        end = behind;
        if exponent_whole {
            number = end;
        }
    }
    let at_end = spaces_from(text, end) == text.len();
    let shape = match (at_end && digits > 0 && exponent_whole, marks) {
        (true, 0) => Shape::Integer,
        (true, _) => Shape::Real,
        (false, 1..) if digits > 0 && (marks == 2 || exponent_whole) => Shape::RealPrefix,
        _ => Shape::Other,
    };
    if digits == 0 {
        return (if signed == 1 && text[start] == b'-' { -0.0 } else { 0.0 }, shape);
    }
    // Digits, a point, an exponent, a sign before them: ASCII, and always a number.
    let value = str::from_utf8(&text[start..number]).ok().and_then(|number| number.parse().ok());
    (value.unwrap_or(0.0), shape)
}

/// The real number that all of a text is, but for spaces around it.
pub(crate) fn whole(text: &[u8]) -> Option<f64> {
    match real(text) {
        (number, Shape::Integer | Shape::Real) => Some(number),
        _ => None,
    }
}

/// The integer that a text begins with, zero if there is none.
pub(crate) fn integer(text: &[u8]) -> (i64, Fit) {
    let start = spaces_from(text, 0);
    let negative = text.get(start) == Some(&b'-');
    let signed = usize::from(matches!(text.get(start), Some(b'-' | b'+')));
    let end = digits_from(text, start + signed);
    let mut value = Some(0_i64);
    for digit in &text[start + signed..end] {
        let digit = i64::from(digit - b'0');
        value = value.and_then(|value| value.checked_mul(10)).and_then(|value| match negative {
            true => value.checked_sub(digit),
            false => value.checked_add(digit),
        });
    }
    let Some(value) = value else { return (if negative { i64::MIN } else { i64::MAX }, Fit::TooLarge) };
    let whole = end > start + signed && spaces_from(text, end) == text.len();
    (value, if whole { Fit::Whole } else { Fit::Prefix })
}

/// The nearest integer towards zero; what is out of range is the last one within.
pub(crate) fn truncated(real: f64) -> i64 {
    real as i64
}

/// A real number as the integer that it is, if it is one whose neighbours are told apart.
pub(crate) fn as_small_integer(real: f64) -> Option<i64> {
    const APART: i64 = 1 << 51;
    let integer = truncated(real);
    let same = real == 0.0 || (integer as f64 == real && (-APART..APART).contains(&integer));
    same.then_some(integer)
}

/// A real number as the integer that it is, the outermost ones left out.
pub(crate) fn as_integer(real: f64) -> Option<i64> {
    let integer = truncated(real);
    (integer as f64 == real && integer > i64::MIN && integer < i64::MAX).then_some(integer)
}
