//! Functions of text and blobs.

use super::core::Answer;
use super::{Arity, Context, Error, Registry, bytes};
use crate::row::ValueRef;
use crate::sql::utf8;
use crate::sql::value::{NumberText, Value};

pub(super) fn register(registry: &mut Registry) {
    use Arity::{AtLeast, Exactly};
    registry.add_scalar("length", Exactly(1), true, length);
    registry.add_scalar("octet_length", Exactly(1), true, octet_length);
    registry.add_scalar("lower", Exactly(1), true, lower);
    registry.add_scalar("upper", Exactly(1), true, upper);
    for args in 1..=2 {
        registry.add_scalar("trim", Exactly(args), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            trim(args, true, true)
        });
        registry.add_scalar("ltrim", Exactly(args), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            trim(args, true, false)
        });
        registry.add_scalar("rtrim", Exactly(args), true, |_: &mut Context<'_>, args: &[ValueRef<'_>]| {
            trim(args, false, true)
        });
        registry.add_scalar("unhex", Exactly(args), true, bytes::unhex);
    }
    for name in ["substr", "substring"] {
        registry.add_scalar(name, Exactly(2), true, substr);
        registry.add_scalar(name, Exactly(3), true, substr);
    }
    registry.add_scalar("instr", Exactly(2), true, instr);
    registry.add_scalar("replace", Exactly(3), true, replace);
    registry.add_scalar("char", AtLeast(0), true, char);
    registry.add_scalar("unicode", Exactly(1), true, unicode);
    registry.add_scalar("concat", AtLeast(1), true, concat);
    registry.add_scalar("concat_ws", AtLeast(2), true, concat_ws);
    registry.add_scalar("hex", Exactly(1), true, bytes::hex);
    registry.add_scalar("quote", Exactly(1), true, bytes::quote);
    registry.add_scalar("zeroblob", Exactly(1), true, bytes::zeroblob);
}

fn length(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    Ok(match args[0] {
        ValueRef::Blob(blob) => Value::Integer(blob.len() as i64),
        other => other.text_in(&mut room).map_or(Value::Null, |text| {
            let mut rest = utf8::before_nul(text);
            let mut chars = 0;
            while let Some((_, behind)) = utf8::next(rest) {
                rest = behind;
                chars += 1;
            }
            Value::Integer(chars)
        }),
    })
}

fn octet_length(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args[0].text_in(&mut NumberText::new()).map(|text| text.len() as i64).into())
}

fn lower(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args[0].to_text().map_or(Value::Null, |text| Value::Text(text.to_ascii_lowercase().into())))
}

fn upper(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    Ok(args[0].to_text().map_or(Value::Null, |text| Value::Text(text.to_ascii_uppercase().into())))
}

/// The characters of a text, each as its bytes.
fn chars(mut text: &[u8]) -> Vec<&[u8]> {
    let mut chars = Vec::new();
    while let Some((_, rest)) = utf8::next(text) {
        chars.push(&text[..text.len() - rest.len()]);
        text = rest;
    }
    chars
}

/// How many characters there are.
fn number_of_chars(mut text: &[u8]) -> usize {
    let mut count = 0;
    while let Some((_, rest)) = utf8::next(text) {
        (count, text) = (count + 1, rest);
    }
    count
}

fn trim(args: &[ValueRef<'_>], left: bool, right: bool) -> Answer {
    let (mut room, mut other_room) = (NumberText::new(), NumberText::new());
    let Some(mut text) = args[0].text_in(&mut room) else { return Ok(Value::Null) };
    let set = match args.get(1) {
        None => vec![&b" "[..]],
        Some(set) => match set.text_in(&mut other_room) {
            None => return Ok(Value::Null),
            Some(set) => chars(utf8::before_nul(set)),
        },
    };
    while let Some(rest) = set.iter().find_map(|char| text.strip_prefix(*char)).filter(|_| left) {
        text = rest;
    }
    while let Some(rest) = set.iter().find_map(|char| text.strip_suffix(*char)).filter(|_| right) {
        text = rest;
    }
    Ok(Value::Text(text.into()))
}

/// The bytes behind the first `many` characters.
fn behind(mut text: &[u8], many: i128) -> &[u8] {
    let mut left = many;
    while left > 0
        && let Some((_, rest)) = utf8::next(text)
    {
        text = rest;
        left -= 1;
    }
    text
}

fn substr(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    if args.iter().any(|arg| arg.is_null()) {
        return Ok(Value::Null);
    }
    let mut room = NumberText::new();
    let (text, blob) = match args[0] {
        // SQLite's own oddity: an empty blob has no part, not even an empty one.
        ValueRef::Blob(b"") => return Ok(Value::Null),
        ValueRef::Blob(blob) => (blob, true),
        other => (utf8::before_nul(other.text_in(&mut room).unwrap_or_default()), false),
    };
    // SQLite's own oddity too: of positions and counts, the lower 32 bits count.
    let from = i128::from(args[1].to_integer() as i32);
    // Without a count, as many as there can be.
    let wanted = args.get(2).map_or(context.longest as i128, |count| i128::from(count.to_integer() as i32));
    // Positions before the first: they count, and have no characters.
    let (mut start, mut count) = (from, wanted.abs());
    if from < 0 {
        let len = if blob { text.len() } else { number_of_chars(text) } as i128;
        start += len;
        if start < 0 {
            count = (count + start).max(0);
            start = 0;
        }
    } else if from > 0 {
        start -= 1;
    } else if count > 0 {
        count -= 1;
    }
    if wanted < 0 {
        start -= count;
        if start < 0 {
            count += start;
            start = 0;
        }
    }
    let count = count.max(0);
    if blob {
        let start = start.min(text.len() as i128) as usize;
        let end = (start as i128 + count).min(text.len() as i128) as usize;
        return Ok(text[start..end].into());
    }
    let text = behind(text, start);
    Ok(Value::Text(text[..text.len() - behind(text, count).len()].into()))
}

/// Where one stands in the other, from one; zero, if it doesn't.
fn instr(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let (mut room, mut other_room) = (NumberText::new(), NumberText::new());
    let as_bytes = matches!(args, [ValueRef::Blob(_), ValueRef::Blob(_)]);
    let (Some(text), Some(part)) = (args[0].text_in(&mut room), args[1].text_in(&mut other_room)) else {
        return Ok(Value::Null);
    };
    if part.is_empty() {
        return Ok(1.into());
    }
    let begins = |at: usize| as_bytes || at == 0 || text[at] & 0xc0 != 0x80;
    let found = text.windows(part.len()).enumerate().position(|(at, window)| begins(at) && window == part);
    Ok(found.map_or(0, |at| (0..=at).filter(|at| begins(*at)).count() as i64).into())
}

fn replace(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut rooms = [NumberText::new(); 3];
    let [a, b, c] = &mut rooms;
    let (Some(text), Some(part)) = (args[0].text_in(a), args[1].text_in(b)) else { return Ok(Value::Null) };
    if utf8::before_nul(part).is_empty() {
        // A number stays one.
        return Ok(if matches!(args[0], ValueRef::Blob(_)) { Value::Text(text.into()) } else { args[0].into() });
    }
    let Some(by) = args[2].text_in(c) else { return Ok(Value::Null) };
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(part) {
            context.fits(replaced.len() + by.len() + behind.len())?;
            replaced.extend_from_slice(by);
            rest = behind;
        } else {
            replaced.push(*first);
            rest = behind;
        }
    }
    Ok(Value::Text(replaced.into()))
}

fn char(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut text = Vec::with_capacity(args.len());
    for arg in args {
        let code = u32::try_from(arg.to_integer()).ok().filter(|code| *code <= 0x10_ffff).unwrap_or(0xfffd);
        match char::from_u32(code) {
            Some(char) => text.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            // Half of a pair, which only looks like a character.
            None => {
                text.extend([0xe0 | code >> 12, 0x80 | code >> 6 & 0x3f, 0x80 | code & 0x3f].map(|byte| byte as u8))
            }
        }
    }
    Ok(Value::Text(text.into()))
}

fn unicode(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    let char = args[0].text_in(&mut room).and_then(|text| utf8::next(utf8::before_nul(text)));
    Ok(char.map(|(char, _)| char).into())
}

fn concat(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    joined(context, args, b"")
}

fn concat_ws(context: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    match args[0].text_in(&mut NumberText::new()) {
        Some(separator) => joined(context, &args[1..], separator),
        None => Ok(Value::Null),
    }
}

fn joined(context: &Context<'_>, args: &[ValueRef<'_>], separator: &[u8]) -> Answer {
    let mut text = Vec::new();
    for (at, arg) in args.iter().filter(|arg| !arg.is_null()).enumerate() {
        let mut room = NumberText::new();
        let part = arg.text_in(&mut room).unwrap_or_default();
        context.fits(text.len() + separator.len() + part.len()).map_err(|_| Error::TooBig)?;
        text.extend_from_slice(if at == 0 { b"" } else { separator });
        text.extend_from_slice(part);
    }
    Ok(Value::Text(text.into()))
}
