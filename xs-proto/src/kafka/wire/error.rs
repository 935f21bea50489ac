//! What can be wrong with a message.

use crate::codec::Blame;

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The bytes end within a value.
    #[error("the message is cut off")]
    Truncated,
    /// A number of variable length with too many bits.
    #[error("a number has too many bits")]
    Varint,
    /// A negative length, or one beyond its type.
    #[error("a length is out of range")]
    Length,
    /// Null where this version has no null.
    #[error("null where a value must be")]
    Null,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    Utf8,
    /// Tagged fields that do not stand in order, or stand twice.
    #[error("tagged fields out of order")]
    Tag,
    /// More elements of arrays than the reader allows.
    #[error("too many elements")]
    Elements,
    /// Bytes behind the end.
    #[error("bytes behind the message")]
    Trailing,
    /// A version that this crate does not have.
    #[error("version {0} is not known")]
    Version(i16),
}

impl ReadError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            ReadError::Elements => Blame::Limit,
            _ => Blame::Peer,
        }
    }
}

/// Why a message has no form on the wire. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Something longer than its length can say.
    #[error("a value is too long")]
    TooLong,
    /// Null where this version has no null.
    #[error("null where a value must be")]
    Null,
    /// A value that this version has no place for, and that may not be lost.
    #[error("version {version} has no field `{name}`")]
    NoField {
        /// The field.
        name: &'static str,
        /// The version.
        version: i16,
    },
    /// A version that this crate does not have.
    #[error("version {0} is not known")]
    Version(i16),
}
