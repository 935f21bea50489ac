//! Why a transaction ends other than it was meant to.

use std::fmt;

use bytes::Bytes;

use super::Timestamp;

/// What a [`Conflict`] is about, in Adya's terms: the dependency that the history must not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConflictKind {
    /// Both wrote the key, and the other one committed first (`ww`: first committer wins).
    WriteWrite,
    /// This one read the key, or a range that it lies in, and the other one wrote it after that (`rw`, an
    /// anti-dependency).
    ReadWrite,
}

/// Another transaction, running at the same time, committed something that this one depends on. Nothing of this one
/// happened; running it again from its beginning may succeed, and somebody has made progress meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Conflict {
    /// What kind of dependency.
    pub kind: ConflictKind,
    /// A key that both touched; there may be more.
    pub key: Bytes,
    /// The other one's commit.
    pub with: Timestamp,
    /// The state that this one read.
    pub started: Timestamp,
    /// This one read so much that its reads were kept as coarser ranges: it may never have read the key. A transaction
    /// that ends so again and again should read less, or be given more room
    /// ([`Options::read_limit`](super::Options::read_limit)).
    pub coarse: bool,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let did = match (self.kind, self.coarse) {
            (ConflictKind::WriteWrite, _) => "wrote",
            (ConflictKind::ReadWrite, false) => "read",
            (ConflictKind::ReadWrite, true) => "read (or read near)",
        };
        let (key, with, started) = (self.key.escape_ascii(), self.with, self.started);
        write!(f, "{did} {key}, which commit {with} changed after this transaction began at {started}: run it again")
    }
}

impl std::error::Error for Conflict {}

/// Why a transaction did not happen.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// Another one was first. Nobody is at fault; run it again.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The engine refused, or a limit was passed.
    #[error(transparent)]
    Store(#[from] crate::Error),
}

impl TransactionError {
    /// Whether running the same transaction again can help.
    pub fn can_retry(&self) -> bool {
        matches!(self, TransactionError::Conflict(_))
    }
}

/// A moment that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read as of {asked}: history goes from {oldest} to {newest}")]
pub struct OutOfHistory {
    /// The moment that was asked for.
    pub asked: Timestamp,
    /// The oldest that can be read ([`Options::keep`](super::Options::keep) says how far back that is).
    pub oldest: Timestamp,
    /// The newest.
    pub newest: Timestamp,
}
