//! Bytes as digits and back, and values as SQL.

use super::Context;
use super::core::Answer;
use super::format::{self, Spec};
use crate::row::ValueRef;
use crate::sql::utf8;
use crate::sql::value::{NumberText, Value};

fn digits(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend(bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(|digit| DIGITS[usize::from(digit)]));
}

pub(super) fn hex(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    let bytes = args[0].text_in(&mut room).unwrap_or_default();
    context.fits(bytes.len().saturating_mul(2))?;
    let mut text = Vec::with_capacity(bytes.len() * 2);
    digits(&mut text, bytes);
    Ok(Value::Text(text.into()))
}

/// Pairs of digits; between them may stand what the second argument has.
pub(super) fn unhex(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let (mut room, mut other_room) = (NumberText::new(), NumberText::new());
    let ignored = match args.get(1) {
        None => Some(&b""[..]),
        Some(ignored) => ignored.text_in(&mut other_room).map(utf8::before_nul),
    };
    let (Some(text), Some(ignored)) = (args[0].text_in(&mut room), ignored) else { return Ok(Value::Null) };
    let ignores = |wanted: u32| {
        let mut rest = ignored;
        std::iter::from_fn(|| {
            let (char, behind) = utf8::next(rest)?;
            rest = behind;
            Some(char)
        })
        .any(|char| char == wanted)
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut blob = Vec::new();
    let mut rest = utf8::before_nul(text);
    while let Some((char, behind)) = utf8::next(rest) {
        match (digit(&rest[0]), rest.get(1).and_then(digit)) {
            (Some(high), Some(low)) => {
                blob.push((high << 4 | low) as u8);
                rest = &rest[2..];
            }
            (None, _) if ignores(char) => rest = behind,
            _ => return Ok(Value::Null),
        }
    }
    Ok(blob.into())
}

/// A value as it would be written in SQL.
pub(super) fn quote(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    let mut text = Vec::new();
    match args[0] {
        ValueRef::Null => text.extend_from_slice(b"NULL"),
        ValueRef::Integer(integer) => text.extend_from_slice(room.integer(integer)),
        ValueRef::Real(real) => {
            let same = ValueRef::Text(room.real(real)).to_real() == real;
            match same {
                true => text.extend_from_slice(&room),
                // More digits than a double needs, as SQLite 3.40 writes them.
                false => {
                    let spec = Spec { full: true, precision: Some(20), ..Spec::default() };
                    text.extend(format::real(&spec, b'e', real));
                }
            }
        }
        ValueRef::Blob(blob) => {
            context.fits(blob.len().saturating_mul(2).saturating_add(3))?;
            text.extend_from_slice(b"X'");
            digits(&mut text, blob);
            text.push(b'\'');
        }
        ValueRef::Text(quoted) => {
            let quoted = utf8::before_nul(quoted);
            let quotes = quoted.iter().filter(|byte| **byte == b'\'').count();
            context.fits(quoted.len() + quotes + 2)?;
            text.push(b'\'');
            for byte in quoted {
                text.push(*byte);
                if *byte == b'\'' {
                    text.push(b'\'');
                }
            }
            text.push(b'\'');
        }
    }
    Ok(Value::Text(text.into()))
}

pub(super) fn zeroblob(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let len = usize::try_from(args[0].to_integer().max(0)).unwrap_or(usize::MAX);
    context.fits(len)?;
    Ok(vec![0; len].into())
}
