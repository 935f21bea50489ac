//! What programs ask of the library that they use, and how a name sounds.

use super::core::Answer;
use super::{Arity, Context, Registry};
use crate::row::ValueRef;
use crate::sql::utf8;
use crate::sql::value::{NumberText, Value};

/// Whose dialect this is.
const VERSION: &str = "3.40.1";

/// Of SQLite's options, those that would have to be set for what is here.
const OPTIONS: [&str; 2] = ["ENABLE_MATH_FUNCTIONS", "SOUNDEX"];

pub(super) fn register(registry: &mut Registry) {
    use Arity::Exactly;
    registry
        .add_scalar("sqlite_version", Exactly(0), true, |_: &mut Context<'_>, _: &[ValueRef<'_>]| Ok(VERSION.into()));
    // Its own name: no source of SQLite's is in it.
    registry.add_scalar("sqlite_source_id", Exactly(0), true, |_: &mut Context<'_>, _: &[ValueRef<'_>]| {
        Ok(concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION")).into())
    });
    registry.add_scalar("sqlite_compileoption_used", Exactly(1), true, option_used);
    registry.add_scalar("sqlite_compileoption_get", Exactly(1), true, option_get);
    registry.add_scalar("soundex", Exactly(1), true, soundex);
}

fn option_used(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    let Some(name) = args[0].text_in(&mut room).map(utf8::before_nul) else { return Ok(Value::Null) };
    let name = match name.get(..7) {
        Some(prefix) if prefix.eq_ignore_ascii_case(b"SQLITE_") => &name[7..],
        _ => name,
    };
    Ok(OPTIONS.iter().any(|option| option.as_bytes().eq_ignore_ascii_case(name)).into())
}

fn option_get(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let option = usize::try_from(args[0].to_integer()).ok().and_then(|at| OPTIONS.get(at));
    Ok(option.copied().into())
}

/// The first letter, and three digits for the groups that the consonants behind it belong to.
fn soundex(_: &mut Context<'_>, args: &[ValueRef<'_>]) -> Answer {
    let mut room = NumberText::new();
    let text = args[0].text_in(&mut room).map_or(&b""[..], utf8::before_nul);
    let Some(first) = text.iter().position(u8::is_ascii_alphabetic) else { return Ok("?000".into()) };
    let mut code = vec![text[first].to_ascii_uppercase()];
    let mut previous = group(text[first]);
    for byte in &text[first + 1..] {
        let group = group(*byte);
        if group != b'0' && group != previous && code.len() < 4 {
            code.push(group);
        }
        previous = group;
    }
    code.resize(4, b'0');
    Ok(Value::Text(code.into()))
}

fn group(letter: u8) -> u8 {
    match (letter & 0x7f).to_ascii_lowercase() {
        b'b' | b'f' | b'p' | b'v' => b'1',
        b'c' | b'g' | b'j' | b'k' | b'q' | b's' | b'x' | b'z' => b'2',
        b'd' | b't' => b'3',
        b'l' => b'4',
        b'm' | b'n' => b'5',
        b'r' => b'6',
        _ => b'0',
    }
}
