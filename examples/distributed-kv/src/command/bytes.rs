//! An entry's bytes in the log.
//!
//! ```text
//!   version (1)   at (8)   named (1)   [ session (16)  seq (8)  since (8) ]   count (4)   op …
//!   op:   tag (1)   its fields: strings with their length (4) in front, numbers (8), choices (1)
//! ```
//!
//! `at` has a fixed place, since the leader stamps it into bytes that another node may have made. A version that is not known
//! stops a replica: to pass an entry over would make it differ from the others.

use ::bytes::Bytes;

use super::{Entry, ExpireIf, Expiry, Id, MAX_OPS, Member, Op, SetIf, Unit};
use crate::wire::{Malformed, Reader, put_count, put_string};

const VERSION: u8 = 1;
/// Where an entry's time stands, in 8 bytes.
pub(crate) const STAMP_AT: std::ops::Range<usize> = 1..9;

pub(crate) fn encode(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + entry.ops.iter().map(Op::size).sum::<usize>());
    out.push(VERSION);
    out.extend_from_slice(&entry.at.to_le_bytes());
    out.push(u8::from(entry.id.is_some()));
    if let Some(Id { session, seq, since }) = entry.id {
        out.extend_from_slice(&session.to_le_bytes());
        out.extend_from_slice(&seq.to_le_bytes());
        out.extend_from_slice(&since.to_le_bytes());
    }
    put_count(&mut out, entry.ops.len());
    entry.ops.iter().for_each(|op| put_op(op, &mut out));
    out
}

pub(crate) fn decode(bytes: Bytes) -> Result<Entry, Malformed> {
    let mut from = Reader::new(bytes);
    if from.u8()? != VERSION {
        return from.wrong("an entry of version 1");
    }
    let at = from.u64()?;
    let id = from.option(|from| Ok(Id { session: from.u128()?, seq: from.u64()?, since: from.u64()? }))?;
    let ops = from.at_most(MAX_OPS, take_op)?;
    from.end()?;
    Ok(Entry { at, id, ops })
}

fn put_op(op: &Op, out: &mut Vec<u8>) {
    let tagged = |out: &mut Vec<u8>, tag: u8, key: &[u8]| {
        out.push(tag);
        put_string(out, key);
    };
    let listed = |out: &mut Vec<u8>, tag: u8, keys: &[Bytes]| {
        out.push(tag);
        put_count(out, keys.len());
        keys.iter().for_each(|key| put_string(out, key));
    };
    match op {
        Op::Get(key) => tagged(out, 1, key),
        Op::GetMany(keys) => listed(out, 2, keys),
        Op::Exists(keys) => listed(out, 3, keys),
        Op::Length(key) => tagged(out, 4, key),
        Op::Type(key) => tagged(out, 5, key),
        Op::TimeLeft(key, unit) => {
            tagged(out, 6, key);
            out.push(u8::from(*unit == Unit::Millis));
        }
        Op::Count => out.push(7),
        Op::Set { key, value, expiry, when, get } => {
            tagged(out, 8, key);
            put_string(out, value);
            put_expiry(*expiry, out);
            out.push(match when {
                SetIf::Always => 0,
                SetIf::Absent => 1,
                SetIf::Present => 2,
            });
            out.push(u8::from(*get));
        }
        Op::SetMany(pairs) => {
            out.push(9);
            put_count(out, pairs.len());
            for (key, value) in pairs {
                put_string(out, key);
                put_string(out, value);
            }
        }
        Op::CompareAndSet { key, old, new } => {
            tagged(out, 10, key);
            put_string(out, old);
            put_string(out, new);
        }
        Op::Delete(keys) => listed(out, 11, keys),
        Op::Take(key) => tagged(out, 12, key),
        Op::Add(key, by) => {
            tagged(out, 13, key);
            out.extend_from_slice(&by.to_le_bytes());
        }
        Op::Append(key, more) => {
            tagged(out, 14, key);
            put_string(out, more);
        }
        Op::Expire(key, expiry, when) => {
            tagged(out, 15, key);
            put_expiry(*expiry, out);
            out.push(match when {
                ExpireIf::Always => 0,
                ExpireIf::Endless => 1,
                ExpireIf::Ending => 2,
                ExpireIf::Later => 3,
                ExpireIf::Earlier => 4,
            });
        }
        Op::Persist(key) => tagged(out, 16, key),
        Op::Flush => out.push(17),
        Op::Tick => out.push(18),
        Op::Remember(node, member) => {
            out.push(19);
            out.extend_from_slice(&node.to_le_bytes());
            put_member(member, out);
        }
        Op::Forget(node) => {
            out.push(20);
            out.extend_from_slice(&node.to_le_bytes());
        }
    }
}

fn take_op(from: &mut Reader) -> Result<Op, Malformed> {
    Ok(match from.u8()? {
        1 => Op::Get(from.string()?),
        2 => Op::GetMany(from.many(Reader::string)?),
        3 => Op::Exists(from.many(Reader::string)?),
        4 => Op::Length(from.string()?),
        5 => Op::Type(from.string()?),
        6 => Op::TimeLeft(from.string()?, if from.flag()? { Unit::Millis } else { Unit::Seconds }),
        7 => Op::Count,
        8 => Op::Set {
            key: from.string()?,
            value: from.string()?,
            expiry: take_expiry(from)?,
            when: match from.u8()? {
                0 => SetIf::Always,
                1 => SetIf::Absent,
                2 => SetIf::Present,
                _ => return from.wrong("a condition of SET"),
            },
            get: from.flag()?,
        },
        9 => Op::SetMany(from.many(|from| Ok((from.string()?, from.string()?)))?),
        10 => Op::CompareAndSet { key: from.string()?, old: from.string()?, new: from.string()? },
        11 => Op::Delete(from.many(Reader::string)?),
        12 => Op::Take(from.string()?),
        13 => Op::Add(from.string()?, from.i64()?),
        14 => Op::Append(from.string()?, from.string()?),
        15 => Op::Expire(
            from.string()?,
            take_expiry(from)?,
            match from.u8()? {
                0 => ExpireIf::Always,
                1 => ExpireIf::Endless,
                2 => ExpireIf::Ending,
                3 => ExpireIf::Later,
                4 => ExpireIf::Earlier,
                _ => return from.wrong("a condition of EXPIRE"),
            },
        ),
        16 => Op::Persist(from.string()?),
        17 => Op::Flush,
        18 => Op::Tick,
        19 => Op::Remember(from.u64()?, take_member(from)?),
        20 => Op::Forget(from.u64()?),
        _ => return from.wrong("a command"),
    })
}

fn put_expiry(expiry: Expiry, out: &mut Vec<u8>) {
    let (tag, number) = match expiry {
        Expiry::Never => (0, 0),
        Expiry::Keep => (1, 0),
        Expiry::After(millis) => (2, millis),
        Expiry::At(millis) => (3, millis),
    };
    out.push(tag);
    out.extend_from_slice(&number.to_le_bytes());
}

fn take_expiry(from: &mut Reader) -> Result<Expiry, Malformed> {
    Ok(match (from.u8()?, from.u64()?) {
        (0, _) => Expiry::Never,
        (1, _) => Expiry::Keep,
        (2, millis) => Expiry::After(millis),
        (3, millis) => Expiry::At(millis),
        _ => return from.wrong("the end of a key"),
    })
}

pub(crate) fn put_member(member: &Member, out: &mut Vec<u8>) {
    put_string(out, member.peer.as_bytes());
    put_string(out, member.client.as_bytes());
}

pub(crate) fn take_member(from: &mut Reader) -> Result<Member, Malformed> {
    Ok(Member { peer: from.text()?, client: from.text()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of_each() -> Vec<Op> {
        let key = || Bytes::from_static(b"k");
        let value = || Bytes::from_static(b"some value");
        let member = Member { peer: "h:1".into(), client: "h:2".into() };
        vec![
            Op::Get(key()),
            Op::GetMany(vec![key(), Bytes::new()]),
            Op::Exists(vec![key()]),
            Op::Length(key()),
            Op::Type(key()),
            Op::TimeLeft(key(), Unit::Millis),
            Op::Count,
            Op::Set { key: key(), value: value(), expiry: Expiry::At(9), when: SetIf::Present, get: true },
            Op::SetMany(vec![(key(), value()), (key(), key())]),
            Op::CompareAndSet { key: key(), old: value(), new: key() },
            Op::Delete(vec![key(), key()]),
            Op::Take(key()),
            Op::Add(key(), i64::MIN),
            Op::Append(key(), value()),
            Op::Expire(key(), Expiry::After(5), ExpireIf::Earlier),
            Op::Persist(key()),
            Op::Flush,
            Op::Tick,
            Op::Remember(3, member),
            Op::Forget(4),
        ]
    }

    #[test]
    fn entries_survive_their_bytes_and_no_cut_of_them_is_an_entry() {
        let id = Some(Id { session: u128::MAX - 1, seq: 2, since: 3 });
        for entry in [Entry { at: 77, id, ops: one_of_each() }, Entry { at: 0, id: None, ops: Vec::new() }] {
            let bytes = Bytes::from(encode(&entry));
            assert_eq!(bytes[STAMP_AT], entry.at.to_le_bytes());
            assert_eq!(decode(bytes.clone()), Ok(entry));
            for cut in 0..bytes.len() {
                assert!(decode(bytes.slice(..cut)).is_err(), "cut at {cut}");
            }
            let longer = [&bytes[..], &[0]].concat();
            assert!(decode(longer.into()).is_err());
        }
    }

    #[test]
    fn a_count_beyond_the_limit_is_refused_before_any_command_is_read() {
        let mut bytes = encode(&Entry { at: 0, id: None, ops: Vec::new() });
        let count = bytes.len() - 4;
        bytes[count..].copy_from_slice(&(MAX_OPS as u32 + 1).to_le_bytes());
        let end = bytes.len();
        assert_eq!(decode(bytes.into()), Err(Malformed { at: end, what: "a smaller count" }));
    }

    #[test]
    fn a_size_is_no_less_than_the_bytes() {
        for op in one_of_each() {
            let mut bytes = Vec::new();
            put_op(&op, &mut bytes);
            assert!(bytes.len() <= op.size(), "{op:?}: {} bytes, said to be {}", bytes.len(), op.size());
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_entry_or_an_error(bytes: Vec<u8>) {
            if let Ok(entry) = decode(bytes.clone().into()) {
                proptest::prop_assert_eq!(encode(&entry).len(), bytes.len());
            }
        }
    }
}
