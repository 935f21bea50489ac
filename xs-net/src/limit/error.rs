//! What a limited service answers instead of a response.

use std::sync::Arc;
use std::time::Duration;

use super::Denied;

/// Why a limited service has no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error<E> {
    /// The limit refused, and the service was not called.
    #[error(transparent)]
    Denied(Denied),
    /// Too many calls are under way, and the service was not called.
    #[error(transparent)]
    Full(Full),
    /// The store of a shared limit did not answer, and nothing may pass without it.
    #[error("the limit's store is not available: {0}")]
    Unavailable(Arc<str>),
    /// The service failed.
    #[error(transparent)]
    Inner(E),
}

/// Too many calls are under way. When one of them ends, nobody knows: ask elsewhere, or again after a pause that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{limit} calls are under way, and no more may be")]
pub struct Full {
    /// How many may be under way at the moment.
    pub limit: usize,
}

impl<E> Error<E> {
    /// The service's own error, if it is one.
    pub fn into_inner(self) -> Option<E> {
        match self {
            Error::Inner(error) => Some(error),
            _ => None,
        }
    }

    /// When asking again may succeed, if the limit refused and knows.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Error::Denied(denied) => denied.retry_after(),
            Error::Full(_) | Error::Unavailable(_) | Error::Inner(_) => None,
        }
    }
}
