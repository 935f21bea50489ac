//! What can be wrong with a connection.

use crate::codec::Blame;
use crate::kafka::ErrorCode;
use crate::kafka::messages::ApiKey;
use crate::kafka::wire::ReadError;

/// Why there is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A negative length.
    #[error("a frame of {0} bytes")]
    Negative(i32),
    /// A frame beyond the limit. Kafka's brokers close the connection without an answer, too.
    #[error("a frame of {len} bytes, which is beyond the limit of {limit}")]
    TooLarge {
        /// What the frame claims.
        len: usize,
        /// What is allowed.
        limit: usize,
    },
    /// The connection ended within a frame.
    #[error("the connection ended within a frame")]
    Truncated,
}

impl FrameError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            FrameError::TooLarge { .. } => Blame::Limit,
            _ => Blame::Peer,
        }
    }
}

/// Why a broker cannot go on reading a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// There is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame has no header.
    #[error("the header of a request: {0}")]
    Header(#[from] ReadError),
}

impl ServerError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            ServerError::Frame(error) => error.blame(),
            ServerError::Header(error) => error.blame(),
        }
    }
}

/// Why the body of a request cannot be read. The stream goes on behind it, but a client that sent it is not to be trusted
/// with another: Kafka's brokers close the connection, unless it asked for ApiVersions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// A request that this crate does not know.
    #[error("an unknown request with the number {0}")]
    Api(i16),
    /// A version that this crate does not know.
    #[error("{} in version {version}, which is not known", .api.name())]
    Version {
        /// The request.
        api: ApiKey,
        /// Its version.
        version: i16,
    },
    /// A body that does not parse.
    #[error("{}: {error}", .api.name())]
    Malformed {
        /// The request.
        api: ApiKey,
        /// What is wrong.
        error: ReadError,
    },
}

impl RequestError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            RequestError::Malformed { error, .. } => error.blame(),
            _ => Blame::Peer,
        }
    }

    /// What an answer would say, where there can be one.
    pub fn code(self) -> ErrorCode {
        match self {
            RequestError::Malformed { .. } => ErrorCode::INVALID_REQUEST,
            _ => ErrorCode::UNSUPPORTED_VERSION,
        }
    }
}

/// Why a client cannot go on reading a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The frame is no answer.
    #[error("an answer: {0}")]
    Malformed(#[from] ReadError),
    /// An answer without a request.
    #[error("an answer that nobody asked for")]
    NotAsked,
    /// The answer of another request than the one whose turn it is.
    #[error("the answer to request {found}, where that to {expected} was due")]
    Correlation {
        /// Whose turn it is.
        expected: i32,
        /// What came.
        found: i32,
    },
}

impl ClientError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            ClientError::Frame(error) => error.blame(),
            ClientError::Malformed(error) => error.blame(),
            _ => Blame::Peer,
        }
    }
}
