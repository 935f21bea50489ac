//! What is wrong with a capture file.

use thiserror::Error;

/// Why bytes are no capture, or a packet can't be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// It begins like neither format.
    #[error("no capture file: it begins with {0:#010x}")]
    Magic(u32),
    /// A version that came later.
    #[error("version {0} of the format is not known")]
    Version(u16),
    /// A block or a packet is longer than the limit.
    #[error("a block of {0} bytes is longer than 16 MiB")]
    TooLong(u32),
    /// A block contradicts itself.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// The file ends inside a block.
    #[error("the file ends inside a block: {0} bytes are left over")]
    Truncated(usize),
    /// The packet is of another link type than the file, or its time is beyond what the format can say.
    #[error("the packet can't be written to this file: {0}")]
    Unwritable(&'static str),
}
