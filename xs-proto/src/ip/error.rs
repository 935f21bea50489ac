//! What is wrong with a packet.

use thiserror::Error;

/// Why bytes are no packet, or a packet has no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Error {
    /// The bytes end inside a header.
    #[error("the {layer} header is cut: {need} bytes are needed, and {have} are there")]
    Truncated {
        /// Whose header.
        layer: &'static str,
        /// How many bytes it has at least.
        need: usize,
        /// How many there are.
        have: usize,
    },
    /// A field contradicts another one, or the standard.
    #[error("{layer}: {what}")]
    Malformed {
        /// Whose header.
        layer: &'static str,
        /// What is wrong.
        what: &'static str,
    },
    /// A payload does not fit into what its header can say.
    #[error("{layer}: {len} bytes are more than the length field can say")]
    TooLong {
        /// Whose header.
        layer: &'static str,
        /// How long it would be.
        len: usize,
    },
}

impl Error {
    pub(crate) fn malformed(layer: &'static str, what: &'static str) -> Self {
        Error::Malformed { layer, what }
    }
}
