//! Inline requests: a line of words, for people at a telnet prompt, with Redis' rules of quoting.

use super::args::Span;

/// What a line contained.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Words {
    /// Words without quotes: the spans point into the line's buffer.
    Plain,
    /// Words with quotes: the spans point into the side buffer, where they stand unescaped.
    Quoted,
    /// A quote is not closed, or something follows a closing quote.
    Unbalanced,
}

/// Between words, all of C's `isspace`; a plain word is ended by fewer of them, see `ends_word`.
fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn ends_word(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\n' | b'\r')
}

/// Splits the line `src[..len]` into words.
pub(super) fn split(line: &[u8], spans: &mut Vec<Span>, unescaped: &mut Vec<u8>) -> Words {
    if memchr::memchr2(b'"', b'\'', line).is_some() {
        unescaped.clear();
        return match split_quoted(line, spans, unescaped) {
            Some(()) => Words::Quoted,
            None => Words::Unbalanced,
        };
    }
    let mut at = 0;
    loop {
        at += line[at..].iter().take_while(|b| is_space(**b)).count();
        if at == line.len() {
            return Words::Plain;
        }
        let len = line[at..].iter().take_while(|b| !ends_word(**b)).count();
        spans.push(Span::new(at, len));
        at += len;
    }
}

fn split_quoted(line: &[u8], spans: &mut Vec<Span>, unescaped: &mut Vec<u8>) -> Option<()> {
    let mut rest = line;
    loop {
        while let [b, tail @ ..] = rest
            && is_space(*b)
        {
            rest = tail;
        }
        if rest.is_empty() {
            return Some(());
        }
        let start = unescaped.len();
        rest = word(rest, unescaped)?;
        spans.push(Span::new(start, unescaped.len() - start));
    }
}

/// Takes one word. A quote may open in the middle of a word, and what it encloses becomes part of it; a closing quote
/// ends the word and must be followed by a space or the end.
fn word<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [] => return Some(rest),
            [b, ..] if ends_word(*b) => return Some(rest),
            [b'"', tail @ ..] => return closed(double_quoted(tail, word)?),
            [b'\'', tail @ ..] => return closed(single_quoted(tail, word)?),
            [b, tail @ ..] => {
                word.push(*b);
                rest = tail;
            }
        }
    }
}

fn closed(rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [] => Some(rest),
        [b, ..] => is_space(*b).then_some(rest),
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail) = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex(*high) << 4 | hex(*low), tail)
            }
            [b'\\', escaped, tail @ ..] => {
                let byte = match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 0x08,
                    b'a' => 0x07,
                    other => *other,
                };
                (byte, tail)
            }
            [b, tail @ ..] => (*b, tail),
        };
        word.push(byte);
        rest = tail;
    }
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        let (byte, tail) = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => (b'\'', tail),
            [b, tail @ ..] => (*b, tail),
        };
        word.push(byte);
        rest = tail;
    }
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Option<Vec<Vec<u8>>> {
        let (mut spans, mut side) = (Vec::new(), Vec::new());
        let bytes = match split(line.as_bytes(), &mut spans, &mut side) {
            Words::Plain => line.as_bytes(),
            Words::Quoted => &side[..],
            Words::Unbalanced => return None,
        };
        Some(spans.iter().map(|s| bytes[s.start as usize..][..s.len as usize].to_vec()).collect())
    }

    #[test]
    fn words_and_quotes_follow_redis() {
        let cases: &[(&str, Option<&[&[u8]]>)] = &[
            ("", Some(&[])),
            ("  \t ", Some(&[])),
            ("SET a b", Some(&[b"SET", b"a", b"b"])),
            ("  GET\tk ", Some(&[b"GET", b"k"])),
            (r#"SET k "a b""#, Some(&[b"SET", b"k", b"a b"])),
            (r#""\n\r\t\b\a\x41\xfF\q\"\\""#, Some(&[b"\n\r\t\x08\x07A\xffq\"\\"])),
            (r#""\x4g""#, Some(&[b"x4g"])),
            (r"'a\'b\n' c", Some(&[b"a'b\\n", b"c"])),
            (r#"a"b c""#, Some(&[b"ab c"])),
            (r#""""#, Some(&[b""])),
            (r#""a"b"#, None),
            (r#""a"#, None),
            (r#""a\"#, None),
            ("'a", None),
            ("'a'b", None),
            ("a\x0bb", Some(&[b"a\x0bb"])),
            ("\x0b'a'\x0c'b'", Some(&[b"a", b"b"])),
        ];
        for (line, expected) in cases {
            let expected = expected.map(|words| words.iter().map(|w| w.to_vec()).collect::<Vec<_>>());
            assert_eq!(words(line), expected, "{line:?}");
        }
    }
}
