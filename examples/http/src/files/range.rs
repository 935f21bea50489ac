//! Ranges: which parts of a file were asked for (RFC 9110, section 14). Pure.

use std::ops::Range;

use http::{HeaderMap, header};

/// More than this are a mistake or an attack; the whole is sent instead.
const MOST: usize = 32;

/// What between two ranges costs less to send than the head of another part.
const GAP: u64 = 128;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: no range, or none that is worth it.
    Whole,
    /// These parts, in their order, neither empty nor overlapping.
    Parts(Vec<Range<u64>>),
    /// 416: nothing of it exists.
    Nothing,
}

/// Reads `Range` for something of `len` bytes. What cannot be read counts as absent.
pub(super) fn wanted(headers: &HeaderMap, len: u64) -> Wanted {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return Wanted::Whole };
    let Ok(value) = value.to_str() else { return Wanted::Whole };
    let Some((unit, list)) = value.split_once('=') else { return Wanted::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Wanted::Whole;
    }
    let mut parts: Vec<Range<u64>> = Vec::new();
    for (nth, spec) in list.split(',').map(str::trim).filter(|spec| !spec.is_empty()).enumerate() {
        match (nth < MOST).then(|| range(spec, len)).flatten() {
            None => return Wanted::Whole,
            Some(part) if part.is_empty() => {}
            Some(part) => parts.push(part),
        }
    }
    if parts.is_empty() {
        // A list without a range in it is no list.
        return if list.split(',').all(|spec| spec.trim().is_empty()) { Wanted::Whole } else { Wanted::Nothing };
    }
    let parts = joined(parts);
    match &parts[..] {
        [all] if *all == (0..len) => Wanted::Whole,
        _ => Wanted::Parts(parts),
    }
}

/// `0-9`, `10-`, `-5`; empty where it is beyond the end, `None` where it is no range.
fn range(spec: &str, len: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    // Only digits; a number that is too large is beyond every end.
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let suffix = number(last)?;
        return Some(len.saturating_sub(suffix)..len);
    }
    let first = number(first)?;
    let end = match last {
        "" => len,
        last => number(last).filter(|&last| last >= first)?.saturating_add(1).min(len),
    };
    Some(first.min(end)..end)
}

/// Parts that overlap, or nearly touch, become one (section 15.3.7.2). The order stays if there is nothing to join.
fn joined(parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    let mut sorted = parts.clone();
    sorted.sort_by_key(|part| part.start);
    let mut joined: Vec<Range<u64>> = Vec::with_capacity(sorted.len());
    for part in sorted {
        match joined.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(GAP) => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    if joined.len() == parts.len() { parts } else { joined }
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init)] // a list of one range is what is meant
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(value: &str, len: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, value.parse().unwrap());
        wanted(&headers, len)
    }

    #[test]
    fn the_forms_of_the_standard() {
        let parts = |list: &[Range<u64>]| Wanted::Parts(list.to_vec());
        for (value, expected) in [
            ("bytes=0-499", parts(&[0..500])),
            ("bytes=500-999", parts(&[500..1000])),
            ("bytes=-500", parts(&[9500..10_000])),
            ("bytes=9500-", parts(&[9500..10_000])),
            ("Bytes = 0-0 , -1", parts(&[0..1, 9999..10_000])),
            ("bytes=5000-5009,0-9", parts(&[5000..5010, 0..10])),
            ("bytes=500-600,601-999", parts(&[500..1000])),
            ("bytes=500-700,601-999, 20-30", parts(&[20..31, 500..1000])),
            ("bytes=9999-99999999999999999999999", parts(&[9999..10_000])),
            ("bytes=20000-, 0-0", parts(&[0..1])),
            ("bytes=0-", Wanted::Whole),
            ("bytes=-20000", Wanted::Whole),
            ("bytes=0-9999", Wanted::Whole),
            ("bytes=10000-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=9-5", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes=,", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=1", Wanted::Whole),
            ("bytes=--1", Wanted::Whole),
            ("lines=1-2", Wanted::Whole),
            ("bytes 1-2", Wanted::Whole),
        ] {
            assert_eq!(of(value, 10_000), expected, "{value}");
        }
        assert_eq!(of("bytes=0-", 0), Wanted::Nothing);
        let many: Vec<String> = (0..40).map(|nth| format!("{}-{}", nth * 200, nth * 200)).collect();
        assert_eq!(of(&format!("bytes={}", many.join(",")), 10_000), Wanted::Whole);
        assert!(
            matches!(of(&format!("bytes={}", many[..32].join(",")), 10_000), Wanted::Parts(parts) if parts.len() == 32)
        );
    }

    proptest! {
        #[test]
        fn every_byte_that_was_asked_for_is_sent_and_none_twice(
            asked in prop::collection::vec((0u64..3000, 0u64..200), 1..10),
            len in 1u64..3000,
        ) {
            let list: Vec<String> = asked.iter().map(|(start, more)| format!("{start}-{}", start + more)).collect();
            let wanted = of(&format!("bytes={}", list.join(", ")), len);
            let parts = match wanted {
                Wanted::Whole => vec![0..len],
                Wanted::Parts(parts) => parts,
                Wanted::Nothing => Vec::new(),
            };
            let sent = |byte: u64| parts.iter().filter(|part| part.contains(&byte)).count();
            for byte in 0..len {
                let was_asked = asked.iter().any(|(start, more)| (*start..=start + more).contains(&byte));
                prop_assert!(sent(byte) <= 1 && (sent(byte) == 1 || !was_asked), "{byte} of {len}: {parts:?}");
            }
            prop_assert!(parts.iter().all(|part| part.start < part.end && part.end <= len));
        }
    }
}
