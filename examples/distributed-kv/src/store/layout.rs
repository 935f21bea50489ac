//! Where things stand in the engine. The first byte of a key tells what it is:
//!
//! ```text
//!   d KEY               a value: 0, or 1 and its end (8); then its bytes
//!   m                   where the state stands: applied, clock, keys, forgotten
//!   n NODE (8)          a member of the cluster
//!   r                   a snapshot is being put in: what is here is a part of it
//!   s SESSION (16)      the last entry of a session and what it was answered with
//!   x END (8) KEY       the keys that have an end, by their ends
//! ```
//!
//! Ends stand big-endian in keys, so that their order is the keys' order.

use bytes::{BufMut, Bytes, BytesMut};

use crate::command::Millis;
use crate::wire::{Malformed, Reader};

pub(super) const META: &[u8] = b"m";
pub(super) const RESTORING: &[u8] = b"r";
pub(super) const DATA: u8 = b'd';
pub(super) const MEMBER: u8 = b'n';
pub(super) const SESSION: u8 = b's';
pub(super) const ENDING: u8 = b'x';

pub(super) fn data(key: &[u8]) -> Bytes {
    prefixed(DATA, &[key])
}

pub(super) fn member(node: u64) -> Bytes {
    prefixed(MEMBER, &[&node.to_be_bytes()])
}

pub(super) fn session(session: u128) -> Bytes {
    prefixed(SESSION, &[&session.to_be_bytes()])
}

pub(super) fn ending(end: Millis, key: &[u8]) -> Bytes {
    prefixed(ENDING, &[&end.to_be_bytes(), key])
}

fn prefixed(prefix: u8, parts: &[&[u8]]) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.put_u8(prefix);
    parts.iter().for_each(|part| key.put_slice(part));
    key.freeze()
}

/// The end and the key in a key of [`ENDING`].
pub(super) fn ending_parts(key: &Bytes) -> Option<(Millis, Bytes)> {
    let end = key.get(1..)?.first_chunk::<8>()?;
    Some((u64::from_be_bytes(*end), key.slice(9..)))
}

/// The number behind the prefix of a key.
pub(super) fn node_of(key: &[u8]) -> Option<u64> {
    key.get(1..)?.try_into().ok().map(u64::from_be_bytes)
}

pub(super) fn session_of(key: &[u8]) -> Option<u128> {
    key.get(1..)?.try_into().ok().map(u128::from_be_bytes)
}

/// A value and its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) value: Bytes,
    pub(super) end: Option<Millis>,
}

impl Record {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(9 + self.value.len());
        out.put_u8(u8::from(self.end.is_some()));
        if let Some(end) = self.end {
            out.put_u64_le(end);
        }
        out.put_slice(&self.value);
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Record, Malformed> {
        let mut from = Reader::new(bytes);
        let end = from.option(Reader::u64)?;
        Ok(Record { value: from.rest(), end })
    }

    /// Whether it is still there at a moment; at its very end it is.
    pub(super) fn is_live(&self, clock: Millis) -> bool {
        self.end.is_none_or(|end| clock <= end)
    }
}

/// Where the state stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// The last entry of the log that is in the state.
    pub(super) applied: u64,
    /// The latest time of any entry: it never goes back.
    pub(super) clock: Millis,
    /// How many keys there are.
    pub(super) keys: u64,
    /// Every session that was forgotten had its last entry here or in front.
    pub(super) forgotten: u64,
}

const META_VERSION: u8 = 1;

impl Meta {
    pub(super) fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(33);
        out.put_u8(META_VERSION);
        [self.applied, self.clock, self.keys, self.forgotten].into_iter().for_each(|n| out.put_u64_le(n));
        out.freeze()
    }

    pub(super) fn decode(bytes: Bytes) -> Result<Meta, Malformed> {
        let mut from = Reader::new(bytes);
        if from.u8()? != META_VERSION {
            return from.wrong("a state of version 1");
        }
        let meta = Meta { applied: from.u64()?, clock: from.u64()?, keys: from.u64()?, forgotten: from.u64()? };
        from.end()?;
        Ok(meta)
    }
}
