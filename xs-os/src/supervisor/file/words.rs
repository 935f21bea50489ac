//! A value as words: quotes, escapes, specifiers.

use std::collections::BTreeMap;

/// Splits at blanks; quotes keep blanks, and a backslash means what it means in C.
///
/// # Errors
///
/// A quote that does not end, an escape that is none.
pub(super) fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut chars = text.chars();
    let mut word: Option<String> = None;
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (_, '\\') => word.get_or_insert_default().push(escape(&mut chars)?),
            (None, c) if c.is_ascii_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("unbalanced quoting".into());
    }
    words.extend(word);
    Ok(words)
}

/// What stands behind a backslash.
fn escape(chars: &mut std::str::Chars<'_>) -> Result<char, String> {
    let Some(c) = chars.next() else { return Err("a backslash at the end".into()) };
    let mut number = |digits: usize, radix: u32, first: &str| {
        let rest: String = first.chars().chain(chars.by_ref().take(digits)).collect();
        let value = u32::from_str_radix(&rest, radix).ok().filter(|_| rest.len() == digits + first.len());
        let what = || format!("'\\{c}' is no escape here");
        value.and_then(char::from_u32).filter(|c| *c != '\0').ok_or_else(what)
    };
    Ok(match c {
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        's' => ' ',
        '\\' | '"' | '\'' | ';' => c,
        'x' => number(2, 16, "")?,
        'u' => number(4, 16, "")?,
        'U' => number(8, 16, "")?,
        '0'..='7' => number(2, 8, &c.to_string())?,
        _ => return Err(format!("'\\{c}' is no escape")),
    })
}

/// What the specifiers of a machine stand for: those that do not follow from the unit's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    facts: BTreeMap<char, String>,
}

impl Host {
    /// What is the same on every machine: the directories of the system.
    pub fn new() -> Host {
        let fixed = [('t', "/run"), ('S', "/var/lib"), ('C', "/var/cache"), ('L', "/var/log"), ('E', "/etc")];
        let more =
            [('T', "/tmp"), ('V', "/var/tmp"), ('u', "root"), ('g', "root"), ('U', "0"), ('G', "0"), ('h', "/root")];
        Host { facts: fixed.into_iter().chain(more).map(|(c, value)| (c, value.to_owned())).collect() }
    }

    /// With another value for a specifier, such as `H` for the machine's name.
    #[must_use]
    pub fn with(mut self, specifier: char, value: impl Into<String>) -> Host {
        self.facts.insert(specifier, value.into());
        self
    }
}

impl Default for Host {
    fn default() -> Self {
        Host::new()
    }
}

/// A text with its specifiers replaced: `%n` by the unit's name, and so on.
///
/// # Errors
///
/// A specifier that is not known; a text that becomes too long.
pub(super) fn specify(text: &str, unit: &str, host: &Host) -> Result<String, String> {
    let stem = unit.rsplit_once('.').map_or(unit, |(stem, _)| stem);
    let (prefix, instance) = stem.split_once('@').unwrap_or((stem, ""));
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let Some(specifier) = chars.next() else { return Err("a '%' at the end; '%%' is a percent sign".into()) };
        match specifier {
            '%' => out.push('%'),
            'n' => out.push_str(unit),
            'N' => out.push_str(stem),
            'p' => out.push_str(prefix),
            'P' => out.push_str(&unescape(prefix)),
            'i' => out.push_str(instance),
            'I' => out.push_str(&unescape(instance)),
            'j' => out.push_str(prefix.rsplit_once('-').map_or(prefix, |(_, last)| last)),
            'J' => out.push_str(&unescape(prefix.rsplit_once('-').map_or(prefix, |(_, last)| last))),
            'f' => {
                out.push('/');
                let named = if instance.is_empty() { prefix } else { instance };
                out.push_str(unescape(named).trim_start_matches('/'));
            }
            other => match host.facts.get(&other) {
                Some(value) => out.push_str(value),
                None => return Err(format!("there is no specifier '%{other}'")),
            },
        }
        // A name can be as long as a file's, and stand here any number of times.
        if out.len() > super::ini::LONGEST {
            return Err("too long with its specifiers replaced".into());
        }
    }
    Ok(out)
}

/// A name's `-` as `/`, and `\x2d` as the byte that it stands for.
fn unescape(name: &str) -> String {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(c) = rest.chars().next() {
        let byte =
            rest.strip_prefix("\\x").and_then(|hex| hex.get(..2)).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (c, byte) {
            (_, Some(byte)) => {
                out.push(byte);
                rest = rest.get(4..).unwrap_or_default();
                continue;
            }
            ('-', None) => out.push(b'/'),
            (c, None) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = rest.get(c.len_utf8()..).unwrap_or_default();
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_quoted_and_escaped() {
        let good: [(&str, &[&str]); 7] = [
            (" a  b\tc ", &["a", "b", "c"]),
            (r#"a "b c" 'd "e'"#, &["a", "b c", "d \"e"]),
            (r#"a"b c"d "" ''"#, &["ab cd", "", ""]),
            (r"\x41\102\u0043\s\t\\", &["ABC \t\\"]),
            (r"\U0001F600", &["\u{1F600}"]),
            (r#"'it\'s'"#, &["it's"]),
            ("", &[]),
        ];
        for (text, words) in good {
            assert_eq!(split(text).unwrap(), words, "{text}");
        }
        for text in ["\"a", "'", "\\", "\\q", "\\x4", "\\xzz", "\\000", "\\UFFFFFFFF", "\\u{1}"] {
            assert!(split(text).is_err(), "{text}");
        }
    }

    #[test]
    fn specifiers_follow_from_the_name() {
        let host = Host::new().with('H', "box");
        let unit = "my-app@tmp-a\\x2db.service";
        let good = [
            ("%n|%N", "my-app@tmp-a\\x2db.service|my-app@tmp-a\\x2db"),
            ("%p %i %I", "my-app tmp-a\\x2db tmp/a-b"),
            ("%P %j %f", "my/app app /tmp/a-b"),
            ("100%% %H %t", "100% box /run"),
        ];
        for (text, expected) in good {
            assert_eq!(specify(text, unit, &host).unwrap(), expected);
        }
        assert!(specify("%Q", unit, &host).unwrap_err().contains("%Q"));
        assert!(specify("%", unit, &host).is_err());
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_one_word(words in proptest::collection::vec("[^\0]{0,8}", 0..5)) {
            let quoted: Vec<String> = words
                .iter()
                .map(|word| format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\"")))
                .collect();
            prop_assert_eq!(split(&quoted.join(" ")).unwrap(), words);
        }

        #[test]
        fn nothing_breaks_it(text in "\\PC{0,40}", unit in "\\PC{0,20}") {
            let _ = (split(&text), specify(&text, &unit, &Host::new()), unescape(&unit));
        }
    }
}
