//! One value as text.

use xs_storage::sql::ValueRef;
use xs_storage::sql::lexer::{Lexer, TokenKind};
use xs_storage::sql::value::NumberText;

/// As CAST to TEXT has it; `null` for NULL.
pub(super) fn text(value: ValueRef<'_>, null: &str) -> Vec<u8> {
    value.text_in(&mut NumberText::new()).unwrap_or(null.as_bytes()).to_vec()
}

/// What a C string holds of it: SQLite's shell writes no more.
pub(super) fn c_string(bytes: &[u8]) -> Vec<u8> {
    bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())].to_vec()
}

/// A real number with as many digits as tell it from all others: `%!.20g`.
fn real(real: f64) -> String {
    if real.is_infinite() {
        return if real > 0.0 { "1e999" } else { "-1e999" }.into();
    }
    // Twenty digits, and the exponent.
    let scientific = format!("{real:.19e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..20).contains(&exponent) {
        let digits = digits.trim_end_matches('0');
        let point = if digits.ends_with('.') { "0" } else { "" };
        return format!("{digits}{point}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs());
    }
    let decimals = usize::try_from(19 - exponent).unwrap_or(0);
    let mut fixed = format!("{real:.decimals$}");
    if fixed.contains('.') {
        fixed.truncate(fixed.trim_end_matches('0').len());
    } else {
        fixed.push('.');
    }
    if fixed.ends_with('.') {
        fixed.push('0');
    }
    fixed
}

/// As a literal of SQL that gives the value again.
pub(super) fn literal(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Null => b"NULL".to_vec(),
        ValueRef::Integer(n) => n.to_string().into_bytes(),
        ValueRef::Real(n) => real(n).into_bytes(),
        ValueRef::Text(text) => {
            let mut out = vec![b'\''];
            for byte in c_string(text) {
                if byte == b'\'' {
                    out.push(byte);
                }
                out.push(byte);
            }
            out.push(b'\'');
            out
        }
        ValueRef::Blob(blob) => {
            let digits: String = blob.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("X'{digits}'").into_bytes()
        }
    }
}

/// A literal without line breaks: they are put in by `replace`.
pub(super) fn literal_on_one_line(value: ValueRef<'_>) -> Vec<u8> {
    let ValueRef::Text(text) = value else { return literal(value) };
    let text = c_string(text);
    let mut out = literal(ValueRef::Text(&text));
    for (byte, name, code) in [(b'\n', "\\n", "char(10)"), (b'\r', "\\r", "char(13)")] {
        if !text.contains(&byte) {
            continue;
        }
        // A stand-in that the text has nowhere.
        let mut stand_in = name.to_owned();
        let mut number = 0;
        while find(&text, stand_in.as_bytes()) {
            stand_in = format!("({name}{number})");
            number += 1;
        }
        let mut replaced = b"replace(".to_vec();
        for found in out {
            match found == byte {
                true => replaced.extend(stand_in.as_bytes()),
                false => replaced.push(found),
            }
        }
        replaced.extend(format!(",'{stand_in}',{code})").as_bytes());
        out = replaced;
    }
    out
}

fn find(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// A name as SQL takes it: in quotes where it must be.
pub(crate) fn quoted_name(name: &str) -> String {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
        // A word of the language is no name, or not everywhere.
        && Lexer::new(name).next_token().kind == TokenKind::Id;
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

/// In quotes, if it has anything in it that could be taken for something else.
pub(super) fn csv(text: &[u8], separator: &str) -> Vec<u8> {
    let special = |byte: &u8| *byte <= b' ' || *byte >= 0x7F || matches!(byte, b'"' | b'\'');
    if !text.is_empty() && !text.iter().any(special) && !find(text, separator.as_bytes()) {
        return text.to_vec();
    }
    let mut out = vec![b'"'];
    for byte in text {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
    out
}

/// A string of JSON. Bytes that are no text stand there as they are, as SQLite's shell has it.
pub(super) fn json_text(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', *byte]),
            8 => out.extend(b"\\b"),
            12 => out.extend(b"\\f"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b'\t' => out.extend(b"\\t"),
            0..=31 => out.extend(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
    out
}

pub(super) fn json_value(value: ValueRef<'_>) -> Vec<u8> {
    match value {
        ValueRef::Null => b"null".to_vec(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => json_text(bytes),
        number => literal(number),
    }
}

pub(super) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b'<' => out.extend(b"&lt;"),
            b'>' => out.extend(b"&gt;"),
            b'&' => out.extend(b"&amp;"),
            b'"' => out.extend(b"&quot;"),
            b'\'' => out.extend(b"&#39;"),
            byte => out.push(*byte),
        }
    }
    out
}

/// A string as C has it.
pub(super) fn tcl(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for byte in text {
        match byte {
            b'\\' | b'"' => out.extend([b'\\', *byte]),
            b'\t' => out.extend(b"\\t"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            b' '..=b'~' => out.push(*byte),
            byte => out.extend(format!("\\{byte:03o}").as_bytes()),
        }
    }
    out.push(b'"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(value: ValueRef<'_>) -> String {
        String::from_utf8(literal(value)).unwrap()
    }

    #[test]
    fn literals_give_the_value_again() {
        assert_eq!(sql(ValueRef::Real(0.1)), "0.10000000000000000555");
        assert_eq!(sql(ValueRef::Real(123_456_789_012_345_678.0)), "123456789012345680.0");
        assert_eq!(sql(ValueRef::Real(3.0)), "3.0");
        assert_eq!(sql(ValueRef::Real(-0.0)), "-0.0");
        assert_eq!(sql(ValueRef::Real(f64::NEG_INFINITY)), "-1e999");
        for real in [1e100, 5e-324, 1.5e-5, f64::MAX, 1e20, 123.456, 1e-4] {
            assert_eq!(sql(ValueRef::Real(real)).parse(), Ok(real));
        }
        assert_eq!(sql(ValueRef::Text(b"it's")), "'it''s'");
        assert_eq!(sql(ValueRef::Blob(&[0, 0xAB])), "X'00ab'");
        assert_eq!(sql(ValueRef::Integer(i64::MIN)), "-9223372036854775808");
    }

    #[test]
    fn line_breaks_are_put_in_by_functions() {
        let one = |text: &str| String::from_utf8(literal_on_one_line(ValueRef::Text(text.as_bytes()))).unwrap();
        assert_eq!(one("plain"), "'plain'");
        assert_eq!(one("a\nb"), "replace('a\\nb','\\n',char(10))");
        assert_eq!(one("a\r\n"), "replace(replace('a\\r\\n','\\n',char(10)),'\\r',char(13))");
        assert_eq!(one("a\\n\n"), "replace('a\\n(\\n0)','(\\n0)',char(10))");
    }

    #[test]
    fn names_are_quoted_where_they_must_be() {
        assert_eq!(quoted_name("abc_1"), "abc_1");
        assert_eq!(quoted_name("a b"), "\"a b\"");
        assert_eq!(quoted_name("table"), "\"table\"");
        assert_eq!(quoted_name("1a"), "\"1a\"");
        assert_eq!(quoted_name("a\"b"), "\"a\"\"b\"");
        assert_eq!(quoted_name(""), "\"\"");
    }
}
