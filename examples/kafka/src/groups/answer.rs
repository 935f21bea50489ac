//! What goes into a group and comes out.

use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use xs_proto::kafka::ErrorCode;

use super::Client;

/// Names a request whose answer may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Token(pub(crate) u64);

/// A request to join.
#[derive(Debug, Clone)]
pub(crate) struct Join {
    pub(crate) client: Client,
    /// Empty for a newcomer.
    pub(crate) member: ByteString,
    pub(crate) instance: Option<ByteString>,
    pub(crate) protocol_type: ByteString,
    pub(crate) protocols: Vec<(ByteString, Bytes)>,
    pub(crate) session: Duration,
    pub(crate) rebalance: Duration,
    /// A newcomer is only told its name, and joins with it (KIP-394).
    pub(crate) name_first: bool,
    /// A name that nobody has had, should one be needed.
    pub(crate) fresh: ByteString,
}

/// An answer that has been waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Output {
    Join(Token, JoinAnswer),
    Sync(Token, SyncAnswer),
}

/// What a join is answered. With an error goes the member's name, which may be news.
pub(crate) type JoinAnswer = Result<Joined, (ErrorCode, ByteString)>;

/// A place in a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) member: ByteString,
    pub(crate) generation: i32,
    pub(crate) protocol_type: ByteString,
    pub(crate) protocol: ByteString,
    pub(crate) leader: ByteString,
    /// For the leader, all members: name, static name, what it says of itself.
    pub(crate) members: Vec<(ByteString, Option<ByteString>, Bytes)>,
}

pub(crate) type SyncAnswer = Result<Synced, ErrorCode>;

/// What a member shall read, in the clients' own form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synced {
    pub(crate) protocol_type: ByteString,
    pub(crate) protocol: ByteString,
    pub(crate) assignment: Bytes,
}
