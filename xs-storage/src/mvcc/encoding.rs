//! Where a version of a key lies in the engine, so that the engine's byte order is the order in which versions are looked
//! for: by key, and of one key the newest first.
//!
//! ```text
//!   version   01  key, 00 written as 00 FF  00 01  timestamp, inverted, big-endian (8)  kind (1)   ─▶  value
//!   about     00  'f' | 'l' | 'h'                                                                  ─▶  u64 or u32, little-endian
//! ```
//!
//! The escape keeps the order of keys although something follows them. Where one key is a prefix of another, the shorter
//! one goes on with `00 01`: less than any byte that is not zero, and less than the `00 FF` that a zero becomes. So no
//! encoded key is a prefix of another, and all versions of one key lie together, with none of another key in between. The
//! terminator has two bytes because what follows it may begin with any: after a single `00` an inverted timestamp that
//! begins with `FF` would read as an escaped zero.
//!
//! The timestamp is inverted because contracts for cursors promise the first entry *at or after* a key: seeking `key,
//! !now` lands on the newest version that is not newer than `now` in one call. The kind stands behind it, in the key: a
//! removal is seen without reading a value, which an engine may keep elsewhere. It never decides an order, since a commit
//! writes a key once.
//!
//! A length in front of the key would be shorter, and would order `b` before `aa`. Padding to groups of eight with a count
//! (as MyRocks does it) costs a byte in eight, of every key; escaping costs one for each zero, and two for the end.

use std::borrow::Cow;
use std::ops::Bound;

use crate::engine::KeyRange;

const ABOUT: u8 = 0;
const VERSION: u8 = 1;

/// The layout's version, and the newest commit, and from where on history is whole.
pub(super) const FORMAT: [u8; 2] = [ABOUT, b'f'];
pub(super) const LAST: [u8; 2] = [ABOUT, b'l'];
pub(super) const HORIZON: [u8; 2] = [ABOUT, b'h'];

/// What [`FORMAT`] says.
pub(super) const FORMAT_VERSION: u32 = 1;

const END: [u8; 2] = [0, 1];
const BEHIND: [u8; 2] = [0, 2];
const SUFFIX: usize = 8 + 1;

/// What a commit did to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Removed,
    Put,
}

/// A key of the engine, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version<'a> {
    /// Everything in front of the timestamp: the same for all versions of one key.
    pub(super) stem: &'a [u8],
    pub(super) at: u64,
    pub(super) kind: Kind,
}

/// Appends what all versions of a key begin with, and nothing else does.
pub(super) fn put_stem(out: &mut Vec<u8>, key: &[u8]) {
    out.reserve(key.len() + 1 + END.len() + SUFFIX);
    out.push(VERSION);
    for (n, run) in key.split(|&byte| byte == 0).enumerate() {
        if n > 0 {
            out.extend_from_slice(&[0, 0xFF]);
        }
        out.extend_from_slice(run);
    }
    out.extend_from_slice(&END);
}

/// What all versions of a key begin with.
pub(super) fn stem(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_stem(&mut out, key);
    out
}

/// Appends a timestamp: to seek for the newest version that is not newer.
pub(super) fn put_at(out: &mut Vec<u8>, at: u64) {
    out.extend_from_slice(&(!at).to_be_bytes());
}

/// Appends what makes a stem the key of one version.
pub(super) fn put_suffix(out: &mut Vec<u8>, at: u64, kind: Kind) {
    put_at(out, at);
    out.push(kind as u8);
}

/// Turns a stem into the first key behind all of its versions.
pub(super) fn behind(mut stem: Vec<u8>) -> Vec<u8> {
    let end = stem.len() - END.len();
    stem[end..].copy_from_slice(&BEHIND);
    stem
}

/// Takes a key of the engine apart; none if it is no version.
pub(super) fn split(physical: &[u8]) -> Option<Version<'_>> {
    let (stem, suffix) = physical.split_at_checked(physical.len().checked_sub(SUFFIX)?)?;
    let (at, kind) = suffix.split_first_chunk::<8>()?;
    if stem.first() != Some(&VERSION) || stem.len() <= END.len() || !stem.ends_with(&END) {
        return None;
    }
    let kind = match kind {
        [0] => Kind::Removed,
        [1] => Kind::Put,
        _ => return None,
    };
    Some(Version { stem, at: !u64::from_be_bytes(*at), kind })
}

/// The key in a stem; a copy only where there was something to escape.
pub(super) fn key(stem: &[u8]) -> Cow<'_, [u8]> {
    let escaped = stem.get(1..stem.len() - END.len()).unwrap_or_default();
    if !escaped.contains(&0) {
        return Cow::Borrowed(escaped);
    }
    let mut key = Vec::with_capacity(escaped.len());
    put_key(&mut key, stem);
    Cow::Owned(key)
}

/// Appends the key in a stem.
pub(super) fn put_key(out: &mut Vec<u8>, stem: &[u8]) {
    let escaped = stem.get(1..stem.len() - END.len()).unwrap_or_default();
    let mut rest = escaped;
    while let Some(zero) = rest.iter().position(|&byte| byte == 0) {
        out.extend_from_slice(&rest[..=zero]);
        // What follows a zero is its mark; of foreign bytes nothing is promised but that this ends.
        rest = rest.get(zero + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Where the versions of the keys in a range lie.
pub(super) fn range(keys: &KeyRange<'_>) -> KeyRange<'static> {
    let start = match &keys.start {
        Bound::Included(key) => stem(key),
        Bound::Excluded(key) => behind(stem(key)),
        Bound::Unbounded => vec![VERSION],
    };
    let end = match &keys.end {
        Bound::Included(key) => behind(stem(key)),
        Bound::Excluded(key) => stem(key),
        Bound::Unbounded => vec![VERSION + 1],
    };
    KeyRange { start: Bound::Included(start.into()), end: Bound::Excluded(end.into()) }
}

/// Where the versions of one key lie that are not newer than `at`.
pub(super) fn versions(key: &[u8], at: u64) -> KeyRange<'static> {
    let stem = stem(key);
    let mut start = stem.clone();
    put_at(&mut start, at);
    KeyRange { start: Bound::Included(start.into()), end: Bound::Excluded(behind(stem).into()) }
}

#[cfg(all(test, not(xs_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn physical(key: &[u8], at: u64) -> Vec<u8> {
        let mut out = stem(key);
        put_suffix(&mut out, at, Kind::Put);
        out
    }

    fn keys() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), Just(2), Just(b'a'), Just(254), Just(255)], 0..6)
    }

    fn times() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX - 1), Just(0xFF00), any::<u64>()]
    }

    proptest! {
        #[test]
        fn bytes_are_ordered_by_key_and_then_from_new_to_old(a in keys(), b in keys(), t in times(), u in times()) {
            let ours = a.cmp(&b).then(u.cmp(&t));
            prop_assert_eq!(physical(&a, t).cmp(&physical(&b, u)), ours);
        }

        #[test]
        fn what_was_encoded_comes_back(k in keys(), t in times()) {
            let bytes = physical(&k, t);
            let version = split(&bytes).unwrap();
            prop_assert_eq!((version.at, version.kind), (t, Kind::Put));
            prop_assert_eq!(&key(version.stem)[..], &k[..]);
        }

        #[test]
        fn a_range_of_keys_is_a_range_of_versions(k in keys(), a in keys(), b in keys(), t in times(), how in 0..9) {
            let bound = |how: i32, key: &[u8]| match how {
                0 => Bound::Included(Cow::Owned(key.to_vec())),
                1 => Bound::Excluded(Cow::Owned(key.to_vec())),
                _ => Bound::Unbounded,
            };
            let keys = KeyRange { start: bound(how % 3, &a), end: bound(how / 3, &b) };
            prop_assert_eq!(range(&keys).contains(&physical(&k, t)), keys.contains(&k));
        }

        #[test]
        fn any_bytes_are_a_version_or_none(bytes in proptest::collection::vec(0_u8..4, 0..24)) {
            if let Some(version) = split(&bytes) {
                let _ = key(version.stem);
            }
        }
    }

    #[test]
    fn a_key_without_zeros_grows_by_twelve_bytes() {
        assert_eq!(physical(b"apple", 7).len(), b"apple".len() + 12);
        assert!(matches!(key(&stem(b"apple")), Cow::Borrowed(b"apple")));
    }
}
