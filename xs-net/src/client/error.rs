//! Why a call failed.

use std::fmt::Display;
use std::sync::Arc;

/// Why a call has no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nothing of the request has left: the server knows nothing of it.
    #[error("not sent: {0}")]
    Unsent(Arc<str>),
    /// The request may have reached the server, and no reply came.
    #[error("no reply: {0}")]
    Lost(Arc<str>),
    /// The request has no form on the wire.
    #[error("the request cannot be encoded: {0}")]
    Encode(Arc<str>),
}

/// Whether asking again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Yes, and it cannot happen twice.
    Safe,
    /// Yes, but the server may have acted on the first one.
    IfIdempotent,
    /// No: it would fail the same way.
    Useless,
}

impl CallError {
    pub(super) fn unsent(why: impl Display) -> Self {
        CallError::Unsent(why.to_string().into())
    }

    pub(super) fn lost(why: impl Display) -> Self {
        CallError::Lost(why.to_string().into())
    }

    /// Whether asking again, on another connection, can help.
    pub fn retry(&self) -> Retry {
        match self {
            CallError::Unsent(_) => Retry::Safe,
            CallError::Lost(_) => Retry::IfIdempotent,
            CallError::Encode(_) => Retry::Useless,
        }
    }
}
