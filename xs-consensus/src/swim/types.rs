//! Members, and what a member tells its driver.

use std::fmt;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;

/// The name of a member, unique in its cluster for good: a process that is started again under its name *is* the member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

/// What is thought of a member. Of two claims about the same incarnation the later in this list wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// It answers.
    Alive,
    /// It did not answer somebody, and has not yet said that it lives.
    Suspect,
    /// It did not say so in time.
    Dead,
    /// It said goodbye.
    Left,
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub id: NodeId,
    /// Where it listens.
    pub addr: SocketAddr,
    /// What it says about itself.
    pub meta: Bytes,
    /// What is thought of it.
    pub state: State,
    /// How often it has contradicted what was said of it, or changed what it says: only the member itself raises this.
    pub incarnation: u32,
    /// Since when it is thought of so, by this member's clock.
    pub since: Instant,
    /// The incarnation that address and metadata are of.
    pub(super) profile: u32,
}

impl Member {
    /// Whether it takes part: alive, or only suspected.
    pub fn is_up(&self) -> bool {
        self.state <= State::Suspect
    }

    /// What decides between two claims about a member: the larger one is right.
    pub(super) fn claim(&self) -> (u32, State) {
        (self.incarnation, self.state)
    }
}

/// Something that a driver may want to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A seed has answered, and its whole table is known.
    Joined,
    /// No seed has answered. It is tried again after [`Options::sync_every`](super::Options::sync_every).
    JoinFailed,
    /// A member is there, for the first time or again.
    Up(NodeId),
    /// It is suspected: don't send it new work, and don't move its data yet.
    Suspected(NodeId),
    /// It lives after all.
    Trusted(NodeId),
    /// It is thought dead.
    Down(NodeId),
    /// It left.
    Left(NodeId),
    /// It says something else about itself, or listens elsewhere.
    Updated(NodeId),
    /// Somebody's user event.
    User {
        /// Whose.
        origin: NodeId,
        /// What it says.
        payload: Bytes,
    },
    /// Two addresses claim the same name: two processes were given it, and whoever did that must take it from one. The one
    /// that is known stays.
    Conflict {
        /// The name.
        id: NodeId,
        /// Who claims it too.
        addr: SocketAddr,
    },
    /// This member has left, and has told enough others: it may be dropped.
    Gone,
}

/// A packet to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Transmit {
    /// Where.
    pub to: SocketAddr,
    /// The whole datagram.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Transmit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "to {}: {} bytes", self.to, self.bytes.len())
    }
}
