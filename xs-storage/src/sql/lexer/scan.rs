//! Where each kind of token ends.

use super::token::{TokenKind, keyword};

/// The bytes of names: letters, digits, `_`, `$` and everything outside of ASCII.
const NAME: [bool; 256] = {
    let mut name = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        name[byte] = byte >= 0x80 || (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'_' || byte as u8 == b'$';
        byte += 1;
    }
    name
};

fn is_name(byte: u8) -> bool {
    NAME[byte as usize]
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The first byte at or behind `at` that is none of `wanted`.
fn skip(text: &[u8], mut at: usize, wanted: impl Fn(u8) -> bool) -> usize {
    while at < text.len() && wanted(text[at]) {
        at += 1;
    }
    at
}

/// Behind the spaces and comments at `at`. A comment that isn't closed ends with the text; a lone `/*` at its very end is
/// none.
pub(super) fn behind_space(text: &[u8], mut at: usize) -> usize {
    loop {
        match text.get(at..) {
            // A vertical tab is space behind other space only.
            Some([byte, ..]) if is_space(*byte) && *byte != 0x0b => at = skip(text, at, is_space),
            Some([b'-', b'-', ..]) => at = skip(text, at, |byte| byte != b'\n'),
            Some([b'/', b'*', _, ..]) => {
                let body = at + 2;
                at = match text[body..].windows(2).position(|two| two == b"*/") {
                    Some(end) => body + end + 2,
                    None => text.len(),
                };
            }
            // A byte order mark.
            Some([0xef, 0xbb, 0xbf, ..]) => at += 3,
            _ => return at,
        }
    }
}

/// The kind of the token at `at`, and its end.
pub(super) fn token(text: &[u8], at: usize) -> (TokenKind, usize) {
    let Some(&first) = text.get(at) else { return (TokenKind::End, at) };
    let second = text.get(at + 1).copied().unwrap_or(0);
    let (kind, len) = match (first, second) {
        (b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.., _) => return word(text, at),
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => return number(text, at),
        (b'\'' | b'"' | b'`', _) => return quoted(text, at),
        (b'[', _) => return bracketed(text, at),
        (b'?', _) => return (TokenKind::Variable, skip(text, at + 1, |byte| byte.is_ascii_digit())),
        (b'$' | b'@' | b':' | b'#', _) => return variable(text, at),
        (b';', _) => (TokenKind::Semi, 1),
        (b'(', _) => (TokenKind::LParen, 1),
        (b')', _) => (TokenKind::RParen, 1),
        (b',', _) => (TokenKind::Comma, 1),
        (b'.', _) => (TokenKind::Dot, 1),
        (b'*', _) => (TokenKind::Star, 1),
        (b'+', _) => (TokenKind::Plus, 1),
        (b'-', b'>') if text.get(at + 2) == Some(&b'>') => (TokenKind::LongArrow, 3),
        (b'-', b'>') => (TokenKind::Arrow, 2),
        (b'-', _) => (TokenKind::Minus, 1),
        (b'/', _) => (TokenKind::Slash, 1),
        (b'%', _) => (TokenKind::Percent, 1),
        (b'=', b'=') => (TokenKind::Eq, 2),
        (b'=', _) => (TokenKind::Eq, 1),
        (b'<', b'=') => (TokenKind::LtEq, 2),
        (b'<', b'>') => (TokenKind::NotEq, 2),
        (b'<', b'<') => (TokenKind::ShiftLeft, 2),
        (b'<', _) => (TokenKind::Lt, 1),
        (b'>', b'=') => (TokenKind::GtEq, 2),
        (b'>', b'>') => (TokenKind::ShiftRight, 2),
        (b'>', _) => (TokenKind::Gt, 1),
        (b'!', b'=') => (TokenKind::NotEq, 2),
        (b'|', b'|') => (TokenKind::Concat, 2),
        (b'|', _) => (TokenKind::BitOr, 1),
        (b'&', _) => (TokenKind::BitAnd, 1),
        (b'~', _) => (TokenKind::BitNot, 1),
        _ => (TokenKind::Illegal, 1),
    };
    (kind, at + len)
}

/// A keyword, a name, or a blob: `x'0a'`.
fn word(text: &[u8], at: usize) -> (TokenKind, usize) {
    if matches!(text[at], b'x' | b'X') && text.get(at + 1) == Some(&b'\'') {
        return blob(text, at);
    }
    let end = skip(text, at + 1, is_name);
    (keyword(&text[at..end]).unwrap_or(TokenKind::Id), end)
}

fn blob(text: &[u8], at: usize) -> (TokenKind, usize) {
    let digits = at + 2;
    let end = skip(text, digits, |byte| byte.is_ascii_hexdigit());
    if text.get(end) == Some(&b'\'') && (end - digits).is_multiple_of(2) {
        return (TokenKind::Blob, end + 1);
    }
    let close = skip(text, end, |byte| byte != b'\'');
    (TokenKind::Illegal, (close + 1).min(text.len()))
}

/// A number may hold `_`; where it may, the parser says, since that error comes later than one of this token's shape.
fn number(text: &[u8], at: usize) -> (TokenKind, usize) {
    let decimal = |from| skip(text, from, |byte| byte.is_ascii_digit() || byte == b'_');
    let is = |at: usize, wanted: fn(&u8) -> bool| text.get(at).is_some_and(wanted);
    let mut kind = TokenKind::Integer;
    let mut end;
    if text[at] == b'0' && is(at + 1, |x| matches!(x, b'x' | b'X')) && is(at + 2, u8::is_ascii_hexdigit) {
        end = skip(text, at + 2, |byte| byte.is_ascii_hexdigit() || byte == b'_');
    } else {
        end = decimal(at);
        if is(end, |byte| *byte == b'.') {
            kind = TokenKind::Float;
            end = decimal(end + 1);
        }
        let sign = usize::from(is(end + 1, |byte| matches!(byte, b'+' | b'-')));
        if is(end, |byte| matches!(byte, b'e' | b'E')) && is(end + 1 + sign, u8::is_ascii_digit) {
            kind = TokenKind::Float;
            end = decimal(end + 1 + sign);
        }
    }
    if text[at..end].contains(&b'_') {
        kind = TokenKind::Separated;
    }
    match skip(text, end, is_name) {
        whole if whole == end => (kind, end),
        whole => (TokenKind::Illegal, whole),
    }
}

/// A string or a name; its quote stands within it doubled.
fn quoted(text: &[u8], at: usize) -> (TokenKind, usize) {
    let quote = text[at];
    let kind = if quote == b'\'' { TokenKind::String } else { TokenKind::Id };
    let mut end = at + 1;
    loop {
        end = skip(text, end, |byte| byte != quote);
        match (text.get(end), text.get(end + 1)) {
            (None, _) => return (TokenKind::Illegal, end),
            (_, Some(next)) if *next == quote => end += 2,
            _ => return (kind, end + 1),
        }
    }
}

fn bracketed(text: &[u8], at: usize) -> (TokenKind, usize) {
    match skip(text, at, |byte| byte != b']') {
        end if end == text.len() => (TokenKind::Illegal, end),
        end => (TokenKind::Id, end + 1),
    }
}

/// `:a`, `@a`, `#1`, and as in Tcl `$a::b(c)`.
fn variable(text: &[u8], at: usize) -> (TokenKind, usize) {
    let mut end = at + 1;
    let mut named = false;
    loop {
        match text.get(end) {
            Some(byte) if is_name(*byte) => {
                named = true;
                end += 1;
            }
            Some(b'(') if named => {
                let close = skip(text, end + 1, |byte| !is_space(byte) && byte != b')');
                return match text.get(close) {
                    Some(b')') => (TokenKind::Variable, close + 1),
                    _ => (TokenKind::Illegal, close),
                };
            }
            Some(b':') if text.get(end + 1) == Some(&b':') => end += 2,
            _ => return (if named { TokenKind::Variable } else { TokenKind::Illegal }, end),
        }
    }
}
