//! What can be wrong with a header.

use crate::codec::Blame;

/// What is wrong with a header that came. The connection cannot be used: nobody knows whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes begin like neither version. Whoever connected speaks without the header.
    #[error("no PROXY protocol header")]
    Signature,
    /// The connection ended within the header.
    #[error("the PROXY protocol header is cut off")]
    Truncated,
    /// A line of version 1 that is not made as section 2.1 says.
    #[error("malformed line of the PROXY protocol")]
    Line,
    /// No end of the line within 107 bytes.
    #[error("line of the PROXY protocol longer than 107 bytes")]
    LineTooLong,
    /// An address that is not in the form of its family.
    #[error("invalid address in the PROXY protocol header")]
    Address,
    /// A port that is not a decimal number up to 65535 without leading zeros.
    #[error("invalid port in the PROXY protocol header")]
    Port,
    /// A binary header of another version than 2, or with another command than LOCAL and PROXY.
    #[error("unknown version or command in the PROXY protocol header")]
    Command,
    /// A family or transport that the specification does not know, or one without the other.
    #[error("unknown family or transport in the PROXY protocol header")]
    Family,
    /// A length that has no room for the family's addresses.
    #[error("PROXY protocol header too short for its addresses")]
    Length,
    /// A binary header beyond the limit that was set.
    #[error("PROXY protocol header beyond its limit")]
    TooLarge,
    /// A TLV that ends outside of its space, stands twice, or holds what its type cannot mean.
    #[error("malformed TLV in the PROXY protocol header")]
    Tlv,
    /// The checksum is another one than that of the bytes.
    #[error("wrong checksum of the PROXY protocol header")]
    Checksum,
}

impl Error {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            Error::TooLarge => Blame::Limit,
            _ => Blame::Peer,
        }
    }
}

/// Why a header has no form on the wire. The caller's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// Version 1 has no room for extensions: send version 2, or leave them out.
    #[error("version 1 of the PROXY protocol carries no extensions")]
    Version,
    /// More than the 65535 bytes that a length can count, or a unique id of more than 128.
    #[error("extensions of the PROXY protocol too long")]
    TooLong,
    /// [`Extensions::other`](super::Extensions::other) holds a type that has a field of its own.
    #[error("a registered TLV among the others")]
    Registered,
}
