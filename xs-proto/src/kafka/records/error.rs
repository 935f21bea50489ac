//! What can be wrong with a batch.

use super::Compression;
use crate::codec::Blame;

/// What is wrong with a batch of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The bytes end within the batch.
    #[error("the batch is cut off")]
    Truncated,
    /// Bytes behind the batch, where one batch was expected.
    #[error("bytes behind the batch")]
    Trailing,
    /// Another format than 2: older ones are not read.
    #[error("a batch of format {0}, which is not 2")]
    Magic(i8),
    /// A length that is shorter than the header.
    #[error("a batch's length that is shorter than its header")]
    Length,
    /// Offsets that are negative or beyond the last one there can be.
    #[error("a batch's offsets are out of range")]
    Offsets,
    /// A number of records that is negative, or more or fewer than there are.
    #[error("a batch's count of records is wrong")]
    Count,
    /// The checksum is another one than that of the bytes.
    #[error("wrong checksum of the batch")]
    Checksum,
    /// A control batch where records are expected, or the other way round.
    #[error("a control batch in the wrong place")]
    Control,
    /// A producer's number without epoch and sequence, or a transactional batch without a producer.
    #[error("a batch's producer, epoch and sequence do not fit together")]
    Producer,
    /// A number of a compression that does not exist.
    #[error("unknown compression {0}")]
    UnknownCompression(i16),
    /// A compression that this build leaves out.
    #[error("{} is left out of this build", .0.name())]
    Unsupported(Compression),
    /// Compressed bytes that make no sense.
    #[error("damaged {} data", .0.name())]
    Compressed(Compression),
    /// More bytes, once they are decompressed, than the caller allows.
    #[error("a batch beyond the limit of {0} bytes")]
    TooLarge(usize),
    /// A record that does not parse.
    #[error("damaged record: {0}")]
    Record(&'static str),
}

impl BatchError {
    /// Who is at fault.
    pub fn blame(self) -> Blame {
        match self {
            BatchError::TooLarge(_) => Blame::Limit,
            BatchError::Unsupported(_) => Blame::Caller,
            _ => Blame::Peer,
        }
    }
}
