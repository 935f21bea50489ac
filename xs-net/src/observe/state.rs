//! What tracing systems pass to themselves along a trace: [`TraceState`].

use std::fmt;
use std::sync::Arc;

/// Entries of a list at most, by the specification.
const MOST_ENTRIES: usize = 32;
/// Characters of a key, and of a value, at most, by the specification.
const LONGEST: usize = 256;
/// Characters that are passed on at most: what the specification asks for at least.
const MOST_CHARS: usize = 512;
/// When a list has to become shorter, entries longer than this go first.
const LONG_ENTRY: usize = 128;

/// The entries of `tracestate`, `key=value`, in their order: the newest first. Displayed as the field's value.
///
/// It is kept to 512 characters, which is what everybody has to pass on: entries of more than 128 go first, then those at
/// the end.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct TraceState {
    /// The field's value without empty members and space around them; `None` if it were empty.
    list: Option<Arc<str>>,
}

/// Why a list of entries is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTraceState {
    /// Not `key=value`, or a character or a length that is not allowed.
    #[error("a malformed entry in a tracestate")]
    Malformed,
    /// The same key twice.
    #[error("a key stands twice in a tracestate")]
    Repeated,
    /// More than 32 entries.
    #[error("more than 32 entries in a tracestate")]
    TooMany,
}

impl TraceState {
    /// Reads the values of all fields `tracestate`, in their order.
    ///
    /// # Errors
    ///
    /// One entry is wrong, or there are too many: then all of it is worth nothing.
    pub fn parse<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, InvalidTraceState> {
        let mut entries: Vec<&str> = Vec::new();
        for member in values.into_iter().flat_map(|value| value.split(|&byte| byte == b',')) {
            let Some(first) = member.iter().position(|byte| !b" \t".contains(byte)) else { continue };
            let last = member.iter().rposition(|byte| !b" \t".contains(byte)).unwrap_or(first);
            let member = &member[first..=last];
            if entries.len() == MOST_ENTRIES {
                return Err(InvalidTraceState::TooMany);
            }
            let entry = str::from_utf8(member).map_err(|_| InvalidTraceState::Malformed)?;
            let (key, value) = entry.split_once('=').ok_or(InvalidTraceState::Malformed)?;
            check(key, value)?;
            if entries.iter().any(|known| key_of(known) == key) {
                return Err(InvalidTraceState::Repeated);
            }
            entries.push(entry);
        }
        Ok(TraceState::shortened(entries))
    }

    /// Keys and values, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries().filter_map(|entry| entry.split_once('='))
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(known, value)| (known == key).then_some(value))
    }

    /// Sets the value of a key, which comes to the front. If there are too many entries now, the last goes.
    ///
    /// # Errors
    ///
    /// The key or the value has a character or a length that is not allowed; nothing has changed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), InvalidTraceState> {
        check(key, value)?;
        let entry = format!("{key}={value}");
        let others = self.entries().filter(|known| key_of(known) != key);
        let entries = std::iter::once(&*entry).chain(others).take(MOST_ENTRIES).collect();
        *self = TraceState::shortened(entries);
        Ok(())
    }

    /// The field's value; empty if there are no entries, and then the field is better left out.
    pub fn as_str(&self) -> &str {
        self.list.as_deref().unwrap_or_default()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.list.is_none()
    }

    fn entries(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(',').filter(|entry| !entry.is_empty())
    }

    fn shortened(mut entries: Vec<&str>) -> Self {
        let length = |entries: &[&str]| entries.iter().map(|entry| entry.len() + 1).sum::<usize>().saturating_sub(1);
        while length(&entries) > MOST_CHARS {
            // There is one: the list would be short enough without entries.
            let long = entries.iter().rposition(|entry| entry.len() > LONG_ENTRY);
            entries.remove(long.unwrap_or(entries.len() - 1));
        }
        TraceState { list: (!entries.is_empty()).then(|| entries.join(",").into()) }
    }
}

fn key_of(entry: &str) -> &str {
    entry.split_once('=').map_or(entry, |(key, _)| key)
}

fn check(key: &str, value: &str) -> Result<(), InvalidTraceState> {
    let key_char = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let value_char = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    let good = matches!(key.as_bytes().first(), Some(b'a'..=b'z' | b'0'..=b'9'))
        && key.len() <= LONGEST
        && key.as_bytes().iter().all(key_char)
        && (1..=LONGEST).contains(&value.len())
        && value.as_bytes().iter().all(value_char)
        && !value.ends_with(' ');
    if good { Ok(()) } else { Err(InvalidTraceState::Malformed) }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(value: &str) -> Result<String, InvalidTraceState> {
        TraceState::parse([value.as_bytes()]).map(|state| state.to_string())
    }

    #[test]
    fn lists_are_read_as_the_grammar_says() {
        for (list, read) in [
            ("", ""),
            (" , ,\t", ""),
            ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
            (" a=1 ,, b=2\t,", "a=1,b=2"),
            ("a= leading", "a= leading"),
            ("0a/b*c@d_e-f=!~", "0a/b*c@d_e-f=!~"),
        ] {
            assert_eq!(parse(list).as_deref(), Ok(read), "{list:?}");
        }
        for list in ["a", "a=", "=b", "A=b", "a =b", "é=b", "a=é", "a=b=c", "a=\u{7f}", "a=1\n", "_a=b", "a=1,b"] {
            assert_eq!(parse(list), Err(InvalidTraceState::Malformed), "{list:?}");
        }
        assert_eq!(parse("a=1,b=2,a=3"), Err(InvalidTraceState::Repeated));
        let both = TraceState::parse([&b"a=1"[..], b"", b"b=2"]).unwrap();
        assert_eq!(both.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    }

    #[test]
    fn lists_have_limits() {
        let list = |entries: usize| (0..entries).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        assert_eq!(parse(&list(32)), Ok(list(32)));
        assert_eq!(parse(&list(33)), Err(InvalidTraceState::TooMany));
        let entry = |key: usize, value: usize| format!("{}={}", "k".repeat(key), "v".repeat(value));
        assert!(parse(&entry(256, 255)).is_ok());
        assert_eq!(parse(&entry(257, 1)), Err(InvalidTraceState::Malformed));
        assert_eq!(parse(&entry(1, 257)), Err(InvalidTraceState::Malformed));
        // 513 characters are too many by one, and it goes as a whole.
        assert_eq!(parse(&entry(256, 256)).as_deref(), Ok(""));
    }

    #[test]
    fn what_is_too_long_loses_long_entries_first_and_then_the_last() {
        let long = |key: &str| format!("{key}={}", "x".repeat(200));
        let short: Vec<String> = (0..4).map(|n| format!("s{n}={}", "y".repeat(97))).collect(); // of 100 characters
        let list = [long("l1"), short[0].clone(), long("l2"), short[1].clone(), short[2].clone()].join(",");
        assert_eq!(parse(&list).unwrap(), [long("l1"), short[0..3].join(",")].join(",").to_string());
        let many: Vec<String> = (0..8).map(|n| format!("s{n}={}", "y".repeat(97))).collect();
        assert_eq!(parse(&many.join(",")).unwrap(), many[..5].join(","));
    }

    #[test]
    fn what_is_set_comes_to_the_front() {
        let mut state = TraceState::parse([&b"a=1,b=2,c=3"[..]]).unwrap();
        state.set("b", "4").unwrap();
        state.set("d", "5").unwrap();
        assert_eq!(state.to_string(), "d=5,b=4,a=1,c=3");
        assert_eq!((state.get("a"), state.get("x")), (Some("1"), None));
        assert_eq!(state.set("d", "a,b"), Err(InvalidTraceState::Malformed));
        assert_eq!(state.get("d"), Some("5"));
        for n in 0..40 {
            state.set(&format!("k{n}"), "v").unwrap();
        }
        assert_eq!((state.iter().count(), state.get("k8"), state.get("k7")), (32, Some("v"), None));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(values: Vec<Vec<u8>>, text in "[a-z0-9=, \t]{0,600}") {
            let values = values.iter().map(|value| &value[..]).chain([text.as_bytes()]);
            if let Ok(state) = TraceState::parse(values) {
                prop_assert!(state.as_str().len() <= MOST_CHARS);
                prop_assert_eq!(TraceState::parse([state.as_str().as_bytes()]), Ok(state.clone()));
            }
        }
    }
}
