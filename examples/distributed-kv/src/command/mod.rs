//! What the replicated state can be asked to do: [`Op`], and [`Entry`], which is how it stands in the log.
//!
//! An entry is all that one turn of a connection wrote, or one transaction; it is applied as a whole. It carries the two
//! things that would otherwise differ from replica to replica: the *time* at which it happens, which its leader stamps into
//! it, and the *name* by which a second copy of it is known.

mod bytes;
mod parse;

use ::bytes::Bytes;

pub(crate) use self::bytes::{STAMP_AT, decode, encode, put_member, take_member};
pub(crate) use parse::{Parsed, arity, parse, wrong_number};

/// The longest key, in bytes: an engine's limit, less what the layout puts in front of a key.
pub(crate) const MAX_KEY: usize = 32 << 10;
/// The longest value, in bytes. An entry with it must fit into one entry of the log.
pub(crate) const MAX_VALUE: usize = 1 << 20;
/// The most bytes in one entry: a connection's turn is cut there, and a transaction that is larger is refused.
pub(crate) const MAX_ENTRY: usize = 3 << 20;
/// The most commands in one entry.
pub(crate) const MAX_OPS: usize = 1 << 16;
/// The most commands in one entry that write a value anew which they don't carry: what they make of the engine's batch is no
/// more than half of what that takes.
pub(crate) const MAX_REWRITES: usize = 512;
/// The most bytes that the commands of one entry are answered with; the commands behind are answered with an error. A bit
/// more than that must fit into one frame between nodes.
pub(crate) const MAX_ANSWERS: usize = 6 << 20;
/// The most bytes that one command which only reads is answered with.
pub(crate) const MAX_READ: usize = 64 << 20;

/// Unix time in milliseconds.
pub(crate) type Millis = u64;

/// When a key goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Never.
    Never,
    /// When it would have gone anyway.
    Keep,
    /// So many milliseconds after the moment at which the entry happens.
    After(Millis),
    /// At this moment.
    At(Millis),
}

/// Whether a `SET` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetIf {
    /// In any case.
    Always,
    /// If there is no such key.
    Absent,
    /// If there is such a key.
    Present,
}

/// Whether an `EXPIRE` is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpireIf {
    /// In any case.
    Always,
    /// If the key has no end.
    Endless,
    /// If the key has an end.
    Ending,
    /// If it is later than the end that the key has. No end is later than any.
    Later,
    /// If it is earlier than the end that the key has.
    Earlier,
}

/// In what a rest of time is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// `TTL`: seconds, rounded.
    Seconds,
    /// `PTTL`: milliseconds.
    Millis,
}

/// Where one of the cluster's nodes is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Where other nodes reach it.
    pub(crate) peer: String,
    /// Where clients reach it; empty if it has not said.
    pub(crate) client: String,
}

/// One thing to do with the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    /// `GET`: the value, or nil.
    Get(Bytes),
    /// `MGET`: each value, or nil.
    GetMany(Vec<Bytes>),
    /// `EXISTS`: how many of these there are.
    Exists(Vec<Bytes>),
    /// `STRLEN`: the value's length; 0 if there is none.
    Length(Bytes),
    /// `TYPE`.
    Type(Bytes),
    /// `TTL`, `PTTL`: what is left; -1 without an end, -2 without the key.
    TimeLeft(Bytes, Unit),
    /// `DBSIZE`: how many keys there are, those included that are over and not removed yet.
    Count,
    /// `SET` and its older spellings.
    Set {
        /// Under this key
        key: Bytes,
        /// stands this value
        value: Bytes,
        /// until then,
        expiry: Expiry,
        /// if this holds;
        when: SetIf,
        /// and the answer is what stood there before.
        get: bool,
    },
    /// `MSET`.
    SetMany(Vec<(Bytes, Bytes)>),
    /// `CAS key old new`: 1 if the value was `old`, and is `new` now; 0 if it is another one; -1 if there is no such key.
    /// The key's end stays.
    CompareAndSet {
        /// The key.
        key: Bytes,
        /// What must stand there.
        old: Bytes,
        /// What stands there then.
        new: Bytes,
    },
    /// `DEL`, `UNLINK`: how many there were.
    Delete(Vec<Bytes>),
    /// `GETDEL`.
    Take(Bytes),
    /// `INCR`, `DECR`, `INCRBY`, `DECRBY`: the sum.
    Add(Bytes, i64),
    /// `APPEND`: the new length.
    Append(Bytes, Bytes),
    /// `EXPIRE`, `PEXPIRE`, `EXPIREAT`, `PEXPIREAT`: 1 if done.
    Expire(Bytes, Expiry, ExpireIf),
    /// `PERSIST`: 1 if there was an end.
    Persist(Bytes),
    /// `FLUSHALL`, `FLUSHDB`.
    Flush,
    /// Nothing but the entry's time: so that keys go when nobody writes.
    Tick,
    /// The cluster's own: where a node is from now on.
    Remember(u64, Member),
    /// The cluster's own: the node has left.
    Forget(u64),
}

impl Op {
    /// Whether it can change the state.
    pub(crate) fn writes(&self) -> bool {
        !matches!(
            self,
            Op::Get(_) | Op::GetMany(_) | Op::Exists(_) | Op::Length(_) | Op::Type(_) | Op::TimeLeft(..) | Op::Count
        )
    }

    /// Whether it writes a value that it doesn't carry.
    pub(crate) fn rewrites(&self) -> bool {
        matches!(self, Op::Append(..) | Op::Expire(..) | Op::Persist(_))
    }

    /// Whether it writes, and is answered with a value.
    pub(crate) fn gives_back(&self) -> bool {
        matches!(self, Op::Take(_) | Op::Set { get: true, .. })
    }

    /// Whether its keys and values are no longer than a client's may be.
    pub(crate) fn fits(&self) -> bool {
        let (key, value) = (|key: &Bytes| key.len() <= MAX_KEY, |value: &Bytes| value.len() <= MAX_VALUE);
        match self {
            Op::Get(k) | Op::Length(k) | Op::Type(k) | Op::TimeLeft(k, _) => key(k),
            Op::Take(k) | Op::Add(k, _) | Op::Expire(k, ..) | Op::Persist(k) => key(k),
            Op::GetMany(keys) | Op::Exists(keys) | Op::Delete(keys) => keys.iter().all(key),
            Op::Set { key: k, value: v, .. } | Op::Append(k, v) => key(k) && value(v),
            Op::SetMany(pairs) => pairs.iter().all(|(k, v)| key(k) && value(v)),
            Op::CompareAndSet { key: k, old, new } => key(k) && value(old) && value(new),
            Op::Remember(..) | Op::Forget(_) | Op::Count | Op::Flush | Op::Tick => true,
        }
    }

    /// About how many bytes it takes in an entry.
    pub(crate) fn size(&self) -> usize {
        const AROUND: usize = 24;
        AROUND
            + match self {
                Op::Get(key) | Op::Length(key) | Op::Type(key) | Op::TimeLeft(key, _) => key.len(),
                Op::Take(key) | Op::Add(key, _) | Op::Expire(key, ..) | Op::Persist(key) => key.len(),
                Op::GetMany(keys) | Op::Exists(keys) | Op::Delete(keys) => keys.iter().map(|key| key.len() + 4).sum(),
                Op::Set { key, value, .. } | Op::Append(key, value) => key.len() + value.len(),
                Op::SetMany(pairs) => pairs.iter().map(|(key, value)| key.len() + value.len() + 8).sum(),
                Op::CompareAndSet { key, old, new } => key.len() + old.len() + new.len(),
                Op::Remember(_, member) => member.peer.len() + member.client.len(),
                Op::Count | Op::Flush | Op::Tick | Op::Forget(_) => 0,
            }
    }
}

/// The name of an entry, by which a copy of it that comes later is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    /// Who asks: drawn at random by each connection, and never used again.
    pub(crate) session: u128,
    /// The number of its entry. A session sends one at a time, each with a higher number.
    pub(crate) seq: u64,
    /// The asking node had applied the log up to here when it first sent the entry, so no copy of it can stand further
    /// in front. By this a copy is told from news when the session has been forgotten meanwhile.
    pub(crate) since: u64,
}

/// A command of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// When it happens, by its leader's calendar.
    pub(crate) at: Millis,
    /// Its name; `None` for what may as well happen twice.
    pub(crate) id: Option<Id>,
    /// What is done, in this order.
    pub(crate) ops: Vec<Op>,
}
