//! What is wrong with a message.

use thiserror::Error;

/// Why bytes are no message, or a message has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The message ends inside of something.
    #[error("the message ends at byte {at}, inside of something")]
    Truncated {
        /// Where it ends.
        at: usize,
    },
    /// Something in it can't be so.
    #[error("at byte {at}: {what}")]
    Malformed {
        /// Where.
        at: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// A text is no name.
    #[error("no domain name: {0}")]
    Name(&'static str),
    /// What is to be written does not fit: a message of 65,535 bytes, or a text of 255.
    #[error("it is longer than DNS can say")]
    TooLong,
}
