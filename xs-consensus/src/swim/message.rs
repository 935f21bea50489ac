//! What members say.

use std::net::SocketAddr;

use bytes::Bytes;

use super::{NodeId, State};

/// One datagram: what it is for, and news that ride on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The cluster of the sender.
    pub cluster: u64,
    /// The sender.
    pub from: NodeId,
    /// What it is for.
    pub body: Body,
    /// What rides on it.
    pub news: Vec<News>,
}

/// What a packet is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// "Are you there?"
    Ping {
        /// Comes back in the answer.
        seq: u32,
        /// Who is meant: another process at this address doesn't answer.
        to: NodeId,
    },
    /// "Ask this member whether it is there, and tell me."
    PingReq {
        /// Comes back in the answer.
        seq: u32,
        /// Who is to be asked.
        target: NodeId,
    },
    /// "I am", or "it is".
    Ack {
        /// Of the question.
        seq: u32,
    },
    /// "I am, but it doesn't answer me" (Lifeguard).
    Nack {
        /// Of the question.
        seq: u32,
    },
    /// Nothing but news.
    Gossip,
    /// "This is all I know of the members behind one name and up to another. What do you know?"
    SyncAsk {
        /// Comes back in the answer.
        seq: u32,
        /// Behind this name; from the first if none.
        after: Option<NodeId>,
        /// Up to and with this name; to the last if none.
        upto: Option<NodeId>,
        /// All that the sender knows of this stretch, by name.
        entries: Vec<Entry>,
    },
    /// "This is what I know better, up to here."
    SyncTell {
        /// Of the question.
        seq: u32,
        /// How far the answer goes: not beyond the question.
        upto: Option<NodeId>,
        /// What the other one lacks or has older, by name.
        entries: Vec<Entry>,
    },
}

/// News of one member, or of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there.
    Alive {
        /// Who.
        id: NodeId,
        /// Its incarnation.
        incarnation: u32,
        /// Where it listens.
        addr: SocketAddr,
        /// What it says about itself.
        meta: Bytes,
    },
    /// It does not answer.
    Suspect {
        /// Who.
        id: NodeId,
        /// Its incarnation.
        incarnation: u32,
        /// Whom it didn't answer.
        by: NodeId,
    },
    /// It is dead.
    Dead {
        /// Who.
        id: NodeId,
        /// Its incarnation.
        incarnation: u32,
        /// Who says so.
        by: NodeId,
    },
    /// It left.
    Left {
        /// Who.
        id: NodeId,
        /// Its incarnation.
        incarnation: u32,
    },
    /// A user event.
    Event {
        /// Whose.
        origin: NodeId,
        /// Tells its events apart.
        number: u64,
        /// What it says.
        payload: Bytes,
    },
}

/// A member in somebody's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Who.
    pub id: NodeId,
    /// What is thought of it.
    pub state: State,
    /// Its incarnation.
    pub incarnation: u32,
    /// The incarnation that what follows is of: the same for one that is alive, and never a later one.
    pub profile: u32,
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it says about itself.
    pub meta: Bytes,
}
