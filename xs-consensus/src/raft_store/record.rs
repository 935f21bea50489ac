//! What stands in the log of records.
//!
//! ```text
//!   entry        1  ┬ payload u8 ┬ index u64 ┬ term u64 ┬ the command's bytes, or the membership's byte form
//!   hard state   2  ┬ its byte form
//!   front        3  ┬ keeps u8 ┬ cluster u64 ┬ node u64 ┬ incarnation u64 ┬ index u64 ┬ term u64
//!                   ┬ lives u64 ┬ hard state: length u32, byte form ┬ membership: the same
//!                   ┬ peers: count u32, (node, incarnation)…
//!   peer         4  ┬ node u64 ┬ incarnation u64
//!   life         5  ┬ lives u64
//! ```
//!
//! Numbers are little-endian; byte forms are those of `raft::codec`. The log's framing checks every bit of a record.

use std::sync::Arc;

use bytes::{Buf, Bytes};

use super::identity::Identity;
use crate::raft::{ClusterId, DecodeError, Entry, HardState, Index, Membership, NodeId, Payload, Term};

const ENTRY: u8 = 1;
const HARD_STATE: u8 = 2;
const FRONT: u8 = 3;
const PEER: u8 = 4;
const LIFE: u8 = 5;

/// Everything that a node knows beside its entries, so that records in front of it need not be kept for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) identity: Identity,
    /// The log begins behind this entry.
    pub(super) before: (Index, Term),
    /// Whether entries behind it stay; a snapshot that comes from elsewhere takes the place of all.
    pub(super) keeps_entries: bool,
    /// How often the node was opened.
    pub(super) lives: u64,
    pub(super) hard_state: HardState,
    /// The membership in force at `before`.
    pub(super) membership: Membership,
    /// The incarnations of the nodes that this one has met, by node.
    pub(super) peers: Vec<(NodeId, u64)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Entry(Entry),
    HardState(HardState),
    Front(Box<Front>),
    Peer(NodeId, u64),
    Life(u64),
}

/// The bytes in front of an entry's own: whole but for a command, which is not copied.
pub(super) fn entry_head(entry: &Entry, out: &mut Vec<u8>) {
    let payload = match &entry.payload {
        Payload::Noop => 0,
        Payload::Command(_) => 1,
        Payload::Membership(_) => 2,
    };
    out.extend([ENTRY, payload]);
    out.extend(entry.index.0.to_le_bytes());
    out.extend(entry.term.0.to_le_bytes());
    if let Payload::Membership(membership) = &entry.payload {
        membership.encode(out);
    }
}

fn with_length(out: &mut Vec<u8>, encode: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    encode(out);
    let len = (out.len() - at - 4) as u32;
    out[at..at + 4].copy_from_slice(&len.to_le_bytes());
}

impl Record {
    #[cfg(test)]
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Record::Entry(entry) => {
                entry_head(entry, &mut out);
                if let Payload::Command(command) = &entry.payload {
                    out.extend_from_slice(command);
                }
            }
            Record::HardState(state) => encode_hard_state(state, &mut out),
            Record::Front(front) => front.encode(&mut out),
            Record::Peer(node, incarnation) => encode_peer(*node, *incarnation, &mut out),
            Record::Life(lives) => encode_life(*lives, &mut out),
        }
        out
    }

    /// The record that these bytes are, all of them.
    pub(super) fn decode(mut bytes: Bytes) -> Result<Record, DecodeError> {
        let kind = bytes.try_get_u8().map_err(short)?;
        match kind {
            ENTRY => {
                let payload = bytes.try_get_u8().map_err(short)?;
                let (index, term) = (Index(number(&mut bytes)?), Term(number(&mut bytes)?));
                let payload = match payload {
                    0 if bytes.is_empty() => Payload::Noop,
                    0 => return Err(DecodeError::Length),
                    1 => Payload::Command(bytes),
                    2 => Payload::Membership(Arc::new(Membership::decode(bytes)?)),
                    _ => return Err(DecodeError::Value("payload")),
                };
                Ok(Record::Entry(Entry { index, term, payload }))
            }
            HARD_STATE => HardState::decode(bytes).map(Record::HardState),
            FRONT => Front::decode(bytes).map(|front| Record::Front(Box::new(front))),
            PEER => {
                let record = Record::Peer(NodeId(number(&mut bytes)?), number(&mut bytes)?);
                if bytes.is_empty() { Ok(record) } else { Err(DecodeError::Length) }
            }
            LIFE => {
                let record = Record::Life(number(&mut bytes)?);
                if bytes.is_empty() { Ok(record) } else { Err(DecodeError::Length) }
            }
            _ => Err(DecodeError::Value("record")),
        }
    }
}

pub(super) fn encode_hard_state(state: &HardState, out: &mut Vec<u8>) {
    out.push(HARD_STATE);
    state.encode(out);
}

pub(super) fn encode_peer(node: NodeId, incarnation: u64, out: &mut Vec<u8>) {
    out.push(PEER);
    out.extend(node.0.to_le_bytes());
    out.extend(incarnation.to_le_bytes());
}

pub(super) fn encode_life(lives: u64, out: &mut Vec<u8>) {
    out.push(LIFE);
    out.extend(lives.to_le_bytes());
}

impl Front {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([FRONT, u8::from(self.keeps_entries)]);
        let Identity { cluster, node, incarnation } = self.identity;
        for number in [cluster.0, node.0, incarnation, self.before.0.0, self.before.1.0, self.lives] {
            out.extend(number.to_le_bytes());
        }
        with_length(out, |out| self.hard_state.encode(out));
        with_length(out, |out| self.membership.encode(out));
        out.extend((self.peers.len() as u32).to_le_bytes());
        for (node, incarnation) in &self.peers {
            out.extend(node.0.to_le_bytes());
            out.extend(incarnation.to_le_bytes());
        }
    }

    fn decode(mut bytes: Bytes) -> Result<Front, DecodeError> {
        let keeps_entries = match bytes.try_get_u8().map_err(short)? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::Value("flag")),
        };
        let cluster = ClusterId(number(&mut bytes)?);
        let identity = Identity { cluster, node: NodeId(number(&mut bytes)?), incarnation: number(&mut bytes)? };
        let before = (Index(number(&mut bytes)?), Term(number(&mut bytes)?));
        let lives = number(&mut bytes)?;
        let hard_state = HardState::decode(piece(&mut bytes)?)?;
        let membership = Membership::decode(piece(&mut bytes)?)?;
        let count = bytes.try_get_u32_le().map_err(short)? as usize;
        if bytes.len() != count.saturating_mul(16) {
            return Err(DecodeError::Length);
        }
        let mut peers = Vec::with_capacity(count);
        while !bytes.is_empty() {
            peers.push((NodeId(number(&mut bytes)?), number(&mut bytes)?));
        }
        Ok(Front { identity, before, keeps_entries, lives, hard_state, membership, peers })
    }
}

fn short(_: bytes::TryGetError) -> DecodeError {
    DecodeError::Length
}

fn number(bytes: &mut Bytes) -> Result<u64, DecodeError> {
    bytes.try_get_u64_le().map_err(short)
}

/// Bytes with their length in front.
fn piece(bytes: &mut Bytes) -> Result<Bytes, DecodeError> {
    let len = bytes.try_get_u32_le().map_err(short)? as usize;
    if len > bytes.len() { Err(DecodeError::Length) } else { Ok(bytes.split_to(len)) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// What an entry's record holds in front of a command.
    const HEAD: usize = 18;

    fn records() -> Vec<Record> {
        let membership = Membership::of(vec![NodeId(1), NodeId(2), NodeId(3)]).unwrap();
        let hard_state = HardState { term: Term(4), vote: Some(NodeId(2)), commit: Index(9) };
        let entry = |payload| Record::Entry(Entry { index: Index(8), term: Term(3), payload });
        let front = Front {
            identity: Identity { cluster: ClusterId(1), node: NodeId(2), incarnation: 3 },
            before: (Index(7), Term(2)),
            keeps_entries: true,
            lives: 12,
            hard_state,
            membership: membership.clone(),
            peers: vec![(NodeId(1), 77), (NodeId(3), 78)],
        };
        vec![
            entry(Payload::Noop),
            entry(Payload::Command(Bytes::from_static(b"tea"))),
            entry(Payload::Membership(Arc::new(membership))),
            Record::HardState(hard_state),
            Record::Front(Box::new(front.clone())),
            Record::Front(Box::new(Front { keeps_entries: false, membership: Membership::default(), ..front })),
            Record::Peer(NodeId(5), 6),
            Record::Life(7),
        ]
    }

    #[test]
    fn what_is_written_is_read_and_nothing_shorter_or_longer() {
        for record in records() {
            let bytes = record.encode();
            assert_eq!(Record::decode(bytes.clone().into()), Ok(record.clone()));
            let is_command = matches!(&record, Record::Entry(Entry { payload: Payload::Command(_), .. }));
            for len in (0..bytes.len()).filter(|len| !is_command || *len < HEAD) {
                assert!(Record::decode(bytes[..len].to_vec().into()).is_err(), "{record:?} of {len} bytes");
            }
            if !is_command {
                assert!(Record::decode([&bytes[..], &[0]].concat().into()).is_err(), "{record:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(kind in 0_u8..7, rest in vec(any::<u8>(), 0..150)) {
            let mut bytes = vec![kind];
            bytes.extend(rest);
            if let Ok(record) = Record::decode(bytes.clone().into()) {
                prop_assert_eq!(record.encode(), bytes);
            }
        }
    }
}
