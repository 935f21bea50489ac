//! Nodes and values become text, nodes become values.

use super::node::{Change, Kind, Tree};
use crate::row::ValueRef;
use crate::sql::function::{Context, Error};
use crate::sql::value::{NumberText, Value};

/// The arguments of a function, some of which are JSON.
pub(super) struct Args<'a, 'b> {
    pub(super) context: &'a Context<'b>,
    pub(super) values: &'a [ValueRef<'a>],
}

/// What is to be written next.
enum Task {
    Node(usize),
    /// The members of an array or object from one on.
    Members {
        of: usize,
        at: usize,
    },
    Byte(u8),
}

/// A comma, unless this is the first.
pub(super) fn separate(out: &mut Vec<u8>) {
    if !matches!(out.last(), None | Some(b'[' | b'{')) {
        out.push(b',');
    }
}

/// Writes a node, with `args` in the places of nodes that were set to them.
pub(super) fn write(tree: &Tree<'_>, root: usize, args: Option<&Args<'_, '_>>, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut tasks = vec![Task::Node(root)];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Byte(byte) => out.push(byte),
            Task::Node(at) => {
                let Some(node) = tree.node(at) else { continue };
                match (node.change, args) {
                    (Change::Argument, Some(args)) => {
                        append(out, args, node.other as usize)?;
                        continue;
                    }
                    (Change::Node, _) => {
                        tasks.push(Task::Node(node.other as usize));
                        continue;
                    }
                    _ => {}
                }
                match node.kind {
                    Kind::Null => out.extend_from_slice(b"null"),
                    Kind::True => out.extend_from_slice(b"true"),
                    Kind::False => out.extend_from_slice(b"false"),
                    Kind::Text if node.raw => quote(out, tree.source(node)),
                    Kind::Integer | Kind::Real | Kind::Text => out.extend_from_slice(tree.source(node)),
                    Kind::Array | Kind::Object => {
                        let (open, close) = if node.kind == Kind::Array { (b'[', b']') } else { (b'{', b'}') };
                        out.push(open);
                        tasks.push(Task::Byte(close));
                        tasks.push(Task::Members { of: at, at: 1 });
                    }
                }
            }
            Task::Members { of, at } => {
                let Some(parent) = tree.node(of) else { continue };
                if at > parent.inner() {
                    if parent.change == Change::Continued {
                        tasks.push(Task::Members { of: parent.other as usize, at: 1 });
                    }
                    continue;
                }
                let labelled = parent.kind == Kind::Object;
                let member = of + at + usize::from(labelled);
                let Some(node) = tree.node(member) else { continue };
                tasks.push(Task::Members { of, at: at + usize::from(labelled) + node.size() });
                if !node.is_removed() {
                    separate(out);
                    tasks.push(Task::Node(member));
                    if labelled {
                        tasks.push(Task::Byte(b':'));
                        tasks.push(Task::Node(member - 1));
                    }
                }
            }
        }
    }
    Ok(())
}

/// A node's text, all of it.
pub(super) fn text_of(
    context: &Context<'_>,
    tree: &Tree<'_>,
    root: usize,
    args: Option<&Args<'_, '_>>,
) -> Result<Value, Error> {
    let mut out = Vec::new();
    write(tree, root, args, &mut out)?;
    context.fits(out.len())?;
    Ok(Value::Text(out.into()))
}

/// Writes an argument as JSON.
pub(super) fn append(out: &mut Vec<u8>, args: &Args<'_, '_>, at: usize) -> Result<(), Error> {
    let value = args.values.get(at).copied().unwrap_or(ValueRef::Null);
    append_value(out, value, args.context.is_json(at))
}

pub(super) fn append_value(out: &mut Vec<u8>, value: ValueRef<'_>, is_json: bool) -> Result<(), Error> {
    let mut room = NumberText::new();
    match value {
        ValueRef::Null => out.extend_from_slice(b"null"),
        ValueRef::Integer(integer) => out.extend_from_slice(room.integer(integer)),
        ValueRef::Real(real) => out.extend_from_slice(room.real(real)),
        ValueRef::Text(text) if is_json => out.extend_from_slice(text),
        ValueRef::Text(text) => quote(out, text),
        ValueRef::Blob(_) => return Err(Error::failed("JSON cannot hold BLOB values")),
    }
    Ok(())
}

/// Writes text between quotes.
pub(super) fn quote(out: &mut Vec<u8>, text: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for byte in text {
        let special = match *byte {
            byte @ (b'"' | b'\\') => byte,
            8 => b'b',
            b'\t' => b't',
            b'\n' => b'n',
            12 => b'f',
            b'\r' => b'r',
            byte @ ..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend([byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]));
                continue;
            }
            byte => {
                out.push(byte);
                continue;
            }
        };
        out.extend([b'\\', special]);
    }
    out.push(b'"');
}

/// A node as a value of SQL, and whether that is JSON.
pub(super) fn value_of(context: &Context<'_>, tree: &Tree<'_>, at: usize) -> Result<(Value, bool), Error> {
    let Some(node) = tree.node(at) else { return Ok((Value::Null, false)) };
    let source = tree.source(node);
    let value = match node.kind {
        Kind::Null => Value::Null,
        Kind::True => 1.into(),
        Kind::False => 0.into(),
        Kind::Integer => match str::from_utf8(source).ok().and_then(|digits| digits.parse().ok()) {
            Some(integer) => Value::Integer(integer),
            None => Value::Real(ValueRef::Text(source).to_real()),
        },
        Kind::Real => Value::Real(ValueRef::Text(source).to_real()),
        Kind::Text if node.raw => Value::Text(source.into()),
        Kind::Text => {
            let inside = source.get(1..source.len().saturating_sub(1)).unwrap_or_default();
            Value::Text(if node.escaped { unescaped(inside).into() } else { inside.into() })
        }
        Kind::Array | Kind::Object => return Ok((text_of(context, tree, at, None)?, true)),
    };
    Ok((value, false))
}

/// The number of four hexadecimal digits.
fn hex(digits: Option<&[u8]>) -> Option<u32> {
    let mut number = 0;
    for digit in digits? {
        number = number << 4 | char::from(*digit).to_digit(16)?;
    }
    Some(number)
}

/// What the escapes of a text stand for. It ends where a zero byte would be.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let Some((&escape, behind)) = rest.split_first() else { break };
        rest = behind;
        match escape {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let Some(mut char) = hex(rest.get(..4)) else { break };
                rest = &rest[4..];
                if char == 0 {
                    break;
                }
                let low = if rest.starts_with(b"\\u") { hex(rest.get(2..6)) } else { None };
                if let (0xd800..0xdc00, Some(low @ 0xdc00..0xe000)) = (char, low) {
                    char = ((char & 0x3ff) << 10) + (low & 0x3ff) + 0x10000;
                    rest = &rest[6..];
                }
                // A half of a pair alone is encoded like any other number.
                let tail = |shift: u32| 0x80 | (char >> shift & 0x3f) as u8;
                match char {
                    ..0x80 => out.push(char as u8),
                    0x80..0x800 => out.extend([0xc0 | (char >> 6) as u8, tail(0)]),
                    0x800..0x10000 => out.extend([0xe0 | (char >> 12) as u8, tail(6), tail(0)]),
                    _ => out.extend([0xf0 | (char >> 18) as u8, tail(12), tail(6), tail(0)]),
                }
            }
            other => out.push(other),
        }
    }
    out
}
