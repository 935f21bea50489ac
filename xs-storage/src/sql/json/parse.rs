//! Text becomes nodes, by the rules of SQLite 3.40.

use std::borrow::Cow;

use super::node::{Kind, Tree};
use crate::sql::utf8;

/// Arrays and objects within each other.
const DEPTH: usize = 2000;

/// What an open array or object waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waits {
    Element,
    Label,
    Member,
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A document; none if the text is no JSON. A zero byte ends it.
pub(super) fn parse(text: Cow<'_, [u8]>) -> Option<Tree<'_>> {
    let end = utf8::before_nul(&text).len();
    let text = match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    };
    u32::try_from(end).ok()?;
    let mut tree = Tree::new(Cow::Borrowed(&[]));
    read(&mut tree, &text, 0)?;
    let mut parsed = Tree::new(text);
    parsed.nodes = tree.nodes;
    Some(parsed)
}

/// Reads one more document into a tree, and answers its first node.
pub(super) fn parse_into(tree: &mut Tree<'_>, text: &[u8]) -> Option<usize> {
    let text = utf8::before_nul(text);
    let root = tree.nodes.len();
    let offset = tree.extend(text)?;
    read(tree, text, offset)?;
    Some(root)
}

/// Adds the nodes of a text that lies at an offset of the source.
fn read(tree: &mut Tree<'_>, text: &[u8], offset: usize) -> Option<()> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    let skip = |mut at: usize| {
        while is_space(byte(at)) {
            at += 1;
        }
        at
    };
    let mut open: Vec<(usize, Waits)> = Vec::new();
    let mut at = 0;
    loop {
        // Here a value begins, or an array or object without any ends.
        at = skip(at);
        let mut closes = false;
        match byte(at) {
            b'{' | b'[' => {
                let (kind, waits) = match byte(at) {
                    b'{' => (Kind::Object, Waits::Label),
                    _ => (Kind::Array, Waits::Element),
                };
                open.push((tree.add(kind, 0, 0), waits));
                if open.len() > DEPTH {
                    return None;
                }
                at += 1;
                continue;
            }
            close @ (b'}' | b']') => {
                let wanted = if close == b'}' { Waits::Label } else { Waits::Element };
                match open.last() {
                    Some((node, waits)) if *waits == wanted && tree.nodes.len() == node + 1 => closes = true,
                    _ => return None,
                }
                at += 1;
            }
            b'"' => {
                let (end, escaped) = string(text, at)?;
                let node = tree.add(Kind::Text, offset + at, end - at);
                tree.nodes[node].escaped = escaped;
                at = end;
            }
            b'-' | b'0'..=b'9' => {
                let (end, kind) = number(text, at)?;
                tree.add(kind, offset + at, end - at);
                at = end;
            }
            _ => {
                let words = [(&b"null"[..], Kind::Null), (b"true", Kind::True), (b"false", Kind::False)];
                let rest = text.get(at..)?;
                let (word, kind) = words.into_iter().find(|(word, _)| rest.starts_with(word))?;
                if byte(at + word.len()).is_ascii_alphanumeric() {
                    return None;
                }
                tree.add(kind, 0, 0);
                at += word.len();
            }
        }
        // A value has ended, and with it perhaps what it is in.
        loop {
            if std::mem::take(&mut closes) {
                let (node, _) = open.pop()?;
                tree.close(node);
            }
            at = skip(at);
            let Some((_, waits)) = open.last_mut() else {
                return (at >= text.len()).then_some(());
            };
            at += 1;
            match (*waits, byte(at - 1)) {
                (Waits::Element, b',') => break,
                (Waits::Element, b']') | (Waits::Member, b'}') => closes = true,
                (Waits::Label, b':') => {
                    // The last node, whatever it is in.
                    let label = tree.nodes.last_mut().filter(|node| node.kind == Kind::Text)?;
                    label.label = true;
                    *waits = Waits::Member;
                    break;
                }
                (Waits::Member, b',') => {
                    *waits = Waits::Label;
                    break;
                }
                _ => return None,
            }
        }
    }
}

/// Where a text ends, and whether it has escapes.
fn string(text: &[u8], start: usize) -> Option<(usize, bool)> {
    let (mut at, mut escaped) = (start + 1, false);
    loop {
        match *text.get(at)? {
            ..0x20 => return None,
            b'"' => return Some((at + 1, escaped)),
            b'\\' => {
                escaped = true;
                at += 1;
                match *text.get(at)? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' if text.get(at + 1..at + 5)?.iter().all(u8::is_ascii_hexdigit) => {}
                    _ => return None,
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// Where a number ends, and whether it is a whole one.
fn number(text: &[u8], start: usize) -> Option<(usize, Kind)> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    let first = start + usize::from(byte(start) == b'-');
    if byte(first) == b'0' && byte(first + 1).is_ascii_digit() {
        return None;
    }
    let (mut point, mut exponent) = (false, false);
    let mut at = start + 1;
    loop {
        match byte(at) {
            b'0'..=b'9' => {}
            b'.' if !point && byte(at - 1) != b'-' => point = true,
            b'e' | b'E' if !exponent && byte(at - 1) >= b'0' => {
                (point, exponent) = (true, true);
                if matches!(byte(at + 1), b'+' | b'-') {
                    at += 1;
                }
                if !byte(at + 1).is_ascii_digit() {
                    return None;
                }
            }
            b'.' | b'e' | b'E' => return None,
            _ => break,
        }
        at += 1;
    }
    match byte(at - 1).is_ascii_digit() {
        true => Some((at, if point { Kind::Real } else { Kind::Integer })),
        false => None,
    }
}
