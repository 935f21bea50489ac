//! One member of a group.

use std::time::{Duration, Instant};

use bytes::Bytes;
use bytestring::ByteString;

use super::Token;

/// A member: what it said when it joined, and what it waits for.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    /// The name of a static member, which keeps its place when it restarts (KIP-345).
    pub(crate) instance: Option<ByteString>,
    pub(crate) client: Client,
    /// So long it may be silent.
    pub(crate) session: Duration,
    /// So long it may take to join again.
    pub(crate) rebalance: Duration,
    /// The ways of assigning that it knows, the best first, each with what it says of itself there.
    pub(crate) protocols: Vec<(ByteString, Bytes)>,
    pub(crate) assignment: Bytes,
    pub(super) joining: Option<Token>,
    pub(super) syncing: Option<Token>,
    /// It does not know its name yet, so it cannot say that it is alive.
    pub(super) new: bool,
    /// Out, if nothing is heard of it until then.
    pub(super) deadline: Instant,
}

/// Whose member it is. For people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) id: ByteString,
    pub(crate) host: ByteString,
}

impl Member {
    /// Whether silence ends it now: one that waits for an answer is not silent, unless it has never had one.
    pub(super) fn can_expire(&self) -> bool {
        self.new || (self.joining.is_none() && self.syncing.is_none())
    }

    pub(super) fn heard(&mut self, now: Instant) {
        self.deadline = now + self.session;
    }

    pub(crate) fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|(name, _)| name == protocol).map(|(_, said)| said.clone()).unwrap_or_default()
    }

    pub(super) fn supports(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|(name, _)| name == protocol)
    }
}
