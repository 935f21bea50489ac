//! Why a request failed, and whether it can be repeated.

use std::io;

use xs_proto::http1::{CommandError, Error};

use crate::BoxError;
use crate::client::Retry;

/// Why a request has no response, or its body no end.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct ClientError {
    #[source]
    reason: Reason,
    /// Some of the request may have reached the server.
    sent: bool,
    idempotent: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum Reason {
    #[error("the connection is closed")]
    Closed,
    #[error("the connection is in use")]
    Busy,
    #[error("the stream failed: {0}")]
    Io(#[source] io::Error),
    #[error("the server failed: {0}")]
    Server(#[source] Error),
    #[error("the request cannot be sent: {0}")]
    Request(#[source] CommandError),
    #[error("the request's body failed: {0}")]
    Body(#[source] BoxError),
}

impl ClientError {
    pub(super) fn new(reason: Reason, sent: bool, idempotent: bool) -> ClientError {
        ClientError { reason, sent, idempotent }
    }

    pub(super) fn closed() -> ClientError {
        ClientError::new(Reason::Closed, false, false)
    }

    pub(super) fn busy() -> ClientError {
        ClientError::new(Reason::Busy, false, false)
    }

    /// What the server did wrong, if it was that.
    pub fn protocol(&self) -> Option<Error> {
        match &self.reason {
            Reason::Server(error) => Some(*error),
            _ => None,
        }
    }

    /// What the stream said, if it failed.
    pub fn io(&self) -> Option<&io::Error> {
        match &self.reason {
            Reason::Io(error) => Some(error),
            _ => None,
        }
    }

    /// Whether some of the request has left: the server may have acted on it.
    pub fn was_sent(&self) -> bool {
        self.sent
    }

    /// Whether asking again, on another connection, can help.
    pub fn retry(&self) -> Retry {
        match self.reason {
            Reason::Request(_) | Reason::Body(_) => Retry::Useless,
            _ if !self.sent => Retry::Safe,
            _ => Retry::IfIdempotent,
        }
    }

    /// Whether it can be repeated without being done twice: nothing has left, or its method is idempotent (RFC 9110,
    /// section 9.2.2) and no byte of a response has been seen by the caller.
    pub fn is_safe_to_repeat(&self) -> bool {
        match self.retry() {
            Retry::Safe => true,
            Retry::IfIdempotent => self.idempotent,
            Retry::Useless => false,
        }
    }
}
