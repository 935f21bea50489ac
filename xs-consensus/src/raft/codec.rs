//! A byte form of what drivers send and keep: messages, entries, hard states, memberships, what a snapshot stands for.
//!
//! ```text
//!   ┌ version u8 ┬ kind u8 ┬ fields … ┬ CRC32C of all before, u32 ┐      numbers are little-endian, lists and
//!   └────────────┴─────────┴──────────┴───────────────────────────┘      bytes have their length in front, as u32
//! ```
//!
//! Decoding never panics, allocates no more than a small multiple of what is really there, whatever lengths are claimed,
//! and takes exactly what encoding gives: a value has one form. Commands and pieces of snapshots are slices of the input.
//! A message that was decoded is still [checked](super::Message::check) by [`Raft::step`](super::Raft::step). The caller
//! bounds the length of a whole frame.

use std::sync::Arc;

use bytes::Bytes;

use super::message::{Append, AppendOutcome, AppendReply, Body, SnapshotChunk, SnapshotReply, VoteRequest};
use super::{ClusterId, Entry, HardState, Index, Membership, Message, NodeId, Payload, SnapshotMeta, Term};

/// The version of the byte form that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

/// Why bytes are not what they claim to be. Whoever wrote them, or what lies between, is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The checksum is another one.
    #[error("the checksum does not fit")]
    Checksum,
    /// Another version, which this build doesn't know.
    #[error("version {0} of the byte form")]
    Version(u8),
    /// Too short for what it says, or something is left.
    #[error("the length does not fit")]
    Length,
    /// A value that has no meaning.
    #[error("no such {0}")]
    Value(&'static str),
}

/// What is written to.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
}

impl<'a> Writer<'a> {
    fn new(out: &'a mut Vec<u8>, kind: u8) -> Self {
        let start = out.len();
        out.extend([VERSION, kind]);
        Writer { out, start }
    }

    fn byte(&mut self, value: u8) -> &mut Self {
        self.out.push(value);
        self
    }

    fn number(&mut self, value: u64) -> &mut Self {
        self.out.extend(value.to_le_bytes());
        self
    }

    /// A length; what doesn't fit into it is far beyond every limit.
    fn len(&mut self, len: usize) -> &mut Self {
        self.out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.len(bytes.len());
        self.out.extend_from_slice(bytes);
        self
    }

    fn nodes(&mut self, nodes: &[NodeId]) -> &mut Self {
        self.len(nodes.len());
        for node in nodes {
            self.number(node.0);
        }
        self
    }

    fn option(&mut self, value: Option<u64>) -> &mut Self {
        self.byte(u8::from(value.is_some()));
        if let Some(value) = value {
            self.number(value);
        }
        self
    }

    fn membership(&mut self, membership: &Membership) -> &mut Self {
        self.nodes(membership.voters());
        self.nodes(membership.outgoing());
        self.nodes(membership.learners());
        self.nodes(membership.witnesses())
    }

    fn entry(&mut self, entry: &Entry) -> &mut Self {
        self.number(entry.index.0).number(entry.term.0);
        match &entry.payload {
            Payload::Noop => self.byte(0),
            Payload::Command(command) => self.byte(1).bytes(command),
            Payload::Membership(membership) => self.byte(2).membership(membership),
        }
    }

    fn meta(&mut self, meta: &SnapshotMeta) -> &mut Self {
        self.number(meta.index.0).number(meta.term.0).number(meta.bytes).membership(&meta.membership)
    }

    fn seal(self) {
        let sum = crc32c::crc32c(&self.out[self.start..]);
        self.out.extend(sum.to_le_bytes());
    }
}

/// What is read from.
struct Reader(Bytes);

impl Reader {
    /// Checks the frame around the fields, and gives its kind.
    fn open(mut bytes: Bytes) -> Result<(Reader, u8), DecodeError> {
        let Some(end) = bytes.len().checked_sub(4).filter(|end| *end >= 2) else { return Err(DecodeError::Length) };
        let sum = bytes.split_off(end);
        if bytes[0] != VERSION {
            return Err(DecodeError::Version(bytes[0]));
        }
        if crc32c::crc32c(&bytes).to_le_bytes() != *sum {
            return Err(DecodeError::Checksum);
        }
        let kind = bytes[1];
        Ok((Reader(bytes.slice(2..)), kind))
    }

    fn open_as(bytes: Bytes, expected: u8) -> Result<Reader, DecodeError> {
        match Reader::open(bytes)? {
            (reader, kind) if kind == expected => Ok(reader),
            _ => Err(DecodeError::Value("kind")),
        }
    }

    fn take(&mut self, len: usize) -> Result<Bytes, DecodeError> {
        if len > self.0.len() { Err(DecodeError::Length) } else { Ok(self.0.split_to(len)) }
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Value("flag")),
        }
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let Some((number, _)) = self.0.split_first_chunk() else { return Err(DecodeError::Length) };
        let number = u64::from_le_bytes(*number);
        self.take(8)?;
        Ok(number)
    }

    fn len(&mut self) -> Result<usize, DecodeError> {
        let Some((len, _)) = self.0.split_first_chunk() else { return Err(DecodeError::Length) };
        let len = u32::from_le_bytes(*len) as usize;
        self.take(4)?;
        Ok(len)
    }

    fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let len = self.len()?;
        self.take(len)
    }

    /// A list whose items take `least` bytes at least.
    fn list<T>(
        &mut self,
        least: usize,
        mut item: impl FnMut(&mut Reader) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.len()?;
        if count > self.0.len() / least {
            return Err(DecodeError::Length);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn option(&mut self) -> Result<Option<u64>, DecodeError> {
        Ok(if self.flag()? { Some(self.number()?) } else { None })
    }

    fn index(&mut self) -> Result<Index, DecodeError> {
        self.number().map(Index)
    }

    fn term(&mut self) -> Result<Term, DecodeError> {
        self.number().map(Term)
    }

    fn membership(&mut self) -> Result<Membership, DecodeError> {
        let mut lists = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        for list in &mut lists {
            *list = self.list(8, |reader| reader.number().map(NodeId))?;
            if !list.is_sorted_by(|a, b| a < b) {
                return Err(DecodeError::Value("membership"));
            }
        }
        let [voters, outgoing, learners, witnesses] = lists;
        if voters.is_empty() && outgoing.is_empty() && learners.is_empty() && witnesses.is_empty() {
            return Ok(Membership::default());
        }
        Membership::from_parts(voters, outgoing, learners, witnesses).map_err(|_| DecodeError::Value("membership"))
    }

    fn entry(&mut self) -> Result<Entry, DecodeError> {
        let (index, term) = (self.index()?, self.term()?);
        let payload = match self.byte()? {
            0 => Payload::Noop,
            1 => Payload::Command(self.bytes()?),
            2 => Payload::Membership(Arc::new(self.membership()?)),
            _ => return Err(DecodeError::Value("payload")),
        };
        Ok(Entry { index, term, payload })
    }

    fn meta(&mut self) -> Result<SnapshotMeta, DecodeError> {
        let (index, term, bytes) = (self.index()?, self.term()?, self.number()?);
        Ok(SnapshotMeta { index, term, membership: Arc::new(self.membership()?), bytes })
    }

    fn vote(&mut self) -> Result<VoteRequest, DecodeError> {
        Ok(VoteRequest { last_index: self.index()?, last_term: self.term()?, transfer: self.flag()? })
    }

    fn end<T>(self, value: T) -> Result<T, DecodeError> {
        if self.0.is_empty() { Ok(value) } else { Err(DecodeError::Length) }
    }
}

// Kinds: messages from 1, what is kept from 64.
const ENTRY: u8 = 64;
const HARD_STATE: u8 = 65;
const MEMBERSHIP: u8 = 66;
const SNAPSHOT: u8 = 67;

impl Message {
    /// Appends the message's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match &self.body {
            Body::PreVote(_) => 1,
            Body::PreVoteReply { .. } => 2,
            Body::Vote(_) => 3,
            Body::VoteReply { .. } => 4,
            Body::Append(_) => 5,
            Body::AppendReply(_) => 6,
            Body::SnapshotChunk(_) => 7,
            Body::SnapshotReply(_) => 8,
            Body::ReadRequest { .. } => 9,
            Body::ReadReply { .. } => 10,
            Body::Forward { .. } => 11,
            Body::TimeoutNow { .. } => 12,
        };
        let mut w = Writer::new(out, kind);
        w.number(self.cluster.0).number(self.from.0).number(self.to.0).number(self.term.0);
        match &self.body {
            Body::PreVote(vote) | Body::Vote(vote) => {
                w.number(vote.last_index.0).number(vote.last_term.0).byte(u8::from(vote.transfer));
            }
            Body::PreVoteReply { granted } | Body::VoteReply { granted } => {
                w.byte(u8::from(*granted));
            }
            Body::Append(append) => {
                w.number(append.prev_index.0).number(append.prev_term.0).number(append.commit.0).number(append.round);
                w.len(append.entries.len());
                for entry in &append.entries {
                    w.entry(entry);
                }
            }
            Body::AppendReply(reply) => {
                w.number(reply.round);
                match reply.outcome {
                    AppendOutcome::Matched(index) => w.byte(0).number(index.0),
                    AppendOutcome::Rejected { prev_index, hint_index, hint_term } => {
                        w.byte(1).number(prev_index.0).number(hint_index.0).number(hint_term.0)
                    }
                };
            }
            Body::SnapshotChunk(chunk) => {
                w.meta(&chunk.meta).number(chunk.offset).number(chunk.round).bytes(&chunk.data);
            }
            Body::SnapshotReply(reply) => {
                w.number(reply.index.0).number(reply.term.0).number(reply.next).number(reply.round);
            }
            Body::ReadRequest { ticket } => {
                w.number(*ticket);
            }
            Body::ReadReply { ticket, index } => {
                w.number(*ticket).option(index.map(|index| index.0));
            }
            Body::Forward { commands } => {
                w.len(commands.len());
                for command in commands {
                    w.bytes(command);
                }
            }
            Body::TimeoutNow { last } => {
                w.number(last.0);
            }
        }
        w.seal();
    }

    /// The message that these bytes are, all of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<Message, DecodeError> {
        let (mut r, kind) = Reader::open(bytes)?;
        let (cluster, from, to) = (ClusterId(r.number()?), NodeId(r.number()?), NodeId(r.number()?));
        let term = r.term()?;
        let body = match kind {
            1 => Body::PreVote(r.vote()?),
            2 => Body::PreVoteReply { granted: r.flag()? },
            3 => Body::Vote(r.vote()?),
            4 => Body::VoteReply { granted: r.flag()? },
            5 => Body::Append(Append {
                prev_index: r.index()?,
                prev_term: r.term()?,
                commit: r.index()?,
                round: r.number()?,
                entries: r.list(17, Reader::entry)?,
            }),
            6 => {
                let round = r.number()?;
                let outcome = if r.flag()? {
                    AppendOutcome::Rejected { prev_index: r.index()?, hint_index: r.index()?, hint_term: r.term()? }
                } else {
                    AppendOutcome::Matched(r.index()?)
                };
                Body::AppendReply(AppendReply { round, outcome })
            }
            7 => {
                let (meta, offset, round) = (r.meta()?, r.number()?, r.number()?);
                Body::SnapshotChunk(SnapshotChunk { meta, offset, round, data: r.bytes()? })
            }
            8 => Body::SnapshotReply(SnapshotReply {
                index: r.index()?,
                term: r.term()?,
                next: r.number()?,
                round: r.number()?,
            }),
            9 => Body::ReadRequest { ticket: r.number()? },
            10 => Body::ReadReply { ticket: r.number()?, index: r.option()?.map(Index) },
            11 => Body::Forward { commands: r.list(4, Reader::bytes)? },
            12 => Body::TimeoutNow { last: r.index()? },
            _ => return Err(DecodeError::Value("kind")),
        };
        r.end(Message { from, to, term, cluster, body })
    }
}

impl Entry {
    /// Appends the entry's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out, ENTRY);
        w.entry(self);
        w.seal();
    }

    /// The entry that these bytes are, all of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<Entry, DecodeError> {
        let mut r = Reader::open_as(bytes, ENTRY)?;
        let entry = r.entry()?;
        r.end(entry)
    }
}

impl HardState {
    /// Appends the hard state's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out, HARD_STATE);
        w.number(self.term.0).option(self.vote.map(|vote| vote.0)).number(self.commit.0);
        w.seal();
    }

    /// The hard state that these bytes are, all of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<HardState, DecodeError> {
        let mut r = Reader::open_as(bytes, HARD_STATE)?;
        let state = HardState { term: r.term()?, vote: r.option()?.map(NodeId), commit: r.index()? };
        r.end(state)
    }
}

impl Membership {
    /// Appends the membership's bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out, MEMBERSHIP);
        w.membership(self);
        w.seal();
    }

    /// The membership that these bytes are, all of them; an empty one is allowed.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<Membership, DecodeError> {
        let mut r = Reader::open_as(bytes, MEMBERSHIP)?;
        let membership = r.membership()?;
        r.end(membership)
    }
}

impl SnapshotMeta {
    /// Appends its bytes to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut w = Writer::new(out, SNAPSHOT);
        w.meta(self);
        w.seal();
    }

    /// What these bytes are, all of them.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: Bytes) -> Result<SnapshotMeta, DecodeError> {
        let mut r = Reader::open_as(bytes, SNAPSHOT)?;
        let meta = r.meta()?;
        r.end(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn memberships() -> impl Strategy<Value = Membership> {
        (vec(0_u64..20, 1..6), vec(0_u64..20, 0..6), vec(20_u64..30, 0..3)).prop_map(|(voters, outgoing, learners)| {
            let ids = |ids: Vec<u64>| ids.into_iter().map(NodeId).collect();
            Membership::from_parts(ids(voters), ids(outgoing), ids(learners), vec![]).unwrap()
        })
    }

    fn commands() -> impl Strategy<Value = Bytes> {
        vec(any::<u8>(), 0..40).prop_map(Bytes::from)
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let payload = prop_oneof![
            Just(Payload::Noop),
            commands().prop_map(Payload::Command),
            memberships().prop_map(|membership| Payload::Membership(Arc::new(membership))),
        ];
        (any::<u64>(), any::<u64>(), payload).prop_map(|(index, term, payload)| Entry {
            index: Index(index),
            term: Term(term),
            payload,
        })
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let vote = (any::<u64>(), any::<u64>(), any::<bool>()).prop_map(|(index, term, transfer)| VoteRequest {
            last_index: Index(index),
            last_term: Term(term),
            transfer,
        });
        let meta =
            (any::<u64>(), any::<u64>(), any::<u64>(), memberships()).prop_map(|(index, term, bytes, members)| {
                SnapshotMeta { index: Index(index), term: Term(term), membership: Arc::new(members), bytes }
            });
        let n = any::<u64>;
        prop_oneof![
            vote.clone().prop_map(Body::PreVote),
            vote.prop_map(Body::Vote),
            any::<bool>().prop_map(|granted| Body::PreVoteReply { granted }),
            any::<bool>().prop_map(|granted| Body::VoteReply { granted }),
            (n(), n(), n(), n(), vec(entries(), 0..5)).prop_map(|(index, term, commit, round, entries)| {
                let (prev_index, prev_term) = (Index(index), Term(term));
                Body::Append(Append { prev_index, prev_term, commit: Index(commit), round, entries })
            }),
            (n(), n(), n(), n(), any::<bool>()).prop_map(|(round, a, b, c, matched)| {
                let (prev_index, hint_index, hint_term) = (Index(a), Index(b), Term(c));
                let outcome = if matched {
                    AppendOutcome::Matched(prev_index)
                } else {
                    AppendOutcome::Rejected { prev_index, hint_index, hint_term }
                };
                Body::AppendReply(AppendReply { round, outcome })
            }),
            (meta, n(), n(), commands()).prop_map(|(meta, offset, round, data)| {
                Body::SnapshotChunk(SnapshotChunk { meta, offset, data, round })
            }),
            (n(), n(), n(), n()).prop_map(|(index, term, next, round)| {
                Body::SnapshotReply(SnapshotReply { index: Index(index), term: Term(term), next, round })
            }),
            n().prop_map(|ticket| Body::ReadRequest { ticket }),
            (n(), proptest::option::of(n()))
                .prop_map(|(ticket, index)| Body::ReadReply { ticket, index: index.map(Index) }),
            vec(commands(), 0..4).prop_map(|commands| Body::Forward { commands }),
            n().prop_map(|last| Body::TimeoutNow { last: Index(last) }),
        ]
    }

    /// Gives the bytes a checksum that fits, so that what is behind it is reached.
    fn with_sum(mut bytes: Vec<u8>) -> Bytes {
        let sum = crc32c::crc32c(&bytes);
        bytes.extend(sum.to_le_bytes());
        bytes.into()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(from: u64, to: u64, term: u64, cluster: u64, body in bodies()) {
            let message =
                Message { from: NodeId(from), to: NodeId(to), term: Term(term), cluster: ClusterId(cluster), body };
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            prop_assert_eq!(Message::decode(bytes.into()), Ok(message));
        }

        #[test]
        fn what_is_kept_is_read(entry in entries(), term: u64, vote: Option<u64>, members in memberships()) {
            let mut bytes = Vec::new();
            entry.encode(&mut bytes);
            prop_assert_eq!(Entry::decode(bytes.into()), Ok(entry));
            let state = HardState { term: Term(term), vote: vote.map(NodeId), commit: Index(term) };
            let mut bytes = Vec::new();
            state.encode(&mut bytes);
            prop_assert_eq!(HardState::decode(bytes.into()), Ok(state));
            let mut bytes = Vec::new();
            members.encode(&mut bytes);
            prop_assert_eq!(Membership::decode(bytes.into()), Ok(members.clone()));
            let meta = SnapshotMeta { index: Index(7), term: Term(term), membership: Arc::new(members), bytes: 9 };
            let mut bytes = Vec::new();
            meta.encode(&mut bytes);
            prop_assert_eq!(SnapshotMeta::decode(bytes.into()), Ok(meta));
        }

        /// Whatever bytes claim, they do no harm; and what is taken is written back the same.
        #[test]
        fn strangers_bytes_are_refused_or_mean_one_thing(kind in 0_u8..14, rest in vec(any::<u8>(), 0..200)) {
            let mut bytes = vec![VERSION, kind];
            bytes.extend(rest);
            let bytes = with_sum(bytes);
            if let Ok(message) = Message::decode(bytes.clone()) {
                let mut again = Vec::new();
                message.encode(&mut again);
                prop_assert_eq!(&again[..], &bytes[..]);
            }
        }

        /// Changes of a sound message, with a checksum that fits them.
        #[test]
        fn bytes_that_were_tampered_with_do_no_harm(body in bodies(), at: usize, value: u8, cut: usize) {
            let cluster = ClusterId(0);
            let message = Message { from: NodeId(1), to: NodeId(2), term: Term(3), cluster, body };
            let mut bytes = Vec::new();
            message.encode(&mut bytes);
            let mut flipped = bytes.clone();
            let place = at % bytes.len();
            flipped[place] ^= value;
            if value != 0 {
                prop_assert!(Message::decode(flipped.clone().into()).is_err(), "the checksum finds it");
            }
            flipped.truncate(bytes.len() - 4);
            flipped.truncate(flipped.len() - cut % 16);
            if let Ok(message) = Message::decode(with_sum(flipped)) {
                let _ = message.check();
            }
        }

        #[test]
        fn any_bytes_at_all(bytes in vec(any::<u8>(), 0..64)) {
            let _ = Message::decode(bytes.clone().into());
            let _ = Entry::decode(bytes.clone().into());
            let _ = HardState::decode(bytes.clone().into());
            let _ = Membership::decode(bytes.clone().into());
            let _ = SnapshotMeta::decode(bytes.into());
        }
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let mut bytes = vec![VERSION, 11];
        bytes.extend([0; 32]);
        bytes.extend(u32::MAX.to_le_bytes());
        assert_eq!(Message::decode(with_sum(bytes)), Err(DecodeError::Length));
    }

    #[test]
    fn other_versions_and_kinds_are_named() {
        let mut bytes = Vec::new();
        HardState::default().encode(&mut bytes);
        assert_eq!(Entry::decode(bytes.clone().into()), Err(DecodeError::Value("kind")));
        bytes[0] = 9;
        assert_eq!(HardState::decode(bytes.into()), Err(DecodeError::Version(9)));
    }
}
