//! What consumers say that they want to read, where the coordinator must know.

use std::collections::HashSet;

use bytes::Bytes;
use bytestring::ByteString;

use crate::groups::{Group, State};

/// The topics that members of a group read; `None` if members cannot be understood, or do something else than reading.
pub(crate) fn of(group: &Group) -> Option<HashSet<ByteString>> {
    if group.members().is_empty() {
        return Some(HashSet::new());
    }
    if group.state() != State::Stable || group.protocol_type().is_none_or(|kind| kind != "consumer") {
        return None;
    }
    let mut topics = HashSet::new();
    for member in group.members().values() {
        topics.extend(read(member.metadata(group.protocol()?))?);
    }
    Some(topics)
}

/// A consumer's subscription: a version, and its topics; what follows depends on the version.
fn read(said: Bytes) -> Option<Vec<ByteString>> {
    let mut rest = &said[..];
    let mut take = |len: usize| {
        let (front, behind) = rest.split_at_checked(len)?;
        rest = behind;
        Some(front)
    };
    take(2)?;
    let count = u32::from_be_bytes(take(4)?.try_into().ok()?);
    let mut topics = Vec::new();
    for _ in 0..count {
        let len = u16::from_be_bytes(take(2)?.try_into().ok()?);
        topics.push(std::str::from_utf8(take(len.into())?).ok()?.into());
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscription_is_read_or_not_understood() {
        let said = b"\0\x03\0\0\0\x02\0\x01a\0\x02bc\xff\xff\xff\xff\0\0\0\0";
        assert_eq!(read(Bytes::from_static(said)).unwrap(), ["a", "bc"]);
        for len in 0..13 {
            assert_eq!(read(Bytes::from_static(&said[..len])), None, "{len}");
        }
        assert_eq!(read(Bytes::from_static(b"\0\0\xff\xff\xff\xff")), None);
    }
}
