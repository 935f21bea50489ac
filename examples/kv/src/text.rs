//! Words and lines to bytes, and back.

use std::ffi::OsStr;
use std::fmt::Write;

use clap::ValueEnum;

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Text, with a backslash where it is none
    Escaped,
    /// Two digits a byte
    Hex,
    /// The bytes themselves
    Raw,
}

impl Format {
    /// An argument as bytes.
    pub(crate) fn argument(self, word: &OsStr) -> Result<Vec<u8>, String> {
        self.parse(word.as_encoded_bytes())
    }

    /// Text as bytes, or what is wrong with it.
    pub(crate) fn parse(self, text: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Format::Raw => Ok(text.to_vec()),
            Format::Hex => unhex(text),
            Format::Escaped => unescape(text),
        }
    }

    /// Bytes as text, where it stands for itself: to the end of its line.
    pub(crate) fn value(self, bytes: &[u8], out: &mut Vec<u8>) {
        self.print(bytes, out, false);
    }

    /// Bytes as one word, without a blank.
    pub(crate) fn key(self, bytes: &[u8], out: &mut Vec<u8>) {
        self.print(bytes, out, true);
    }

    fn print(self, bytes: &[u8], out: &mut Vec<u8>, word: bool) {
        match self {
            Format::Raw => out.extend_from_slice(bytes),
            Format::Hex => bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes())),
            Format::Escaped => out.extend_from_slice(escape(bytes, word).as_bytes()),
        }
    }
}

fn unhex(text: &[u8]) -> Result<Vec<u8>, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16).ok_or("not hexadecimal: digits are 0-9 and a-f");
    if !text.len().is_multiple_of(2) {
        return Err("not hexadecimal: two digits make a byte, and one is left over".into());
    }
    text.chunks(2)
        .map(|pair| Ok((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect::<Result<_, &str>>()
        .map_err(Into::into)
}

fn unescape(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let (escaped, length) = match rest {
            [b'n', ..] => (b'\n', 1),
            [b't', ..] => (b'\t', 1),
            [b'r', ..] => (b'\r', 1),
            [b'0', ..] => (0, 1),
            [b'\\', ..] => (b'\\', 1),
            [b'x', high, low, ..] => (unhex(&[*high, *low])?[0], 3),
            _ => return Err("a backslash is followed by one of n t r 0 \\ and x with two digits".into()),
        };
        out.push(escaped);
        rest = &rest[length..];
    }
    Ok(out)
}

fn escape(bytes: &[u8], word: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                '\0' => out.push_str("\\0"),
                '\\' => out.push_str("\\\\"),
                c if c.is_control() || (word && c.is_whitespace()) => {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| hex(&mut out, byte));
                }
                c => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|&byte| hex(&mut out, byte));
    }
    out
}

fn hex(out: &mut String, byte: u8) {
    // Writing to a string does not fail.
    let _ = write!(out, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_every_format() {
        let all: Vec<u8> = (0..=255).chain("grüße, 世界 \u{2028}".bytes()).collect();
        for format in [Format::Escaped, Format::Hex, Format::Raw] {
            for word in [false, true] {
                let mut text = Vec::new();
                format.print(&all, &mut text, word);
                assert_eq!(format.parse(&text).unwrap(), all, "{format:?}");
                assert!(format == Format::Raw || !text.contains(&b'\n'));
                let blank = text.iter().any(u8::is_ascii_whitespace);
                assert!(!(blank && word && format == Format::Escaped));
            }
        }
        let mut text = Vec::new();
        Format::Escaped.key("grüße \0".as_bytes(), &mut text);
        assert_eq!(String::from_utf8(text).unwrap(), "grüße\\x20\\0");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for bad in ["\\", "\\q", "\\x", "\\x1", "\\xg1"] {
            assert!(Format::Escaped.parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["1", "0g", "12 3"] {
            assert!(Format::Hex.parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
